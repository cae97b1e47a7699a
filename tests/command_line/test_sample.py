"""Files of synthetic rows."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.markets.istanbul_sample import Shift, synthetic_listings
from tests.command_line.conftest import Housing


def test_rows_are_written_as_the_generator_draws_them(housing: Housing, tmp_path: Path) -> None:
    out = tmp_path / "ads.parquet"

    arguments = (
        f"--rows 300 --seed 3 --as-of 2022-06-01 --shift price_inflation=0.6 --shift missing.price=0.1 --out {out}"
    )
    shown = housing("sample", *arguments.split())

    assert shown.stdout == f"300 synthetic rows of istanbul written to {out}\n"
    shift = Shift(price_inflation=0.6, missing={"price": 0.1})
    expected = synthetic_listings(300, seed=3, shift=shift, as_of=date(2022, 6, 1))
    pd.testing.assert_frame_equal(pd.read_parquet(out).astype(str), expected.astype(str))


def test_a_file_that_is_there_is_written_over_only_if_that_is_said(housing: Housing, tmp_path: Path) -> None:
    out = tmp_path / "ads.csv"
    out.write_text("my own ads")

    shown = housing("sample", "--rows", "10", "--out", str(out))

    assert shown.exit_code == 1
    assert f"--out is {out}, which is there already" in shown.stderr
    assert out.read_text() == "my own ads"
    assert housing("sample", "--rows", "10", "--out", str(out), "--force").exit_code == 0
    assert len(pd.read_csv(out)) == 10


def test_the_shifts_are_listed(housing: Housing) -> None:
    shown = housing("sample", "--shifts")
    assert shown.exit_code == 0
    assert "price_inflation      rise of all prices" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--out is missing"),
        ("--out ads.xlsx", "cannot write listings to 'ads.xlsx'"),
        ("--out nowhere/ads.csv", "nowhere"),
        ("--out ads.csv --shift concept_change=2", "concept_change is 2.0"),
        ("--out ads.csv --shift prices=2", "there is no shift 'prices'"),
        ("--out ads.csv --shift price_inflation", "--shift is 'price_inflation': expected NAME=VALUE"),
        ("--out ads.csv --shift mix.Villa=1 --shift mix.Villa=2", "--shift names mix.Villa twice"),
        ("--out ads.csv --as-of someday", "the day is 'someday'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    housing: Housing, arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    shown = housing("sample", *arguments.split())

    assert shown.exit_code == 1
    assert message in shown.stderr
    assert not list(tmp_path.iterdir())


def test_a_market_without_a_sample_says_so(housing: Housing, tmp_path: Path) -> None:
    market = tmp_path / "shops.py"
    market.write_text("from tests.traffic.shops import MARKET\n")

    shown = housing("sample", "--market", str(market), "--out", str(tmp_path / "rows.csv"))

    assert shown.exit_code == 1
    assert "shops has no synthetic sample" in shown.stderr
