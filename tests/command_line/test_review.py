"""Reviewing answers from the command line."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from resources.prediction_records import insert
from resources.prediction_store import PredictionStore
from resources.prediction_tables import migrate, open_store
from tests.command_line.conftest import Housing
from tests.resources.prediction_records import prediction

DAY = "2026-11-21"


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the ids of three of twenty answers, those that are drawn."""
    url = f"sqlite:///{tmp_path / 'predictions.db'}"
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", url)
    monkeypatch.setenv("HOUSING_REVIEW_SAMPLE", "3")
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, [prediction(number) for number in range(20)])
    engine.dispose()
    return PredictionStore(url=url, review_sample=3).drawn_for_review(date.fromisoformat(DAY))


def test_what_was_drawn_is_listed_shown_and_judged(housing: Housing, drawn: list[str]) -> None:
    listed = housing("review", "list", DAY).stdout.splitlines()
    assert listed == [f"{one}  low, 2,900,000 TRY  not reviewed yet" for one in drawn]

    judged = housing(
        "review", "judge", drawn[1], "--unreasonable", "--note", "twice the street's", "--by", "ayse"
    ).stdout
    assert judged.startswith(f"{drawn[1]}  low, 2,900,000 TRY  unreasonable: twice the street's (ayse, 20")
    assert housing("review", "judge", drawn[0], "--reasonable", "--by", "ayse").stdout.endswith(" UTC)\n")

    listed = housing("review", "list", DAY).stdout.splitlines()
    assert [line.split("  ")[2].split()[0].rstrip(":") for line in listed] == ["reasonable", "unreasonable", "not"]
    shown = housing("review", "show", drawn[1]).stdout
    assert '"GrossSquareMeters": "160 m2"' in shown
    assert "unreasonable: twice the street's (ayse" in shown


def test_only_what_was_drawn_is_judged_and_an_unreasonable_answer_needs_a_note(
    housing: Housing, drawn: list[str], tmp_path: Path
) -> None:
    store = PredictionStore(url=f"sqlite:///{tmp_path / 'predictions.db'}", review_sample=20)
    others = set(store.drawn_for_review(date.fromisoformat(DAY))) - set(drawn)
    for arguments, why in (
        ((min(others), "--reasonable"), "was not drawn: only a random sample is reviewed"),
        ((drawn[0], "--unreasonable"), "the note is empty"),
        (("0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10", "--reasonable"), "has no answer 0199"),
        (("nonsense", "--reasonable"), "has no answer nonsense"),
    ):
        shown = housing("review", "judge", *arguments)
        assert shown.exit_code == 1
        assert why in shown.stderr
    assert store.reviews() == {}
    assert housing("review", "list", "2026-01-01").stdout == "no answer of 2026-01-01 was drawn\n"


def test_a_day_that_has_not_ended_has_no_sample_yet(housing: Housing, drawn: list[str], tmp_path: Path) -> None:
    now = datetime.now(UTC)
    of_today = prediction(0, predicted_at=f"{now:%Y-%m-%dT%H:%M:%SZ}")
    engine = open_store(f"sqlite:///{tmp_path / 'predictions.db'}")
    with engine.begin() as connection:
        insert(connection, [of_today])
    engine.dispose()
    for command in (("list", str(now.date())), ("judge", str(of_today["prediction_id"]), "--reasonable")):
        shown = housing("review", *command)
        assert shown.exit_code == 1
        assert f"{now.date()} has not ended (UTC)" in shown.stderr
    assert PredictionStore(url=f"sqlite:///{tmp_path / 'predictions.db'}").reviews() == {}
