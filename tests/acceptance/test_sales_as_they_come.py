"""The loop on real sales of five months, whose prices come back after 30 days: it goes along, and trains seldom."""

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
    "rows",
    "price_mdape",
    "price_within_10",
    "price_within_20",
    "price_median_bias",
    "price_coverage_80",
    "macro_f1",
)


@pytest.mark.parametrize("weekly", [False, True], ids=["by findings", "every week"])
def test_answers_to_sales_of_five_months_are_no_worse_for_the_loop(
    real_data_folder: Path, tmp_path: Path, weekly: bool
) -> None:
    sales = real_data_folder / "king_county_2014.csv.gz"
    if not sales.is_file():
        pytest.skip(f"no sales of King County: {sales} is no file")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_"))}
    command = [sys.executable, "-m", "tests.acceptance.replayed_sales", str(sales), str(tmp_path)]
    with (tmp_path / "log").open("w") as log:
        ended = subprocess.run(
            command + ["--weekly"] * weekly,
            cwd=PROJECT, env=inherited | ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, (tmp_path / "log").read_text()[-4_000:]
    found = json.loads(ended.stdout)
    lines = {(part, who): told for part, by in found["figures"].items() for who, told in by.items()}
    print(pd.DataFrame(lines).T[list(SHOWN)].to_string(float_format="{:.4f}".format))
    for training in found["retrained"]:
        print(training)

    first, loop = (found["figures"]["all"][who] for who in ("first version", "loop"))
    assert first["rows"] == loop["rows"] > 8_000
    assert loop["price_mdape"] <= first["price_mdape"] + 0.002
    assert abs(loop["price_median_bias"]) <= max(abs(first["price_median_bias"]), 0.015)
    assert loop["macro_f1"] >= first["macro_f1"] - 0.005
    assert len(found["retrained"]) <= (25 if weekly else 5)
