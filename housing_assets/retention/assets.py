"""The asset of the group ``retention``: what is old goes, before it fills disks, buckets and databases."""

from dataclasses import asdict
from datetime import datetime

import dagster as dg

from resources.checkpoints import FOREST, MANIFEST, Checkpoints
from resources.mlflow.garbage import find_garbage, remove_garbage
from resources.mlflow.registry import ModelRegistry
from resources.retention import Retention, days_ago
from resources.retries import retried
from resources.values.asset_storage import AssetStorage
from resources.values.store import KeptValue, ValueStore

GROUP = "retention"


@dg.asset(group_name=GROUP, kinds={"dagster", "mlflow"})
@retried
def storage_retention(
    context: dg.AssetExecutionContext,
    retention: Retention,
    io_manager: dg.ResourceParam[AssetStorage],
    checkpoints: Checkpoints,
    registry: ModelRegistry,
) -> dg.MaterializeResult[None]:
    """Removes what is older than the settings say, and tells how much there was before and is after.

    Values of days, runs, what runs have logged, values before the newest, checkpoints of finished forests, and files
    of deleted versions. The newest value of an asset without days, what decisions rest on, versions, and all that is of
    other markets stay.
    """
    from resources.run_history import measure_history, remove_logs, remove_runs

    names = retention.assets
    keys = {dg.AssetKey.from_user_string(name): partitioned for name, partitioned in names.items()}
    without_days = [key for key, partitioned in keys.items() if not partitioned]
    instance, unused = context.instance, days_ago(retention.unused_days)

    values = _kept(io_manager.store, names)
    history = measure_history(instance)
    forest_bytes = checkpoints.stored_bytes(FOREST)

    _remove_values(io_manager.store, values, names, unused, days_ago(retention.data_days))
    _remove_finished(checkpoints, unused)
    garbage = find_garbage(registry.tracking_uri, retention.experiment_name, registry.model_name, unused)
    for one in garbage:
        remove_garbage(registry.tracking_uri, one)
    removed = remove_runs(instance, days_ago(retention.data_days), keys, without_days)
    trimmed = remove_logs(instance, days_ago(retention.log_days), keys)

    left, now = _kept(io_manager.store, names), measure_history(instance)
    context.log.info(
        f"{len(values) - len(left)} values, {removed} runs, the logs of {trimmed} runs, {len(garbage)} models"
    )
    return dg.MaterializeResult(
        metadata={
            "values_before": len(values),
            "values_after": len(left),
            "value_bytes_before": sum(one.n_bytes for one in values),
            "value_bytes_after": sum(one.n_bytes for one in left),
            "checkpoint_bytes_before": forest_bytes,
            "checkpoint_bytes_after": checkpoints.stored_bytes(FOREST),
            "deleted_models": len(garbage),
            "deleted_model_bytes": sum(one.n_bytes for one in garbage),
            "runs_without_log": trimmed,
            **{f"{name}_before": size for name, size in asdict(history).items()},
            **{f"{name}_after": size for name, size in asdict(now).items()},
        }
    )


def _kept(store: ValueStore, names: dict[str, bool]) -> list[KeptValue]:
    return [one for name, partitioned in names.items() for one in store.kept(name, partitioned=partitioned)]


def _remove_values(
    store: ValueStore, values: list[KeptValue], names: dict[str, bool], unused: datetime, old: datetime
) -> None:
    """Remove the days that are too old, and values that are not the newest."""
    for one in values:
        of_a_day = names[one.name.partition("|")[0]]
        if one.newest and of_a_day and one.written_at < old.timestamp():
            store.forget(one.name)
        elif not one.newest and one.written_at < unused.timestamp():
            store.drop(one)


def _remove_finished(checkpoints: Checkpoints, unused: datetime) -> None:
    from housing_assets.training.checkpoint import is_finished

    folder = checkpoints.path_of(FOREST)
    if is_finished(folder) and (folder / MANIFEST).stat().st_mtime < unused.timestamp():
        checkpoints.remove(FOREST)
