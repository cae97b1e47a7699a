"""Rates: bursts are let through, what is beyond is refused until time has passed, and nobody pays for others."""

import pytest

from bento_service import rate_limits
from bento_service.auth import STRANGER, Client
from bento_service.errors import Kind, ServiceError
from bento_service.rate_limits import BURST_SECONDS, RateLimits

PHONES, NIGHT = (Client(name, frozenset()) for name in ("phones", "night"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limits, "time", clock)
    return clock


def sent(limits: RateLimits, client: Client, requests: int) -> int:
    """Return how many of so many requests are let in."""
    for let_in in range(requests):
        if is_refused(limits, client):
            return let_in
    return requests


def is_refused(limits: RateLimits, client: Client) -> bool:
    try:
        limits.spend(client)
    except ServiceError as fault:
        return fault.kind is Kind.RATE_LIMITED and fault.retry_after is not None
    return False


def test_a_burst_is_let_in_and_then_the_rate(clock: Clock) -> None:
    limits = RateLimits(2)
    assert sent(limits, PHONES, 100) == 2 * BURST_SECONDS
    clock.now += 3
    assert sent(limits, PHONES, 100) == 6
    clock.now += 10_000
    assert sent(limits, PHONES, 100) == 2 * BURST_SECONDS


def test_each_key_has_its_own_and_those_without_share_one(clock: Clock) -> None:
    limits = RateLimits(1)
    assert sent(limits, PHONES, 20) == 10
    assert sent(limits, NIGHT, 20) == 10
    assert sent(limits, STRANGER, 20) == 10
    assert sent(limits, NIGHT._replace(name="other", rate=0.05), 20) == 1
    assert sent(limits, NIGHT._replace(name="free", rate=0), 20) == 20


def test_a_batch_is_let_in_and_paid_back(clock: Clock) -> None:
    limits = RateLimits(10)
    limits.spend(PHONES)
    limits.owe(PHONES, 499)
    with pytest.raises(ServiceError) as refused:
        limits.spend(PHONES)
    assert refused.value.retry_after == 41  # 500 less the 100 of a burst, and the one that is asked for
    clock.now += 41
    assert sent(limits, PHONES, 20) == 10


def test_without_a_rate_nothing_is_counted(clock: Clock) -> None:
    assert sent(RateLimits(0), PHONES, 10_000) == 10_000
