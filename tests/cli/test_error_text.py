"""What the command says of an error: its text, and what helps where the text is a server's."""

from __future__ import annotations

import pytest

from agentouto import AuthError, ProviderError
from agentouto._domain.error_codes import ERROR_CODES
from agentouto.cli._exit_codes import CODES_WITH_ADVICE, ExitError, error_text


def broken(code: str, fix: str = "") -> ProviderError:
    return ProviderError("local", "the server says no").coded(code, fix=fix)


@pytest.mark.parametrize("code", sorted(CODES_WITH_ADVICE))
def test_what_a_server_says_is_followed_by_what_helps(code: str) -> None:
    helps = ERROR_CODES[code][1]
    assert error_text(broken(code), verbose=False) == f"[local] the server says no\n{helps}"


def test_an_error_that_says_what_helps_stays_one_line() -> None:
    said = broken("login", fix="says no")
    assert error_text(said, verbose=False) == "[local] the server says no"
    assert error_text(broken("configuration"), verbose=False) == "[local] the server says no"
    login = AuthError("google", "no sign-in on another device")
    assert error_text(login, verbose=False) == "[google] no sign-in on another device"
    assert error_text(ExitError("no such file"), verbose=False) == "no such file"


def test_a_key_that_is_refused_in_a_run_is_followed_by_what_helps() -> None:
    refused = AuthError("local", "the key is not valid")
    refused.agent_name, refused.model = "writer", "m"
    lines = error_text(refused, verbose=False).splitlines()
    assert lines[1] == ERROR_CODES["login"][1]
