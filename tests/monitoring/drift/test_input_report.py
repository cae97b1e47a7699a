"""What is decided on a day for the signs that are found: held, clean, released, and by whom."""

from dataclasses import replace
from datetime import date

import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.causes import Cause, Sign
from housing_assets.monitoring.drift.input_report import InputReport, decide_day, release_days
from housing_assets.monitoring.production.days import DayProfiles
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.thresholds import Thresholds
from resources.predictions.day_decisions import PLATFORM, DayDecision, Days, State
from tests.monitoring.small_platform import Platform, ads

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
MISSING = Cause("dues", Sign.MISSING, "dues is missing")
SCALE = Cause("gross_m2", Sign.SCALE, "gross_m2 looks multiplied by 10")


def report(*causes: Cause) -> InputReport:
    return InputReport(500, 0, causes, insufficient=False, reason="")


def decided(day: date, state: State, by: str, *causes: Cause) -> DayDecision:
    return DayDecision(day, state, "", by, causes=tuple(cause.key for cause in causes))


def test_a_day_with_a_sign_is_held_and_one_without_is_clean() -> None:
    held = decide_day(DAY, report(SCALE), Days())

    assert (held.state, held.by, held.reason) == (State.HELD, PLATFORM, SCALE.detail)
    assert decide_day(DAY, report(SCALE), Days([held])) is held
    assert decide_day(DAY, report(), Days([held])) is held  # seen again without it: a person says
    assert decide_day(DAY, report(), Days()).state is State.CLEAN


@pytest.mark.parametrize("state", [State.HELD, State.RELEASED])
def test_what_a_person_decided_stands(state: State) -> None:
    standing = decided(DAY, state, "ayse")

    assert decide_day(DAY, report(), Days([standing])) is standing
    assert decide_day(DAY, report(SCALE), Days([standing])) is standing


def test_a_column_that_a_client_does_not_send_is_released_once_and_a_unit_each_time() -> None:
    released = decided(DAY, State.RELEASED, "ayse", MISSING, SCALE)

    assert decide_day(NEXT, report(MISSING), Days([released])).state is State.CLEAN
    found = decide_day(NEXT, report(MISSING, SCALE), Days([released]))
    assert (found.state, found.causes) == (State.HELD, (SCALE.key,))


def test_a_day_is_released_when_a_newer_version_learned_the_same_from_its_source(platform: Platform) -> None:
    listings = ads(1_000, seed=8)
    larger = listings.assign(gross_m2=listings["gross_m2"] * 10)
    profiles = {DAY: DayProfiles({1: platform.profile(larger)}, 0)}
    held = Days([decided(DAY, State.HELD, PLATFORM, SCALE)])
    nothing = Outcomes.none(MARKET.categories)
    before = Reference(platform.reference, nothing)
    wide = platform.listings.assign(gross_m2=platform.listings["gross_m2"] * 10)
    newer = Reference(replace(platform, listings=wide).reference, nothing)

    def released(reference: Reference, version: int, days: Days = held) -> list[State]:
        return [one.state for one in release_days(MARKET, profiles, reference, version, days, Thresholds())]

    assert released(newer, 2) == [State.RELEASED]
    assert released(before, 2) == []
    assert released(newer, 1) == []  # the version that answered
    assert released(newer, 2, Days([decided(DAY, State.HELD, "ayse", SCALE)])) == []
    for waits_for_a_person in (Cause("price", Sign.SCALE, ""), Cause("", Sign.STUCK, "")):
        assert released(newer, 2, Days([decided(DAY, State.HELD, PLATFORM, waits_for_a_person)])) == []
