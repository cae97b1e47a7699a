"""Reviewing answers from the command line."""

from datetime import date
from pathlib import Path

import pytest

from resources.predictions.records import insert
from resources.predictions.store import PredictionStore
from resources.predictions.tables import migrate, open_store
from tests.command_line.conftest import Housing
from tests.resources.prediction_records import prediction

DAY = "2026-11-21"


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the ids of three of twenty answers, those that are drawn."""
    url = f"sqlite:///{tmp_path / 'predictions.db'}"
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", url)
    monkeypatch.setenv("HOUSING_REVIEW_SHARE", "0.2")
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        ids = [f"0199aee2-6e1c-7e53-9c2d-{number:012x}" for number in range(20)]
        insert(connection, [prediction(number, prediction_id=one) for number, one in enumerate(ids)])
    engine.dispose()
    drawn = PredictionStore(url=url, review_share=0.2).drawn_for_review(date.fromisoformat(DAY))
    assert len(drawn) == 3
    return drawn


def test_what_was_drawn_is_listed_shown_and_judged(housing: Housing, drawn: list[str]) -> None:
    listed = housing("review", "list", DAY).stdout.splitlines()
    assert listed == [f"{one}  low, 2,900,000 TRY  not reviewed yet" for one in drawn]

    judged = housing(
        "review", "judge", drawn[1], "--unreasonable", "--note", "twice the street's", "--by", "ayse"
    ).stdout
    assert judged.startswith(f"{drawn[1]}  low, 2,900,000 TRY  unreasonable: twice the street's (ayse, 20")
    capitals = f"{{{drawn[0].upper()}}}"
    assert housing("review", "judge", capitals, "--reasonable", "--by", "ayse").stdout.endswith(" UTC)\n")

    listed = housing("review", "list", DAY).stdout.splitlines()
    assert [line.split("  ")[2].split()[0].rstrip(":") for line in listed] == ["reasonable", "unreasonable", "not"]
    shown = housing("review", "show", drawn[1].upper()).stdout
    assert '"GrossSquareMeters": "160 m2"' in shown
    assert "unreasonable: twice the street's (ayse" in shown


def test_what_was_judged_is_judged_again_though_a_smaller_share_does_not_draw_it(
    housing: Housing, drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert housing("review", "judge", drawn[0], "--reasonable", "--by", "ayse").exit_code == 0
    monkeypatch.setenv("HOUSING_REVIEW_SHARE", "0")
    again = housing("review", "judge", drawn[0], "--unreasonable", "--note", "a garage", "--by", "can")
    assert "unreasonable: a garage (can, 20" in again.stdout
    assert "unreasonable: a garage (can, 20" in housing("review", "show", drawn[0]).stdout

    refused = housing("review", "judge", drawn[1], "--reasonable")
    assert refused.exit_code == 1
    assert "was not drawn" in refused.stderr


def test_only_what_was_drawn_is_judged_and_an_unreasonable_answer_needs_a_note(
    housing: Housing, drawn: list[str], tmp_path: Path
) -> None:
    store = PredictionStore(url=f"sqlite:///{tmp_path / 'predictions.db'}", review_share=1)
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
