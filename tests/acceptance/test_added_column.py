"""A column more is one line in one file: the copy of a market with it trains, serves and is watched like any other."""

import difflib
import json
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.samples import load_sample
from housing_assets.market_loading import FOLDER, load_market
from housing_assets.monitoring.profiles.reference import Reference
from tests.acceptance.platform import Platform, days_ago, failed, why, write_rows

pytestmark = pytest.mark.acceptance

ISTANBUL = FOLDER / "istanbul.py"
LAST_COLUMN = 'Column("BalconySquareMeters"'
ADDED = 'Column("EnergyClass", "B", Text(), _category("energy_class")),'
CLASSES = ("A", "B", "C", "D")
SHARES = (0.1, 0.3, 0.4, 0.2)


def with_the_column(declaration: str) -> str:
    """Return Istanbul's declaration as my_ads', with one column more."""
    lines = declaration.replace('name="istanbul"', 'name="my_ads"').splitlines(keepends=True)
    (last,) = [number for number, line in enumerate(lines) if LAST_COLUMN in line]
    indent = lines[last][: len(lines[last]) - len(lines[last].lstrip())]
    return "".join([*lines[: last + 1], f"{indent}{ADDED}\n", *lines[last + 1 :]])


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("declared") / "my_ads.py"
    path.write_text(with_the_column(ISTANBUL.read_text()))
    return path


def ads(rows: int, *, seed: int) -> pd.DataFrame:
    """Return synthetic ads of Istanbul with the column."""
    drawn = load_sample(load_market("istanbul")).draw(rows, seed=seed)
    return drawn.assign(EnergyClass=np.random.default_rng(seed).choice(CLASSES, len(drawn), p=SHARES))


@pytest.fixture(scope="module")
def platform(declaration: Path, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    storage = tmp_path_factory.mktemp("my_ads")
    return Platform(str(declaration), write_rows(ads(1_500, seed=1), storage / "ads.csv"), storage, instance)


def test_a_column_is_one_line_in_one_file(declaration: Path) -> None:
    lines = difflib.ndiff(ISTANBUL.read_text().splitlines(), declaration.read_text().splitlines())
    changed = [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "+-"]
    assert changed == ['- name="istanbul",', '+ name="my_ads",', f"+ {ADDED}"]


@pytest.mark.trial
def test_the_added_column_is_trained_on_served_and_watched(platform: Platform) -> None:
    trained = platform.train(without=("price_bento",))
    assert trained.success, why(trained)
    version = platform.production()
    assert version.number == 1
    reference = Reference.from_json(platform.registry.read_text(version, "reference_profile.json")).profile
    assert set(reference.texts["energy_class"].counts) == set(CLASSES)

    day = days_ago(1)
    with platform.served() as served:
        assert served.listing_schema()["EnergyClass"]["examples"] == ["B"]
        home = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
        assert served.predict(home | {"EnergyClass": "A"})["unseen"] == []
        assert served.predict(home | {"EnergyClass": "Z"})["unseen"] == ["energy_class"]
        mostly_d = ads(400, seed=2).assign(EnergyClass=[*CLASSES, *["D"] * 16] * 20)
        source = write_rows(mostly_d, platform.storage / "yesterday.csv")
        served.day(source, day, 400, seed=3, label_share=1)

    checks = platform.judge(day)
    assert set(failed(checks)) == {"psi_within_limit"}
    assert checks["psi_within_limit"].verdict.columns == ("energy_class",)
    report = json.loads((platform.report("drift_report", day) / "drift_report.json").read_text())
    assert "energy_class" in {finding["column"] for finding in report["findings"]}
