"""The loop on five months of real sales whose prices come back after 30 days: it trains seldom, and answers well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from demo.processes import PROJECT
from tests.acceptance.replayed_sales import ENVIRONMENT

pytestmark = [pytest.mark.trial, pytest.mark.real_data]

SHOWN = (
    *("rows", "price_hit_rate", "price_mdape", "price_within_10", "price_within_20"),
    *("price_median_bias", "price_coverage_80", "macro_f1"),
)


def test_answers_to_five_months_of_sales_hold_and_the_loop_makes_them_no_worse(
    real_data_folder: Path, tmp_path: Path
) -> None:
    sales = real_data_folder / "king_county_2014.csv.gz"
    if not sales.is_file():
        pytest.skip(f"no sales of King County: {sales} is no file")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_"))}
    with (tmp_path / "log").open("w") as log:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.acceptance.replayed_sales", str(sales), str(tmp_path)],
            cwd=PROJECT,
            env=inherited | ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, (tmp_path / "log").read_text()[-4_000:]
    found = json.loads(ended.stdout)
    lines = {(part, who): told for part, by in found["figures"].items() for who, told in by.items()}
    print(pd.DataFrame(lines).T[list(SHOWN)].to_string(float_format="{:.4f}".format))
    for training in found["retrained"]:
        print(training)

    before = [month for month in found["figures"] if all(month < one["day"][:7] for one in found["retrained"])]
    for month in before:  # the same version: answers of the service are those of the artifact, row by row
        assert found["figures"][month]["loop"] == pytest.approx(found["figures"][month]["first version"])
    first, loop = (found["figures"]["all"][who] for who in ("first version", "loop"))
    assert loop["rows"] > 8_000
    assert loop["price_hit_rate"] > 0.98
    assert loop["price_mdape"] <= min(first["price_mdape"] + 0.002, 0.09)
    assert abs(loop["price_median_bias"]) <= 0.015
    assert 0.78 <= loop["price_coverage_80"] <= 0.82
    assert loop["macro_f1"] >= first["macro_f1"] - 0.005
    assert len(found["retrained"]) <= 5
