"""The codes of errors: what each means, and how to mend it where the error itself knows no better.

``docs/errors.md`` has one section for each code, which a test compares with this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ERROR_CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "agent-failed": (
            "An agent could not return.",
            "Read the cause, and result.events or error.partial for what happened before.",
        ),
        "agent-unknown": (
            "There is no such agent, call or run, or it has already returned.",
            "Give every agent that takes part in run_agents=; ids are those of running calls.",
        ),
        "call-cycle": (
            "Agents ask each other the same again and again.",
            "Tell the agents when to finish, or raise Limits(repeats=).",
        ),
        "call-depth": (
            "Calls are nested more deeply than the limit allows.",
            "Tell the agents when to finish, or raise Limits(depth=).",
        ),
        "cancelled": (
            "The run was cancelled before it returned.",
            "error.partial has what was done until then.",
        ),
        "configuration": (
            "An argument cannot work. Nothing was started.",
            "Change the argument that the text names.",
        ),
        "context-full": (
            "The request does not fit into the model's context window.",
            (
                "Shorten what tools return, or give the size with Agent(context_window=), so that "
                "older turns are summarized in time."
            ),
        ),
        "extra-missing": (
            "An optional dependency is not installed.",
            "Install the extra that the text names.",
        ),
        "journal": (
            "The journal of a run cannot be read or written.",
            "Make room on the disk, or name another file in journal=; the same call then goes on.",
        ),
        "key-missing": (
            "A provider has no key.",
            (
                "Set the variable that the text names, or give Provider(..., api_key=). Without "
                'any key, Provider(kind="script") answers from a script.'
            ),
        ),
        "limit-reached": (
            "A limit of the run was reached.",
            "error.partial has what was done until then. Raise the limit in Limits(...).",
        ),
        "login": (
            "The provider refused the credentials.",
            "Check the key, and whether it belongs to this provider and base_url.",
        ),
        "model-unknown": (
            "The server does not know the model or the address (status 404).",
            (
                "Check Agent(model=) and Provider(base_url=); `agentouto models --online` lists "
                "the models of a provider."
            ),
        ),
        "not-participant": (
            (
                "A starting agent is not among the agents of the run: a warning; an error if "
                "none is."
            ),
            "Add the agent to run_agents=, or do not start it.",
        ),
        "output-cut": (
            "The model stopped at its limit of tokens, so the answer is not complete.",
            "Raise Agent(max_output_tokens=), or ask for less.",
        ),
        "protocol": (
            "The server's answer cannot be read, or was cut short.",
            "Check base_url and kind. If it happens now and then, run again.",
        ),
        "provider-failed": (
            "The provider answered with an error.",
            "Read the text of the server, which the error quotes.",
        ),
        "provider-unavailable": (
            "The provider could not be reached, or its server failed.",
            "Check the address and the network, run again later, or give Agent(fallback=).",
        ),
        "provider-unknown": (
            "An agent names a provider that the run does not have.",
            "Give it in providers=, or as Agent(provider=Provider(...)).",
        ),
        "quota": (
            "The account has no credit or quota left. Waiting does not help.",
            "Add credit at the provider, or give Agent(fallback=).",
        ),
        "rate-limit": (
            "The provider allows no more requests for now.",
            "Wait, or have fewer requests at the same time with Limits(parallel=).",
        ),
        "refused": (
            "A hook, or the model or its provider, refused.",
            "The reason stands in the text.",
        ),
        "run-changed": (
            "The agents or tools of a kept run are not those that it began with.",
            'Give those it began with, or go on with the new ones: changed="accept".',
        ),
        "run-other": (
            "A kept run of this id was asked something else.",
            "Give the same message, or another run_id=.",
        ),
        "run-taken": (
            "A kept run is at work already.",
            "Wait for it, stop the process that the text names, or give another run_id=.",
        ),
        "run-taken-over": (
            "Another process goes on with a kept run, and the run has ended in this one.",
            "Its answer comes there. This process had stood still, or could not reach the journal.",
        ),
        "script-broken": (
            "A script in place of a model has nothing to say, or failed.",
            "Give the script a reply for the turn that the text names.",
        ),
        "tool-failed": (
            "A tool failed. The agent that used it was told.",
            "The logger `agentouto` has the traceback of a tool that raised.",
        ),
        "tool-schema": (
            "A model could not call a function: its name or a parameter cannot be described.",
            "Change what the text names: give parameters types, or Tool(..., name=).",
        ),
        "useless-replies": (
            "The agent's replies were empty, of the wrong form, or refused by a hook.",
            (
                "A smaller output_type, or clearer instructions, help weak models; "
                "error.partial has the messages until then."
            ),
        ),
        "user-unavailable": (
            "An agent called the user, and the run has no ask_user.",
            "Give ask_user=, or tell the agents to decide themselves.",
        ),
        "waiting": (
            "A run waits for people and was saved: ask_user is SAVE_AND_EXIT.",
            (
                "Answer its questions with Journal(...)[run_id].answer(...), from any process; "
                "the same call then goes on."
            ),
        ),
        "worker-missing": (
            "No worker has taken a run or a call.",
            (
                "Start one of the kind that the text names: agentouto worker TEAM --worker KIND "
                "--journal ..."
            ),
        ),
    }
)
"""Meaning and remedy of every code."""
