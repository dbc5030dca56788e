"""``Output``: what one starting agent returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, cast

from agentouto._domain.message import Attachment
from agentouto._domain.result_type import Data_co


@dataclass(frozen=True, slots=True)
class Output(Generic[Data_co]):
    """The return of one starting agent.

    Attributes:
        name: The agent's name.
        call_id: The id of its call.
        text: Its text, without tags.
        attachments: Its files.
        data: Its value, where ``output_type`` asks for one.
    """

    name: str
    call_id: str
    text: str
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    data: Data_co = cast("Data_co", None)  # noqa: RUF009 - None, whatever the type
