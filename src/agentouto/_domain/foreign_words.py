"""Words of other packages and vendors, and what to write here instead.

Each table goes from a word that users bring along to the end of an error text.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TypeVar

from agentouto._domain.configuration_error import did_you_mean

T = TypeVar("T")

_TURNS = "it is a limit of the run: limits=Limits(turns=...)"
_OF_AGENT = "it is a setting of an agent: Agent(..., {}=...)"
_OF_RUN = "it is given to the run: run(..., {}=...)"
_PEERS = "every agent may call every other one: run(..., run_agents=[...])"
_TYPE = "it is output_type= here"

RUN_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "agent": "give a list: starting_agents=[agent]",
        "callbacks": "functions that see and change what passes are hooks=Hooks(...)",
        "input": "it is message= here",
        "instructions": _OF_AGENT.format("instructions"),
        "max_iterations": _TURNS,
        "max_steps": _TURNS,
        "max_tokens": "tokens of a reply are Agent(max_output_tokens=), of a run Limits(tokens=)",
        "max_turns": _TURNS,
        "message_history": "it is history= here",
        "messages": "messages of an earlier run are history= here",
        "model": _OF_AGENT.format("model"),
        "output_schema": _TYPE,
        "prompt": "it is message= here",
        "response_format": _TYPE,
        "result_type": _TYPE,
        "stream": "events while the run goes on are those of async_run_stream(...)",
        "system_prompt": _OF_AGENT.format("instructions"),
        "temperature": _OF_AGENT.format("temperature"),
        "timeout": "it is a limit of the run: limits=Limits(seconds=...)",
    }
)

AGENT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "api_key": "keys are the provider's: Provider(..., api_key=...)",
        "base_url": "addresses are the provider's: Provider(..., base_url=...)",
        "description": "what peers read about an agent is role= here",
        "handoffs": _PEERS,
        "hooks": _OF_RUN.format("hooks"),
        "llm": "it is model= here, with provider=",
        "max_iterations": _TURNS,
        "max_tokens": "it is max_output_tokens= here",
        "max_turns": _TURNS,
        "output_schema": _TYPE,
        "prompt": "it is instructions= here",
        "response_format": _TYPE,
        "result_type": _TYPE,
        "sub_agents": _PEERS,
        "system": "it is instructions= here",
        "system_message": "it is instructions= here",
        "system_prompt": "it is instructions= here",
        "tools": "tools are for all agents of a run: run(..., tools=[...])",
    }
)

LIMIT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "budget": "US dollars are cost= here",
        "max_cost": "it is cost= here",
        "max_requests": "it is requests= here",
        "max_tokens": "it is tokens= here",
        "max_turns": "it is turns= here",
        "time": "it is seconds= here",
        "timeout": "it is seconds= here",
    }
)

PROVIDER_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "endpoint": "it is base_url= here",
        "key": "it is api_key= here",
        "model": _OF_AGENT.format("model"),
        "token": "it is api_key= here, or auth= for a sign-in",
        "type": "it is kind= here",
        "url": "it is base_url= here",
    }
)

_COMPATIBLE = 'a server with the API of OpenAI is Provider("{0}", kind="openai", base_url="{1}")'

KIND_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "claude": "the models of Anthropic have kind='anthropic'",
        "gemini": "the models of Google have kind='google'",
        "gpt": "the models of OpenAI have kind='openai'",
        "vertex": "the models of Google have kind='google'",
        **{
            name: _COMPATIBLE.format(name, url)
            for name, url in (
                ("deepseek", "https://api.deepseek.com/v1"),
                ("groq", "https://api.groq.com/openai/v1"),
                ("llamacpp", "http://localhost:8080/v1"),
                ("lmstudio", "http://localhost:1234/v1"),
                ("local", "http://localhost:11434/v1"),
                ("mistral", "https://api.mistral.ai/v1"),
                ("ollama", "http://localhost:11434/v1"),
                ("openrouter", "https://openrouter.ai/api/v1"),
                ("together", "https://api.together.xyz/v1"),
                ("vllm", "http://localhost:8000/v1"),
                ("xai", "https://api.x.ai/v1"),
            )
        },
    }
)
"""Addresses as the vendors' documents and the servers' defaults have them."""


def hint_for(word: str, known: Iterable[str], words: Mapping[str, str]) -> str:
    """Return the end of an error text about ``word``: what to write instead, or ``""``."""
    told = words.get(word.lower().replace("-", "").replace(" ", "") if word else word)
    told = told or words.get(word)
    return f": {told}" if told else did_you_mean(word, known)


def explains_misuse(**texts: str) -> Callable[[type[T]], type[T]]:
    """Have a class answer a method that it does not have with what to write instead.

    The methods are those of a protocol of Python, such as ``__iter__``. They are set at run time
    only, so that type checkers still refuse the use.
    """

    def explained(cls: type[T]) -> type[T]:
        for method, text in texts.items():
            setattr(cls, method, _refusing(f"{cls.__name__}: {text}"))
        return cls

    return explained


def _refusing(text: str) -> Callable[..., object]:
    def refuse(*_: object) -> object:
        raise TypeError(text)

    return refuse


def explains_keywords(
    words: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[type[T]], type[T]]:
    """Have a class say of an unknown keyword what there is instead, as a ``TypeError``."""

    def explained(cls: type[T]) -> type[T]:
        init = cls.__init__

        @wraps(init)
        def explaining(self: T, *args: object, **kwargs: object) -> None:
            try:
                init(self, *args, **kwargs)
            except TypeError:
                known = tuple(inspect.signature(init).parameters)[1:]
                unknown = next((name for name in kwargs if name not in known), None)
                if unknown is None:
                    raise
                del args, kwargs
                hint = hint_for(unknown, known, words)
                text = f"{cls.__name__}() has no argument {unknown!r}{hint}"
                raise TypeError(text).with_traceback(None) from None

        type.__setattr__(cls, "__init__", explaining)
        return cls

    return explained
