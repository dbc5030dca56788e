"""What an agent's settings become in a request of the Messages API.

The table of models says how a model is spoken to, what its server has taught comes first, and what
the user put into ``extra`` is left alone. What is done with the fields is not known here.
"""

from __future__ import annotations

from agentouto._domain.participants import Agent
from agentouto._domain.ports import ModelRequest
from agentouto.providers._json import Json, as_object
from agentouto.providers._messages_habits import Lesson, MessagesHabits
from agentouto.providers._models import Claude, claude_budget, known_claude, nearest

_SAFE_CAP = 16_384
"""How long a reply may be of a model of which nobody knows."""

_LEAST_BUDGET = 1_024
_ROOM_FOR_WORDS = 4_096
"""How much a reply may say beside a budget for thinking, where nobody has set a limit."""

_ACTIVE = frozenset({"adaptive", "enabled"})


def chosen_fields(
    request: ModelRequest, habits: MessagesHabits, lesson: Lesson, extra: Json, *, home: bool
) -> Json:
    """Return the fields that we choose to send, and may stop sending."""
    agent = request.agent
    claude = known_claude(agent.model)
    kind = _thinking_kind(agent, claude, habits, lesson)
    budget = _budget(agent) if kind == "enabled" else 0
    cap = _cap(agent, claude, habits, lesson, budget)
    chosen: Json = {"max_tokens": cap}
    own = extra.get("thinking", {})
    if isinstance(own, dict) and "type" not in own:
        thinking = _thinking(habits, lesson, kind, _fitting(agent, budget, cap))
        chosen |= {"thinking": thinking} if thinking else {}
    effort = _effort(agent, claude, habits, kind)
    if effort and "effort" not in habits.left_out:
        chosen["output_config"] = {"effort": effort}
    if request.form is not None and home and "format" not in habits.left_out:
        form = {"type": "json_schema", "schema": request.form}
        chosen["output_config"] = {**as_object(chosen.get("output_config")), "format": form}
    if home and "cache_control" not in habits.left_out:
        chosen["cache_control"] = {"type": "ephemeral"}
    return chosen


def cap_is_unknown(model: str, habits: MessagesHabits) -> bool:
    """Return whether nobody knows yet how long a reply of ``model`` may be."""
    return habits.cap is None and known_claude(model).most is None


def said_in(body: Json) -> dict[str, str]:
    """Return what ``body`` says of the things that we may choose, each in one word."""
    thinking = as_object(body.get("thinking"))
    said = {
        "max_tokens": body.get("max_tokens"),
        "thinking": thinking.get("type"),
        "display": thinking.get("display"),
        "block_binding": thinking.get("block_binding"),
        "effort": as_object(body.get("output_config")).get("effort"),
        "format": as_object(as_object(body.get("output_config")).get("format")).get("type"),
        "temperature": body.get("temperature"),
        "cache_control": body.get("cache_control"),
    }
    return {word: str(how) for word, how in said.items() if how is not None}


def why_no_temperature(model: str, body: Json) -> str:
    """Return why the model cannot be told a temperature with ``body``, or nothing if it can."""
    if not known_claude(model).sampling:
        return "the model takes none"
    thinks = as_object(body.get("thinking")).get("type") in _ACTIVE
    return "the model takes none while it thinks" if thinks else ""


def _asked(agent: Agent) -> bool:
    return agent.reasoning and agent.reasoning_effort != "none"


def _thinking_kind(agent: Agent, claude: Claude, habits: MessagesHabits, lesson: Lesson) -> str:
    """Return the type of ``thinking`` to send; nothing if it is better left out."""
    if _asked(agent) and not lesson.silent:
        return claude.thinks if habits.thinks is None else habits.thinks
    if habits.rests is not None:
        return habits.rests
    return "disabled" if lesson.silent and claude.thinks == "enabled" else claude.rests


def _thinking(habits: MessagesHabits, lesson: Lesson, kind: str, budget: int) -> Json:
    if not kind or (kind == "enabled" and not budget):
        return {}
    thinking: Json = {"type": kind}
    if kind == "enabled":
        thinking["budget_tokens"] = budget
    if kind == "adaptive" and "display" not in habits.left_out:
        thinking["display"] = "summarized"
    if kind in _ACTIVE and lesson.bound:
        thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return thinking


def _effort(agent: Agent, claude: Claude, habits: MessagesHabits, kind: str) -> str:
    """Return how hard the model is to think; nothing if it is not told."""
    efforts = habits.efforts or claude.efforts
    if not efforts or kind not in {"", "adaptive"}:
        return ""
    if not kind:
        anyway = claude.always or "disabled" in habits.refused
        return efforts[0] if anyway and not _asked(agent) else ""
    return nearest(efforts, habits.wanted_effort(agent))


def _cap(agent: Agent, claude: Claude, habits: MessagesHabits, lesson: Lesson, budget: int) -> int:
    """Return how long the reply may be, thinking included."""
    most = habits.cap or claude.most
    cap = agent.max_output_tokens
    if cap is None:
        cap = most or max(_SAFE_CAP, budget + _ROOM_FOR_WORDS)
    elif most is not None and cap > most:
        habits.note(f"max_output_tokens={cap}", f"the model writes {most} at most")
        cap = most
    return cap if lesson.room is None else min(cap, lesson.room)


def _budget(agent: Agent) -> int:
    if agent.reasoning_budget is not None:
        return max(agent.reasoning_budget, _LEAST_BUDGET)
    return claude_budget(agent.reasoning_effort)


def _fitting(agent: Agent, budget: int, cap: int) -> int:
    """Return a budget that leaves room for words, none if there is too little for both."""
    if agent.reasoning_budget is None or budget >= cap:
        budget = max(min(budget, cap - min(cap // 4, _ROOM_FOR_WORDS)), _LEAST_BUDGET)
    return budget if budget < cap else 0
