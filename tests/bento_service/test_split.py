"""The traffic split: a stable share of keys goes to the challenger."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bento_service.split import TrafficSplit
from tests.bento_service.serving import PROJECT


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
def test_the_share_of_keys_is_as_asked(share: float) -> None:
    went = sum(TrafficSplit(share).goes_to_challenger(f"user-{number}") for number in range(20_000))
    assert went / 20_000 == pytest.approx(share, abs=0.015)


@given(st.text(max_size=200))
def test_none_or_all_go_at_the_ends(key: str) -> None:
    assert not TrafficSplit(0.0).goes_to_challenger(key)
    assert TrafficSplit(1.0).goes_to_challenger(key)


@given(st.text(max_size=50), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_takes_no_key_back(key: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    if TrafficSplit(smaller).goes_to_challenger(key):
        assert TrafficSplit(larger).goes_to_challenger(key)


def test_another_process_sends_the_same_keys() -> None:
    here = [TrafficSplit(0.5).goes_to_challenger(str(number)) for number in range(200)]
    code = (
        "from bento_service.split import TrafficSplit;"
        "print([TrafficSplit(0.5).goes_to_challenger(str(number)) for number in range(200)])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    assert there.stdout.strip() == str(here)
