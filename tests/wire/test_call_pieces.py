"""A tool never runs without the arguments its model wrote, and never twice: the same in all formats.

Each row of the table in ``call_pieces`` has a test here, and so has each way in which a format's
own events can say a call more than once, or break off in the middle of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from agentouto._domain.content import Incoming, Outcome, Reply, Stop
from agentouto._domain.errors import ProtocolViolation, ProviderUnavailable
from agentouto.providers._format.call_pieces import (
    RULES,
    CallPiece,
    PartialCall,
    Relation,
    final_arguments,
    most_complete,
)
from wire import anthropic_words as claude
from wire import gemini_words as gemini
from wire import responses_words as responses
from wire.dialects import DIALECTS
from wire.dialects import Call as Said
from wire.words import (
    asking,
    body_of,
    call,
    calling,
    came_of,
    chunk,
    decoder,
    folded,
    piece,
    reply_to,
)

WANTED = '{"folder":"data/x","dry_run":true}'
OTHER = '{"folder":"y"}'
QUOTED = json.dumps(WANTED)
STOP = chunk({}, "tool_calls")


def told(reply: Reply) -> list[tuple[str, str, str]]:
    return [(made.id, made.name, made.arguments) for made in reply.tool_calls]


# The table ----------------------------------------------------------------------------------------

ROWS: dict[str, tuple[PartialCall, CallPiece]] = {
    "an empty object first, then the arguments": (
        PartialCall("i", "clean", "{}"),
        CallPiece("", "", WANTED[:12]),
    ),
    "the whole call once more": (
        PartialCall("i", "clean", WANTED),
        CallPiece("i", "clean", WANTED),
    ),
    "an empty object behind the arguments": (
        PartialCall("i", "clean", WANTED),
        CallPiece("", "", "{}"),
    ),
    "one index for all calls, each with id and name": (
        PartialCall("i", "clean", WANTED),
        CallPiece("j", "clean", ""),
    ),
    "the same id with other arguments": (
        PartialCall("i", "clean", WANTED),
        CallPiece("i", "clean", OTHER),
    ),
    "one index for all calls, each with a name": (
        PartialCall("", "clean", WANTED),
        CallPiece("", "look", ""),
    ),
    "one index for all calls, with nothing but arguments after the first": (
        PartialCall("i", "clean", WANTED),
        CallPiece("", "", OTHER),
    ),
}


@pytest.mark.parametrize("rule", RULES, ids=[rule.what for rule in RULES])
def test_each_row_decides_what_it_is_there_for_and_no_row_before_it(rule: Any) -> None:
    known, more = ROWS[rule.what]
    assert next(each for each in RULES if each.when(known, more)) is rule
    assert known.relation(more) is rule.then


@pytest.mark.parametrize(
    ("known", "more"),
    [
        (PartialCall("i", "clean"), CallPiece("", "", WANTED)),
        (PartialCall("i", "clean", WANTED[:9]), CallPiece("i", "clean", WANTED[9:])),
        (PartialCall("i", "clean", '{"a":'), CallPiece("", "", '{"b":1}')),
        (PartialCall("i", "clean", '{"a":"}"'), CallPiece("", "", "{")),
        (PartialCall("i", "clean", '{"a":"\\"}'), CallPiece("", "", "{")),
        (PartialCall("i", "cle"), CallPiece("", "an", "")),
    ],
)
def test_what_fits_no_row_goes_on_with_the_call(known: PartialCall, more: CallPiece) -> None:
    assert known.relation(more) is Relation.MORE


def test_two_entries_of_one_list_are_two_calls() -> None:
    assert (
        PartialCall("", "roll", "{}").relation(CallPiece("", "roll", WANTED, True))
        is Relation.ANOTHER
    )
    assert (
        PartialCall("", "roll", "{}").relation(CallPiece("", "roll", "{}", True))
        is Relation.ANOTHER
    )


def test_an_escape_may_be_cut_in_two() -> None:
    known = PartialCall("i", "clean", '{"a":"\\')
    known.written.add('"}')
    assert not known.written.is_complete
    known.written.add('"}')
    assert known.written.is_complete


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{}" + WANTED, WANTED),
        (" { } {} " + WANTED, WANTED),
        ("{}", "{}"),
        ("", ""),
        (QUOTED, WANTED),
        (json.dumps("{}" + WANTED), WANTED),
        ("{}" + QUOTED, WANTED),
        (WANTED + OTHER, WANTED + OTHER),
        ('"hi"', '"hi"'),
    ],
)
def test_a_placeholder_and_quotes_are_taken_off(written: str, meant: str) -> None:
    assert final_arguments(written) == meant


@pytest.mark.parametrize(
    ("versions", "meant"),
    [
        (("{}", "", WANTED), WANTED),
        ((WANTED[:9], WANTED), WANTED),
        (("null", "{}"), "null"),
        (("", ""), ""),
        ((OTHER, WANTED), OTHER),
        (("[1]", "{}"), "[1]"),
    ],
)
def test_of_several_versions_the_one_that_says_most_counts(
    versions: tuple[str, ...], meant: str
) -> None:
    assert most_complete(versions) == meant


# Chat Completions ---------------------------------------------------------------------------------

ONCE = [("i", "clean", WANTED)]

CHAT: dict[str, tuple[list[dict[str, object]], list[tuple[str, str, str]]]] = {
    "a placeholder, then pieces": (
        [
            calling(piece(0, "i", "clean", "{}")),
            calling(piece(0, arguments=WANTED[:12])),
            calling(piece(0, arguments=WANTED[12:])),
        ],
        ONCE,
    ),
    "a placeholder in two pieces": (
        [
            calling(piece(0, "i", "clean", "{")),
            calling(piece(0, arguments="}")),
            calling(piece(0, arguments=WANTED)),
        ],
        ONCE,
    ),
    "a placeholder that is an object": (
        [calling(piece(0, "i", "clean", {})), calling(piece(0, arguments=WANTED))],
        ONCE,
    ),
    "a placeholder, and the id again": (
        [calling(piece(0, "i", "clean", "{}")), calling(piece(0, "i", "clean", WANTED))],
        ONCE,
    ),
    "a placeholder, and the name again": (
        [calling(piece(0, None, "clean", "{}")), calling(piece(0, None, "clean", WANTED))],
        [("", "clean", WANTED)],
    ),
    "a placeholder without an index": (
        [calling(piece(None, "i", "clean", "{}")), calling(piece(None, "i", None, WANTED))],
        ONCE,
    ),
    "null as a placeholder": (
        [calling(piece(0, "i", "clean", "null")), calling(piece(0, arguments=WANTED))],
        ONCE,
    ),
    "a placeholder, then quoted arguments": (
        [
            calling(piece(0, "i", "clean", "{}")),
            calling(piece(0, arguments=QUOTED[:9])),
            calling(piece(0, arguments=QUOTED[9:])),
        ],
        ONCE,
    ),
    "both in one piece": ([calling(piece(0, "i", "clean", "{}" + WANTED))], ONCE),
    "a placeholder at the end": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(0, arguments="{}"))],
        ONCE,
    ),
    "a placeholder at the end, and the id again": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(0, "i", "clean", "{}"))],
        ONCE,
    ),
    "a placeholder at the end, with a new id": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(0, "j", None, "{}"))],
        ONCE,
    ),
    "no arguments at all": ([calling(piece(0, "i", "clean", "{}"))], [("i", "clean", "{}")]),
    "a second call with nothing but arguments": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(0, arguments=OTHER))],
        [*ONCE, ("", "clean", OTHER)],
    ),
    "a third call with nothing but arguments": (
        [
            calling(piece(0, "i", "clean", WANTED)),
            calling(piece(0, arguments=OTHER[:5])),
            calling(piece(0, arguments=OTHER[5:])),
            calling(piece(0, arguments='{"n":1}')),
        ],
        [*ONCE, ("", "clean", OTHER), ("", "clean", '{"n":1}')],
    ),
    "arguments before the name": (
        [
            calling(piece(0, "i", "", WANTED[:9])),
            calling(piece(0, None, "clean", WANTED[9:12])),
            calling(piece(0, arguments=WANTED[12:])),
        ],
        ONCE,
    ),
    "arguments before the name, and another call meanwhile": (
        [
            calling(piece(0, "i", "", WANTED[:9])),
            calling(piece(1, "j", "look", OTHER)),
            calling(piece(0, None, "clean", WANTED[9:])),
        ],
        [*ONCE, ("j", "look", OTHER)],
    ),
    "arguments at an index of their own": (
        [calling(piece(0, "i", "clean", "")), calling(piece(1, None, "", WANTED))],
        ONCE,
    ),
    "one call at two indexes": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(1, "i", "clean", WANTED))],
        ONCE,
    ),
    "one call at two indexes, at first without arguments": (
        [calling(piece(0, "i", "clean", "")), calling(piece(1, "i", "clean", WANTED))],
        ONCE,
    ),
    "one call at two indexes, the second without arguments": (
        [calling(piece(0, "i", "clean", WANTED)), calling(piece(1, "i", "clean", ""))],
        ONCE,
    ),
    "two calls at one index, in turns": (
        [
            calling(piece(0, "i", "clean", WANTED[:9])),
            calling(piece(0, "j", "look", OTHER[:5])),
            calling(piece(0, "i", None, WANTED[9:])),
            calling(piece(0, "j", None, OTHER[5:])),
        ],
        [*ONCE, ("j", "look", OTHER)],
    ),
    "the same call with other arguments": (
        [calling(piece(0, "i", "clean", OTHER)), calling(piece(0, "i", "clean", WANTED))],
        ONCE,
    ),
    "null in the list": ([calling(None), calling(piece(0, "i", "clean", WANTED))], ONCE),
    "one object in place of the list": (
        [chunk({"tool_calls": piece(0, "i", "clean", WANTED)})],
        ONCE,
    ),
    "the whole message at the end": (
        [
            calling(piece(0, "i", "clean", WANTED)),
            calling(piece(1, "j", "look", OTHER)),
            {
                "choices": [
                    {
                        "message": {
                            "content": "",
                            "tool_calls": [
                                piece(None, None, "clean", json.loads(WANTED)),
                                piece(None, "j", "look", OTHER),
                            ],
                        }
                    }
                ]
            },
        ],
        [*ONCE, ("j", "look", OTHER)],
    ),
    "the whole message at the end, with what was missing": (
        [
            calling(piece(0, "i", "clean", WANTED[:12])),
            calling(piece(1, "j", "look", "{}")),
            {
                "choices": [
                    {
                        "message": {
                            "tool_calls": [
                                piece(None, "i", "clean", WANTED),
                                piece(None, "j", "look", OTHER),
                                piece(None, "k", "look", OTHER),
                            ]
                        }
                    }
                ]
            },
        ],
        [*ONCE, ("j", "look", OTHER), ("k", "look", OTHER)],
    ),
}


@pytest.mark.parametrize("name", CHAT)
def test_a_chat_call_is_made_once_as_the_model_wrote_it(name: str) -> None:
    chunks, expected = CHAT[name]
    assert told(reply_to(*chunks, STOP)) == expected


def test_both_in_one_piece_of_a_whole_answer_are_one_call() -> None:
    message = {"content": None, "tool_calls": [piece(None, "i", "clean", "{}" + WANTED)]}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    assert told(folded(decoder().whole(json.dumps(body).encode()))) == ONCE


def test_nothing_in_the_list_of_calls_hides_no_words() -> None:
    reply = reply_to(chunk({"content": "Hi", "tool_calls": [None, {}, {"index": 0}]}), STOP)
    assert (reply.text, reply.tool_calls) == ("Hi", ())


def test_a_call_of_which_only_the_name_came_is_no_call_without_a_reason_of_the_end() -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        reply_to(calling(piece(0, "i", "clean", "")))
    assert told(reply_to(calling(piece(0, "i", "clean", "")), STOP)) == [("i", "clean", "")]


@pytest.mark.parametrize("arguments", ["", "{}", None])
def test_no_arguments_at_the_cap_are_not_taken_for_none(arguments: object) -> None:
    reply = reply_to(calling(piece(0, "i", "clean", arguments)), chunk({}, "length"))
    assert (told(reply), reply.stop) == ([("i", "clean", "{")], Stop.OUT_OF_TOKENS)


def whole(message: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "message": message}]}


@pytest.mark.parametrize(
    "last",
    ["Hello world", "Hello world!", "Hello", "Good bye", ""],
)
def test_a_whole_message_behind_its_pieces_adds_only_what_is_new(last: str) -> None:
    said = [chunk({"content": "Hello "}), chunk({"content": "world"})]
    expected = last if last.startswith("Hello world") else "Hello world"
    assert reply_to(*said, whole({"content": last}), STOP).text == expected


def test_every_event_may_hold_all_so_far() -> None:
    texts = ["The moon", "The moon pulls", "The moon pulls the sea", "The moon pulls the sea"]
    reply = reply_to(*(whole({"content": text, "reasoning": text[:8]}) for text in texts), STOP)
    assert (reply.text, reply.parts[0]) == (texts[-1], reply.parts[0])
    assert "".join(getattr(part, "text", "") for part in reply.parts) == "The moon" + texts[-1]


def test_pieces_that_come_as_messages_are_pieces() -> None:
    assert reply_to(whole({"content": "Hel"}), whole({"content": "lo"}), STOP).text == "Hello"


# Anthropic ----------------------------------------------------------------------------------------

CLEAN: Any = {"type": "tool_use", "id": "i", "name": "clean"}


def written(*pieces: str) -> list[dict[str, object]]:
    return [claude.goes_on(0, "input_json_delta", partial_json=each) for each in pieces]


BLOCKS: dict[str, list[Any]] = {
    "an empty input, then pieces": [claude.begins(0, CLEAN | {"input": {}}), written(WANTED)],
    "a placeholder among the pieces": [claude.begins(0, CLEAN), written("{}", WANTED)],
    "a placeholder in the first piece": [claude.begins(0, CLEAN), written("{}" + WANTED)],
    "the whole input at the beginning": [claude.begins(0, CLEAN | {"input": json.loads(WANTED)})],
    "the whole input, and then an empty piece": [
        claude.begins(0, CLEAN | {"input": json.loads(WANTED)}),
        written("{}"),
    ],
    "the whole input, and then the same in pieces": [
        claude.begins(0, CLEAN | {"input": json.loads(WANTED)}),
        written(WANTED[:9], WANTED[9:]),
    ],
    "the block begins twice": [
        claude.begins(0, CLEAN | {"input": {}}),
        claude.begins(0, CLEAN | {"input": json.loads(WANTED)}),
    ],
    "the block begins twice without a number": [
        claude.begins(None, CLEAN | {"input": {}}),
        claude.begins(None, CLEAN | {"input": json.loads(WANTED)}),
    ],
    "all of it twice": [
        claude.begins(0, CLEAN | {"input": {}}),
        written(WANTED),
        claude.ends(0),
        claude.begins(0, CLEAN | {"input": {}}),
        written(WANTED[:9], WANTED[9:]),
    ],
    "the arguments, then the block once more": [
        claude.begins(0, CLEAN),
        written(WANTED),
        claude.begins(0, CLEAN | {"input": {}}),
    ],
    "arguments before the block": [
        written(WANTED[:9]),
        claude.begins(0, CLEAN | {"input": {}}),
        written(WANTED[9:]),
    ],
    "a JSON string": [claude.begins(0, CLEAN), written(QUOTED)],
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("ended", [True, False], ids=["stopped", "never stopped"])
def test_a_block_is_one_call_as_the_model_wrote_it(name: str, *, ended: bool) -> None:
    last = [claude.ends(0)] if ended else []
    assert told(claude.reply_to(*BLOCKS[name], last, claude.stopped("tool_use"))) == ONCE


def test_a_block_that_never_stopped_is_no_call_without_a_reason_of_the_end() -> None:
    end = {"type": "message_stop"}
    with pytest.raises(ProtocolViolation, match="cut short"):
        claude.reply_to(claude.begins(0, CLEAN | {"input": {}}), end)
    with pytest.raises(ProtocolViolation, match="cut short"):
        claude.reply_to(claude.begins(0, CLEAN), written(WANTED[:9]), end)
    (made,) = claude.reply_to(claude.begins(0, CLEAN), claude.ends(0), end).tool_calls
    assert made.arguments == "{}"


def test_an_input_of_a_whole_message_may_have_a_placeholder() -> None:
    message = {"type": "message", "content": [CLEAN | {"input": "{}" + WANTED}]}
    reply = folded(
        claude.decoder().whole(json.dumps(message | {"stop_reason": "tool_use"}).encode())
    )
    assert told(reply) == ONCE


# Responses ----------------------------------------------------------------------------------------

ITEM = responses.function_call("i", WANTED, "clean")
HALF = ITEM | {"arguments": ""}
PLACE = {"item_id": "fc_i", "output_index": 0}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": HALF}
FINISHED = {"type": "response.output_item.done", "output_index": 0, "item": ITEM}
END = responses.ended()


def delta(text: str) -> dict[str, object]:
    return {"type": "response.function_call_arguments.delta", **PLACE, "delta": text}


def arguments_done(text: object) -> dict[str, object]:
    return {"type": "response.function_call_arguments.done", **PLACE, "arguments": text}


def finished(arguments: object) -> dict[str, object]:
    return FINISHED | {"item": ITEM | {"arguments": arguments}}


ITEMS: dict[str, list[dict[str, object]]] = {
    "a placeholder among the pieces": [ADDED, delta("{}"), delta(WANTED), END],
    "a placeholder in the first piece": [ADDED, delta("{}" + WANTED), END],
    "a placeholder where the arguments are done": [ADDED, delta(WANTED), arguments_done("{}"), END],
    "a placeholder in the finished item": [ADDED, delta(WANTED), finished("{}"), END],
    "an empty object in the finished item": [ADDED, delta(WANTED), finished({}), END],
    "a placeholder at the beginning": [
        ADDED | {"item": ITEM | {"arguments": "{}"}},
        delta(WANTED),
        END,
    ],
    "arguments at the beginning only": [ADDED | {"item": ITEM}, finished(""), END],
    "only the finished item": [FINISHED, END],
    "finished twice": [ADDED, delta(WANTED), FINISHED, FINISHED, END],
    "finished twice, once without arguments": [ADDED, FINISHED, finished("{}"), END],
    "finished twice, with other arguments": [ADDED, finished(OTHER), FINISHED, END],
    "begun twice": [ADDED, ADDED, delta(WANTED), FINISHED, END],
    "everything twice": [ADDED, delta(WANTED), FINISHED, ADDED, delta(WANTED), FINISHED, END],
    "the arguments are done after the item": [ADDED, FINISHED, arguments_done("{}"), END],
    "the finished item differs from the pieces": [ADDED, delta(OTHER), FINISHED, END],
    "half of the pieces is missing": [ADDED, delta(WANTED[:9]), FINISHED, END],
    "half of the finished item is missing": [ADDED, delta(WANTED), finished(WANTED[:9]), END],
    "the finished item has no name": [
        ADDED,
        FINISHED | {"item": ITEM | {"name": "", "call_id": ""}},
        END,
    ],
    "the end puts it in another place": [FINISHED, responses.ended(responses.reasoning(), ITEM)],
    "the end alone has its arguments": [ADDED, responses.ended(ITEM)],
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_is_one_call_as_the_model_wrote_it(name: str) -> None:
    assert told(responses.reply_of(ITEMS[name])) == ONCE


def test_a_call_that_only_the_end_knows_is_made_although_its_place_is_taken() -> None:
    thought = responses.reasoning()
    reply = responses.reply_of([*responses.spoken(0, thought), responses.ended(ITEM)])
    assert told(reply) == ONCE


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_a_call_of_which_only_the_beginning_came_is_no_call(arguments: str) -> None:
    begun = ADDED | {"item": ITEM | {"arguments": arguments}}
    with pytest.raises(ProtocolViolation, match="without its arguments") as caught:
        responses.reply_of([begun, END])
    assert caught.value.retryable
    assert told(responses.reply_of([begun, finished(""), END])) == [("i", "clean", arguments)]


def test_a_placeholder_at_the_cap_is_not_taken_for_no_arguments() -> None:
    begun = ADDED | {"item": ITEM | {"arguments": "{}"}}
    end = responses.ended(how="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert told(responses.reply_of([begun, end])) == [("i", "clean", "")]


# Gemini -------------------------------------------------------------------------------------------

ARGS = json.loads(WANTED)

PARTS: dict[str, tuple[list[dict[str, object]], list[tuple[str, str, str]]]] = {
    "empty at first, under one id": (
        [
            gemini.chunk(gemini.calling("clean", {}, id="i")),
            gemini.chunk(gemini.calling("clean", ARGS, id="i")),
        ],
        ONCE,
    ),
    "empty at first, without ids": (
        [gemini.chunk(gemini.calling("clean")), gemini.chunk(gemini.calling("clean", ARGS))],
        [("", "clean", WANTED)],
    ),
    "once more under one id": (
        [
            gemini.chunk(gemini.calling("clean", ARGS, id="i", thoughtSignature="AQI=")),
            gemini.chunk(gemini.calling("clean", ARGS, id="i")),
        ],
        ONCE,
    ),
    "empty at the end, under one id": (
        [
            gemini.chunk(gemini.calling("clean", ARGS, id="i")),
            gemini.chunk(gemini.calling("clean", {}, id="i")),
        ],
        ONCE,
    ),
    "a placeholder in a string": (
        [gemini.chunk(gemini.calling("clean", "{}" + WANTED, id="i"))],
        ONCE,
    ),
    "two calls of one tool": (
        [gemini.chunk(gemini.calling("clean")), gemini.chunk(gemini.calling("clean"))],
        [("", "clean", "{}"), ("", "clean", "{}")],
    ),
    "two calls in one chunk": (
        [gemini.chunk(gemini.calling("clean"), gemini.calling("clean", ARGS))],
        [("", "clean", "{}"), ("", "clean", WANTED)],
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_one_call_as_the_model_wrote_it(name: str) -> None:
    chunks, expected = PARTS[name]
    reply = gemini.reply_to(*chunks, gemini.STOP)
    assert told(reply) == expected
    assert reply.native is not None
    kept: Any = reply.native.data
    assert sum("functionCall" in part for part in kept["parts"]) == len(expected)


def test_the_signature_of_a_placeholder_belongs_to_the_call() -> None:
    reply = gemini.reply_to(
        gemini.chunk(gemini.calling("clean", {}, id="i", thoughtSignature="AQI=")),
        gemini.chunk(gemini.calling("clean", ARGS, id="i")),
        gemini.STOP,
    )
    assert reply.native is not None
    kept: Any = reply.native.data
    assert kept["parts"][0] == gemini.calling("clean", ARGS, id="i", thoughtSignature="AQI=")


def test_arguments_that_come_in_pieces_are_refused_and_not_left_out() -> None:
    begun = {"functionCall": {"name": "clean", "willContinue": True}}
    with pytest.raises(Exception, match="streamFunctionCallArguments"):
        gemini.reply_to(gemini.chunk(begun), gemini.STOP)


@pytest.mark.parametrize("args", [None, {}])
def test_a_part_without_arguments_at_the_cap_is_not_taken_for_one_that_needs_none(
    args: object,
) -> None:
    chunks = gemini.chunk(gemini.calling("clean", args), finish="MAX_TOKENS")
    assert [made.arguments for made in gemini.reply_to(chunks).tool_calls] == ["{"]


# Ends that are none -------------------------------------------------------------------------------

REASONS = [
    "abort",
    "aborted",
    "cancelled",
    "canceled",
    "timeout",
    "error",
    "network_error",
    "ABORT",
]
OBJECT = {"type": "abort", "message": "the engine was shut down", "status_code": 503}


def chat_end(reason: object) -> Reply:
    return reply_to(
        chunk({"content": "half"}), {"choices": [{"delta": {}, "finish_reason": reason}]}
    )


def claude_end(reason: object) -> Reply:
    end = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}
    return claude.reply_to(claude.says(0, "half"), end, {"type": "message_stop"})


def gemini_end(reason: object) -> Reply:
    end = {"candidates": [{"finishReason": reason}]}
    return gemini.reply_to(gemini.chunk(gemini.words("half")), end)


def responses_end(reason: object) -> Reply:
    details = {"incomplete_details": {"reason": reason}}
    said = responses.spoken(0, responses.message("half"))
    return responses.reply_of([*said, responses.ended(how="incomplete", **details)])


def responses_status(reason: object) -> Reply:
    said = responses.spoken(0, responses.message("half"))
    end = {"type": "response.completed", "response": {"status": reason, "output": []}}
    return responses.reply_of([*said, end])


ENDS: Iterable[Callable[[object], Reply]] = (
    chat_end,
    claude_end,
    gemini_end,
    responses_end,
    responses_status,
)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("reason", [*REASONS, OBJECT], ids=str)
def test_an_answer_that_the_server_gave_up_is_no_answer(
    end: Callable[[object], Reply], reason: object
) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        end(reason)
    assert caught.value.retryable


def test_why_the_server_gave_up_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match=r"\(abort\): the engine was shut down"):
        chat_end(OBJECT)


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ({"type": "stop", "matched": 7}, Stop.COMPLETE),
        ({"type": "length", "length": 9}, Stop.OUT_OF_TOKENS),
        ("stop_sequence", Stop.COMPLETE),
        ("eos_token", Stop.COMPLETE),
    ],
    ids=str,
)
def test_a_good_reason_may_be_an_object_too(reason: object, stop: Stop) -> None:
    assert chat_end(reason).stop is stop


def test_a_responses_event_that_names_a_failure_is_one() -> None:
    for kind in ("response.aborted", "response.error", "response.timeout"):
        with pytest.raises(ProviderUnavailable):
            responses.reply_of([{"type": kind}])


def test_the_default_of_geminis_reason_is_no_reason() -> None:
    with pytest.raises(ProtocolViolation, match="cut short"):
        gemini_end("FINISH_REASON_UNSPECIFIED")


# Names --------------------------------------------------------------------------------------------

ODD_NAMES = [
    "multi_tool_use.parallel",
    "functions.look",
    "look<|channel|>commentary",
    "",
    "x" * 210,
    "look(x)",
    "보기",
]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_wrong_name_goes_back_as_one_that_is_taken(dialect: Any, name: str) -> None:
    reply = dialect.reply(Said("call_A", name=name))
    results = came_of(*(Outcome(made, "There is none.") for made in reply.tool_calls))
    body = dialect.body([Incoming("Hi"), reply, results])
    assert dialect.complaints(body) == []
    names = [each["name"] for each in named(body.get("messages") or body)]
    assert names
    for each in names:
        assert 0 < len(each) <= 128
        assert all(letter.isascii() and (letter.isalnum() or letter in "_-.:") for letter in each)


def named(value: Any) -> list[dict[str, Any]]:
    """Every object with a name that belongs to a call in the history."""
    if isinstance(value, list):
        return [found for item in value for found in named(item)]
    if not isinstance(value, dict):
        return []
    here = [value] if "name" in value and ({"arguments", "args", "input"} & value.keys()) else []
    return here + [found for key, item in value.items() if key != "tools" for found in named(item)]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_openai_takes_every_name_in_a_history(name: str) -> None:
    reply = reply_to(calling(piece(0, "a", name, '{"what":"x"}')), STOP)
    (message,) = body_of(asking(reply))["messages"]
    sent = message["tool_calls"][0]["function"]["name"]
    assert 0 < len(sent) <= 64
    assert sent.replace("_", "").replace("-", "").isascii()
    assert "." not in sent


def test_a_right_name_goes_back_as_it_is() -> None:
    reply = Reply((call("a"),))
    (message,) = body_of(asking(reply))["messages"]
    assert message["tool_calls"][0]["function"]["name"] == "look"
