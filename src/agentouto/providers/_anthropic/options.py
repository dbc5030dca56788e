"""Turns an agent's settings into fields of a request of the Messages API.

Source: Anthropic's "Extended thinking", "Adaptive thinking" and "Effort". Which models take which
type of thinking stands in ``_models/families.py``. Learned quirks come before that table, and the
user's ``extra`` before both.
"""

from __future__ import annotations

from agentouto._domain.participants import Agent
from agentouto._domain.ports import ModelRequest
from agentouto.providers._anthropic.quirks import Correction, MessagesQuirks
from agentouto.providers._format.json import Json, as_object
from agentouto.providers._models.families import Claude, claude_budget, claude_family, nearest

_DEFAULT_LIMIT = 16_384
"""``max_tokens`` for an unknown model: low enough for models with a window of 32,000 tokens, which
refuse a request whose input and ``max_tokens`` exceed it."""

_MIN_BUDGET = 1_024
"""The least ``budget_tokens`` that the API takes (API reference, ``thinking``)."""

_ROOM_FOR_TEXT = 4_096
"""Tokens for text beside a budget for thinking, where no limit is set: ``budget_tokens`` must be
less than ``max_tokens``. It is the most that Claude 3 could write."""

_ACTIVE = frozenset({"adaptive", "enabled"})
"""Types of ``thinking`` with which a model thinks."""


def chosen_fields(
    request: ModelRequest,
    quirks: MessagesQuirks,
    correction: Correction,
    extra: Json,
    *,
    home: bool,
) -> Json:
    """Return the fields that we choose to send, and may stop sending.

    ``home`` is whether the request goes to Anthropic: other servers often do not take caching and
    output formats.
    """
    agent = request.agent
    claude = claude_family(agent.model)
    kind = _thinking_kind(agent, claude, quirks, correction)
    budget = _thinking_budget(agent) if kind == "enabled" else 0
    cap = _output_limit(agent, claude, quirks, correction, budget)
    chosen: Json = {"max_tokens": cap}
    own = extra.get("thinking", {})
    if isinstance(own, dict) and "type" not in own:
        thinking = _thinking_field(quirks, correction, kind, _budget_within(agent, budget, cap))
        chosen |= {"thinking": thinking} if thinking else {}
    effort = _chosen_effort(agent, claude, quirks, kind)
    if effort and "effort" not in quirks.left_out:
        chosen["output_config"] = {"effort": effort}
    if request.form is not None and home and "format" not in quirks.left_out:
        form = {"type": "json_schema", "schema": request.form}
        chosen["output_config"] = {**as_object(chosen.get("output_config")), "format": form}
    if home and "cache_control" not in quirks.left_out:
        chosen["cache_control"] = {"type": "ephemeral"}
    return chosen


def cap_is_unknown(model: str, quirks: MessagesQuirks) -> bool:
    """Return whether the output limit of ``model`` is still unknown."""
    return quirks.cap is None and claude_family(model).most is None


def chosen_values(body: Json) -> dict[str, str]:
    """Return the choices in ``body``, each as one word."""
    if not body:
        return {}
    thinking = as_object(body.get("thinking"))
    values = {
        "max_tokens": body.get("max_tokens"),
        "thinking": thinking.get("type"),
        "display": thinking.get("display"),
        "block_binding": thinking.get("block_binding"),
        "effort": as_object(body.get("output_config")).get("effort"),
        "format": as_object(as_object(body.get("output_config")).get("format")).get("type"),
        "temperature": body.get("temperature"),
        "cache_control": body.get("cache_control"),
    }
    return {word: str(how) for word, how in values.items() if how is not None}


def why_no_temperature(model: str, body: Json) -> str:
    """Return why the model takes no temperature with ``body``; empty if it takes one."""
    if not claude_family(model).sampling:
        return "the model takes none"
    thinks = as_object(body.get("thinking")).get("type") in _ACTIVE
    return "the model takes none while it thinks" if thinks else ""


def _wants_thinking(agent: Agent) -> bool:
    return agent.reasoning and agent.reasoning_effort != "none"


def _thinking_kind(
    agent: Agent, claude: Claude, quirks: MessagesQuirks, correction: Correction
) -> str:
    """Return the type of ``thinking`` to send; empty to leave it out."""
    if _wants_thinking(agent) and not correction.silent:
        return claude.thinks if quirks.thinks is None else quirks.thinks
    if quirks.rests is not None:
        return quirks.rests
    return "disabled" if correction.silent and claude.thinks == "enabled" else claude.rests


def _thinking_field(quirks: MessagesQuirks, correction: Correction, kind: str, budget: int) -> Json:
    if not kind or (kind == "enabled" and not budget):
        return {}
    thinking: Json = {"type": kind}
    if kind == "enabled":
        thinking["budget_tokens"] = budget
    if kind == "adaptive" and "display" not in quirks.left_out:
        thinking["display"] = "summarized"
    if kind in _ACTIVE and correction.bound:
        thinking["block_binding"] = {"prefix_mismatch_behavior": "drop_block"}
    return thinking


def _chosen_effort(agent: Agent, claude: Claude, quirks: MessagesQuirks, kind: str) -> str:
    """Return the effort to send; empty to leave it out."""
    efforts = quirks.efforts or claude.efforts
    if not efforts or kind not in {"", "adaptive"}:
        return ""
    if not kind:
        anyway = claude.always or "disabled" in quirks.refused
        return efforts[0] if anyway and not _wants_thinking(agent) else ""
    return nearest(efforts, quirks.wanted_effort(agent))


def _output_limit(
    agent: Agent, claude: Claude, quirks: MessagesQuirks, correction: Correction, budget: int
) -> int:
    """Return ``max_tokens``, which includes thinking."""
    most = quirks.cap or claude.most
    cap = agent.max_output_tokens
    if cap is None:
        cap = most or max(_DEFAULT_LIMIT, budget + _ROOM_FOR_TEXT)
    elif most is not None and cap > most:
        quirks.warn_once(f"max_output_tokens={cap}", f"the model writes {most} at most")
        cap = most
    return cap if correction.room is None else min(cap, correction.room)


def _thinking_budget(agent: Agent) -> int:
    if agent.reasoning_budget is not None:
        return max(agent.reasoning_budget, _MIN_BUDGET)
    return claude_budget(agent.reasoning_effort)


def _budget_within(agent: Agent, budget: int, cap: int) -> int:
    """Return a budget that leaves room for text; 0 if the limit is too low for both."""
    if agent.reasoning_budget is None or budget >= cap:
        budget = max(min(budget, cap - min(cap // 4, _ROOM_FOR_TEXT)), _MIN_BUDGET)
    return budget if budget < cap else 0
