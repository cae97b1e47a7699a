"""What the nightly clearing up removes, and what it leaves."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from housing_assets.retention.assets import storage_retention
from resources.checkpoints import Checkpoints
from resources.mlflow.registry import ModelRegistry
from resources.retention import Retention
from resources.values import disk
from resources.values.asset_storage import AssetStorage
from tests.resources.mlflow_database import new_database

DAY = 86_400
DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05")


@dg.asset
def ads() -> pd.DataFrame:
    return pd.DataFrame({"price": [1.0]})


@dg.asset(partitions_def=DAYS)
def daily() -> pd.DataFrame:
    return pd.DataFrame({"price": [2.0]})


ASSETS = [ads, daily, storage_retention]


class Kept:
    """A storage whose clock can be put back."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        self.resources: Mapping[str, Any] = {
            "io_manager": AssetStorage(folder=str(folder / "assets")),
            "checkpoints": Checkpoints(folder=str(folder / "checkpoints")),
            "registry": ModelRegistry(tracking_uri=new_database(folder)),
            "retention": Retention(
                data_days=400, log_days=30, unused_days=30, experiment_name="none", assets={"ads": False, "daily": True}
            ),
        }

    def store(self, asset: dg.AssetsDefinition, days_ago: int, partition: str | None = None) -> None:
        moment = time.time_ns() - days_ago * DAY * 10**9
        with self._patch.context() as patch:
            patch.setattr(disk.time, "time_ns", lambda: moment)
            dg.materialize(ASSETS, resources=self.resources, selection=[asset], partition_key=partition)

    def clear_up(self, instance: dg.DagsterInstance) -> dict[str, Any]:
        result = dg.materialize(ASSETS, resources=self.resources, selection=[storage_retention], instance=instance)
        (made,) = result.asset_materializations_for_node("storage_retention")
        return {name: entry.value for name, entry in made.metadata.items()}

    def names(self) -> dict[str, int]:
        """Return how many values each name has."""
        store = self.resources["io_manager"].store
        kept = [*store.kept("ads", partitioned=False), *store.kept("daily", partitioned=True)]
        return {name: sum(one.name == name for one in kept) for name in {one.name for one in kept}}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(tmp_path, monkeypatch)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def test_days_that_are_too_old_go_and_the_newest_value_of_what_has_no_days_stays(
    kept: Kept, instance: dg.DagsterInstance
) -> None:
    kept.store(ads, 500)
    kept.store(daily, 500, "2026-01-01")
    kept.store(daily, 300, "2026-01-02")

    told = kept.clear_up(instance)

    assert kept.names() == {"ads": 1, "daily|2026-01-02": 1}
    assert (told["values_before"], told["values_after"]) == (3, 2)
    assert told["value_bytes_before"] > told["value_bytes_after"] > 0


def test_values_before_the_newest_go_once_they_are_old(kept: Kept, instance: dg.DagsterInstance) -> None:
    for days in (50, 1):
        kept.store(ads, days)
    for days in (20, 1):
        kept.store(daily, days, "2026-01-01")

    kept.clear_up(instance)

    assert kept.names() == {"ads": 1, "daily|2026-01-01": 2}


def test_a_second_clearing_up_finds_nothing(kept: Kept, instance: dg.DagsterInstance) -> None:
    kept.store(daily, 500, "2026-01-01")
    kept.clear_up(instance)

    told = kept.clear_up(instance)

    assert told["values_before"] == told["values_after"] == told["deleted_models"] == 0
