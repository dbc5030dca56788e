"""Tables that follow the vendors' API references agree with the types of the vendors' packages."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_args

from anthropic.types import StopReason
from anthropic.types.beta import beta_message
from google.genai.types import FinishReason
from openai.types.responses.response import IncompleteDetails

from agentouto.providers._anthropic import decoder as messages
from agentouto.providers._anthropic.wire import BINDING_BETA, TOKEN_BETA
from agentouto.providers._google import decoder as gemini
from agentouto.providers._openai import responses_decoder as responses


def test_the_finish_reasons_of_gemini_are_those_of_its_package() -> None:
    reasons = {reason.value for reason in FinishReason}
    assert gemini.STOPS.keys() <= reasons
    assert gemini.FAILED_REASONS.keys() <= reasons
    assert not gemini.STOPS.keys() & gemini.FAILED_REASONS.keys()


def test_the_stop_reasons_of_claude_are_those_of_its_package() -> None:
    assert messages.STOPS.keys() <= set(get_args(StopReason))


def test_the_reasons_of_an_incomplete_response_are_those_of_its_package() -> None:
    optional = IncompleteDetails.model_fields["reason"].annotation
    reasons = {reason for part in get_args(optional) for reason in get_args(part)}
    assert responses.STOPS.keys() <= reasons
    assert "max_output_tokens" in reasons - responses.STOPS.keys()


def test_the_name_of_the_beta_feature_for_tokens_is_that_of_the_package() -> None:
    constants: Any = importlib.import_module("anthropic.lib.credentials._constants")
    assert constants.OAUTH_API_BETA_HEADER == TOKEN_BETA


def test_the_name_of_the_beta_feature_for_bound_thinking_stands_in_the_package() -> None:
    assert BINDING_BETA in inspect.getsource(beta_message)
