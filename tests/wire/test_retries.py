"""What a failed request does to the other requests at its gate, and to the budget of its run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from agentouto._domain.delta import Delta, RetryDelta, TextDelta
from agentouto._domain.errors import ProviderError, ProviderUnavailable, RateLimited
from agentouto.providers._transport.retry import (
    Attempt,
    RateGate,
    RetryBudget,
    RetryPolicy,
    with_retries,
)

SPARE = 10


def failing(error: ProviderError) -> Attempt:
    async def attempt() -> AsyncGenerator[Sequence[Delta]]:
        raise error
        yield ()

    return attempt


async def answers() -> AsyncGenerator[Sequence[Delta]]:
    yield (TextDelta("Hi"),)


async def first_delta(policy: RetryPolicy, gate: RateGate, attempt: Attempt) -> Delta:
    """Return what a request yields first."""
    async with aclosing(with_retries("p", policy, gate, RetryBudget(policy), attempt)) as deltas:
        return (await anext(deltas))[0]


async def test_a_request_without_tries_left_closes_the_gate_if_the_server_says_for_how_long() -> (
    None
):
    policy, gate = RetryPolicy(tries=1), RateGate()
    limited = failing(RateLimited("p", "slow down", retry_after=2))
    with pytest.raises(RateLimited):
        await first_delta(policy, gate, limited)
    assert isinstance(await first_delta(policy, gate, answers), RetryDelta)


async def test_a_request_without_tries_left_closes_no_gate_for_a_wait_it_would_have_to_guess() -> (
    None
):
    policy, gate = RetryPolicy(tries=1), RateGate()
    with pytest.raises(RateLimited):
        await first_delta(policy, gate, failing(RateLimited("p", "slow down")))
    assert await first_delta(policy, gate, answers) == TextDelta("Hi")


async def test_a_request_that_tries_again_closes_the_gate_for_the_wait_it_guesses() -> None:
    policy, gate = RetryPolicy(tries=2), RateGate()
    limited = failing(RateLimited("p", "slow down"))
    assert isinstance(await first_delta(policy, gate, limited), RetryDelta)
    assert isinstance(await first_delta(policy, gate, answers), RetryDelta)


async def test_a_try_that_would_begin_after_the_deadline_is_not_taken_from_the_budget() -> None:
    policy = RetryPolicy(tries=3, total=5, first=60, longest=60, spare=SPARE)
    budget = RetryBudget(policy)
    unavailable = failing(ProviderUnavailable("p", "boom"))
    with pytest.raises(ProviderUnavailable):
        await anext(with_retries("p", policy, RateGate(), budget, unavailable))
    assert budget.left == SPARE + 1  # one is earned by the request itself


@pytest.mark.parametrize("read", [False, True])
async def test_a_reply_is_begun_again_only_while_no_reader_has_got_a_part_of_it(
    *, read: bool
) -> None:
    tries: list[int] = []
    readers: list[str] = []

    async def attempt() -> AsyncGenerator[Sequence[Delta]]:
        tries.append(1)
        yield (TextDelta("He"),)
        if len(tries) == 1:
            raise ProviderUnavailable("p", "boom")

    policy = RetryPolicy(tries=2, first=0.001)
    got: list[Delta] = []
    stream = with_retries(
        "p",
        policy,
        RateGate(),
        RetryBudget(policy),
        attempt,
        repeatable=lambda: not readers,
    )

    async def consume() -> None:
        async with aclosing(stream) as pieces:
            async for deltas in pieces:
                got.extend(deltas)
                if read:
                    readers.append("comes in the middle")

    if read:
        with pytest.raises(ProviderUnavailable):
            await consume()
        assert got == [TextDelta("He")]
    else:
        await consume()
        assert got[0] == got[-1] == TextDelta("He")
        assert isinstance(got[1], RetryDelta)
