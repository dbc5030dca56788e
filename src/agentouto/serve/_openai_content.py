"""Reads what requests of OpenAI's APIs have in common: texts, files, tools, and marks of questions.

A mark stands at the end of a reply that is a question. It is a link reference definition, which
CommonMark (§4.7) shows nothing of, and the next request of the conversation brings it back.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

import msgspec

from agentouto import Attachment, ConfigurationError, Message
from agentouto.serve._asgi import HttpError
from agentouto.serve._waiting import CallerTool, ToolOutput

_MARK = re.compile(r"\[//\]: # \(question ([0-9a-f]{32,40})\)")
"""Ids have 32 hex digits; of a run in a journal 40, the last of which say which question it was.
All have 128 random bits: who has the id can answer."""

_DATA_URL = re.compile(r"data:([^;,]+)(?:;[^;,]+)*;base64,(.*)", re.DOTALL | re.IGNORECASE)
"""RFC 2397, in base64."""

_AUDIO_TYPES: Final = ("wav", "mp3")
"""What ``input_audio.format`` may be."""


class OpenAIRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a model, whichever of OpenAI's APIs it was sent to.

    Attributes:
        model: Who is talked to.
        message: The last message of the user; ``""`` if the request only brings results of tools.
        attachments: The files of that message.
        history: The messages before it.
        instructions: All system messages; ``None`` without any.
        question_id: The id of the question that the last message answers, if the reply before it
            was one.
        tool_outputs: The results of tools that the request brings.
        tools: The tools that the caller carries out.
        user: The person, where the client names one.
        streams: Whether the reply is streamed.
        includes_usage: Whether a streamed reply ends with what was used.
        previous_id: The id of the response that this one follows, where the API has one.
    """

    model: str
    message: str
    attachments: tuple[Attachment, ...] = ()
    history: tuple[Message, ...] = ()
    instructions: str | None = None
    question_id: str | None = None
    tool_outputs: tuple[ToolOutput, ...] = ()
    tools: tuple[CallerTool, ...] = ()
    user: str = ""
    streams: bool = False
    includes_usage: bool = False
    previous_id: str | None = None


def question_mark_text(question_id: str) -> str:
    """Return the mark of a question, to be put at the end of a reply."""
    return f"\n\n[//]: # (question {question_id})"


def strip_marks(text: str) -> str:
    """Return ``text`` without marks, for models, which would imitate them."""
    return _MARK.sub("", text).rstrip() if "[//]: #" in text else text


def marked_question(text: str) -> str | None:
    """Return the id of the question that ``text`` ends with, or ``None``."""
    # The last one is ours, put after all that the agent has written; it may have quoted another.
    marks = _MARK.findall(text)
    return marks[-1] if marks else None


def bad_value(param: str, message: str) -> HttpError:
    """Return the error for a field of a request."""
    return HttpError(400, "invalid_value", f"{message}.", param=param)


def optional_text(body: Mapping[str, object], name: str) -> str:
    """Return a field that is text, or ``""``."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise bad_value(name, f"{name} must be text, not {type(value).__name__}")
    return value


def chosen_model(body: Mapping[str, object], models: Iterable[str]) -> str:
    """Return the model of a request.

    Raises:
        HttpError: It is missing or unknown.
    """
    model = optional_text(body, "model")
    names = list(models)
    there = ", ".join(names)
    if not model:
        raise bad_value("model", f"model is missing. There are: {there}")
    if model not in names:
        message = f"There is no model {model!r:.100}. There are: {there}."
        raise HttpError(404, "model_not_found", message, param="model")
    return model


def person_of(body: Mapping[str, object]) -> str:
    """Return the person that a request names, or ``""``."""
    # OpenAI's API reference: ``user`` is being replaced by ``safety_identifier``.
    return optional_text(body, "safety_identifier") or optional_text(body, "user")


def is_streamed(body: Mapping[str, object]) -> bool:
    """Return whether the reply is to be streamed."""
    if body.get("stream") not in (None, True, False):
        raise bad_value("stream", "stream must be true or false")
    return body.get("stream") is True


def caller_tools(body: Mapping[str, object], taken: Iterable[str]) -> tuple[CallerTool, ...]:
    """Return the functions that the caller offers.

    Those of other types, such as a vendor's own web search, are left aside, and so are those whose
    name something in the team has: the team's own comes first.

    Args:
        body: The request, of either API.
        taken: The names that something in the team has.

    Raises:
        HttpError: A tool cannot be read, or one is forced.
    """
    choice = body.get("tool_choice")
    # A forced tool would hold for every turn of the starting agents, who could never return.
    if choice not in (None, "auto", "none"):
        raise bad_value(
            "tool_choice",
            "tool_choice can be auto or none: a team decides itself which tools it uses",
        )
    given = body.get("tools")
    if given is None or choice == "none":
        return ()
    if not isinstance(given, list):
        raise bad_value("tools", "tools must be a list")
    return named_tools(cast("list[object]", given), taken)


def named_tools(given: Iterable[object], taken: Iterable[str]) -> tuple[CallerTool, ...]:
    """Return the functions in a list of tools, without those whose name is taken.

    Raises:
        HttpError: A tool cannot be read.
    """
    found: dict[str, CallerTool] = {}
    for place, item in enumerate(given):
        if not isinstance(item, dict):
            raise bad_value(f"tools[{place}]", "a tool must be an object")
        tool = cast("dict[str, object]", item)
        if tool.get("type", "function") != "function":
            continue
        # Chat Completions puts the fields of a function into an object; the others do not.
        read = _caller_tool(tool.get("function", tool), f"tools[{place}]")
        found.setdefault(read.name, read)
    names = frozenset(taken)
    return tuple(tool for name, tool in found.items() if name not in names)


def _caller_tool(given: object, where: str) -> CallerTool:
    fields = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    name, description = fields.get("name"), fields.get("description")
    parameters = fields.get("parameters")
    if not isinstance(name, str) or not name:
        raise bad_value(f"{where}.name", "a function needs a name")
    if not isinstance(parameters, dict | None):
        raise bad_value(f"{where}.parameters", "parameters must be a JSON Schema, an object")
    schema = cast("dict[str, object]", parameters or {"type": "object", "properties": {}})
    tool = CallerTool(name, description if isinstance(description, str) else "", schema)
    try:  # made here once, so that the error names the place and no run has begun
        tool.with_function(_never)
    except ConfigurationError as error:
        raise bad_value(where, str(error).rstrip(".")) from error
    return tool


def _never(arguments: Mapping[str, object]) -> None:
    """Stand in for the function of a tool that is only checked."""


def read_content(content: object, where: str) -> tuple[str, list[Attachment]]:
    """Return text and files of a message, given as text or as parts of either API.

    Raises:
        HttpError: A part cannot be read.
    """
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise bad_value(where, "content must be text or a list of parts")
    texts: list[str] = []
    files: list[Attachment] = []
    for number, part in enumerate(cast("list[object]", content)):
        place = f"{where}[{number}]"
        if not isinstance(part, dict):
            raise bad_value(place, "a part must be an object with a type")
        fields = cast("dict[str, object]", part)
        match fields.get("type"):
            # Replies of the Responses API come back as output_text and refusal.
            case "text" | "input_text" | "output_text":
                texts.append(_part_text(fields, "text", place))
            case "refusal":
                texts.append(_part_text(fields, "refusal", place))
            case "image_url" | "input_image":
                files.append(_image(fields, place))
            case "input_audio":
                files.append(_audio(fields, place))
            case "file":
                files.append(_file_part(_part_object(fields, "file", place), f"{place}.file"))
            case "input_file":
                files.append(_file_part(fields, place))
            case kind:
                raise bad_value(
                    place, f"a part is text, an image, audio or a file, not {kind!r:.40}"
                )
    return "\n\n".join(texts), files


def _part_text(part: Mapping[str, object], name: str, where: str) -> str:
    text = part.get(name)
    if not isinstance(text, str):
        raise bad_value(f"{where}.{name}", f"{name} must be text")
    return text


def _part_object(part: Mapping[str, object], name: str, where: str) -> Mapping[str, object]:
    fields = part.get(name)
    if not isinstance(fields, dict):
        raise bad_value(f"{where}.{name}", f"{name} must be an object")
    return cast("dict[str, object]", fields)


def _image(part: Mapping[str, object], where: str) -> Attachment:
    """Return an image; Chat Completions puts its address into an object, Responses does not."""
    where = f"{where}.image_url"
    address = part.get("image_url")
    if isinstance(address, dict):
        where = f"{where}.url"
        address = cast("dict[str, object]", address).get("url")
    return attachment_at(address, "image/*", None, where)


def _audio(part: Mapping[str, object], where: str) -> Attachment:
    fields = _part_object(part, "input_audio", where)
    format_ = fields.get("format")
    where = f"{where}.input_audio"
    if format_ not in _AUDIO_TYPES:
        raise bad_value(
            f"{where}.format", f"format is {' or '.join(_AUDIO_TYPES)}, not {format_!r:.40}"
        )
    return Attachment(f"audio/{format_}", data=checked_base64(fields.get("data"), f"{where}.data"))


def _file_part(fields: Mapping[str, object], where: str) -> Attachment:
    given = fields.get("filename")
    name = given if isinstance(given, str) else None
    type_ = (mimetypes.guess_type(name)[0] if name else None) or "application/pdf"
    if fields.get("file_url") is not None:
        return attachment_at(fields["file_url"], type_, name, f"{where}.file_url")
    if fields.get("file_data") is None:
        raise bad_value(where, "a file needs file_data: there is no store of files here")
    return attachment_at(fields["file_data"], type_, name, f"{where}.file_data")


def attachment_at(url: object, type_: str, name: str | None, where: str) -> Attachment:
    """Return the file at an address, or in a ``data:`` URL, or in base64 alone.

    Raises:
        HttpError: It is none of these.
    """
    if not isinstance(url, str) or not url:
        raise bad_value(where, "the address must be text")
    # Schemes are compared without regard to case (RFC 3986 §3.1); of 20 MB only the beginning is.
    if url[:5].lower() == "data:":
        found = _DATA_URL.fullmatch(url)
        if found is None:
            raise bad_value(where, "a data: URL must be in base64: data:TYPE;base64,DATA")
        return Attachment(found[1].lower(), data=checked_base64(found[2], where), name=name)
    if url[:8].lower() == "https://" or url[:7].lower() == "http://":
        return Attachment(type_, url=url, name=name)
    if type_ == "image/*":
        raise bad_value(where, "an image is an https:// address or a data: URL")
    return Attachment(type_, data=checked_base64(url, where), name=name)


def checked_base64(data: object, where: str) -> str:
    """Return ``data`` if it is base64.

    Raises:
        HttpError: It is not.
    """
    if not isinstance(data, str) or not data:
        raise bad_value(where, "the data must be text in base64")
    try:
        # Without ``validate``, Python leaves out what is not in the alphabet of base64.
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_value(where, f"the data is not base64: {error}") from error
    return data
