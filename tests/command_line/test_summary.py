"""What was built last, as a table that people read."""

from pathlib import Path

import dagster as dg
import pytest

from tests.command_line.conftest import Housing
from tests.dagster_home import new_home


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, housing: Housing) -> list[str]:
    """The summary of an instance in which little was built."""
    home = new_home(tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    report = dg.AssetKey("feature_validation_report")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(report, metadata={"dagster/row_count": 1200}))
        unlabelled = {"dagster/row_count": 0, "accuracy": 0.0}
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey("performance_report"), metadata=unlabelled)
        )
        for name, passed in (("features_valid", False), ("input_not_broken", True)):
            asset = report if name == "features_valid" else dg.AssetKey("input_report")
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    asset_key=asset, check_name=name, passed=passed, metadata={}, description="a median moved"
                )
            )
    return housing("summary").stdout.splitlines()


def test_the_columns_are_as_wide_as_their_cells(shown: list[str]) -> None:
    head = next(line for line in shown if line.startswith("asset "))
    built, what = head.index("built at"), head.index("what")
    rows = shown[shown.index(head) + 1 : shown.index("", shown.index(head))]
    assert all(row[built - 2 : built] == "  " and row[built] != " " for row in rows)
    report = next(row for row in rows if row.startswith("feature_validation_report"))
    assert report[what:] == "row count 1,200"
    assert next(row for row in rows if row.startswith("performance_report"))[what:] == "row count 0"


def test_assets_stand_in_the_order_in_which_they_are_made_and_by_what_they_are_for(shown: list[str]) -> None:
    names = [line.split()[0] for line in shown if line and not line.startswith(" ")]
    trained = ["raw_listings", "listings", "price_bands", "crossed_features", "hashed_features", "price_forest"]
    assert [name for name in names if name in trained] == trained
    daily = ["production_predictions", "production_profile", "drift_report", "performance_report"]
    assert [name for name in names if name in daily] == daily
    between = names[names.index(daily[0]) : names.index(daily[-1])]
    assert not set(trained) & set(between)


def test_checks_are_counted_and_those_that_failed_are_explained(shown: list[str]) -> None:
    counted = next(line for line in shown if line.startswith("checks: "))
    assert counted.startswith("checks: 1 passed, 1 FAILED, ")
    assert shown[shown.index(counted) + 1] == "  features_valid FAILED: a median moved"
