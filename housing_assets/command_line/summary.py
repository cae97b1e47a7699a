"""What was built last: a line for each asset, the metrics, the checks, and where to look."""

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from housing_assets.command_line.environment import dagster_instance, read_settings

if TYPE_CHECKING:
    import dagster as dg

SIZES = ("dagster/row_count", "training_rows", "trees", "version", "lineage")
"""Metadata that tells what an asset is like, the first that it has."""

PASSED, FAILED, NOT_YET = "passed", "FAILED", "not yet"

METRICS = ("macro_f1", "accuracy", "roc_auc_ovr", "calibration_error")


def summary() -> None:
    """Show what was built last.

    A line for each asset, the metrics, the checks, and where to look.
    """
    settings = read_settings()
    with dagster_instance(settings) as instance:
        from housing_assets.definitions import defs

        keys, checks = _in_order(defs), sorted(defs.resolve_asset_graph().asset_check_keys)
        width = max(len(key.to_user_string()) for key in keys)
        print(f"\n{'asset':<{width}}  {'built at (UTC)':<19}  what")
        for key in keys:
            told = _describe(instance.get_latest_materialization_event(key))
            print(f"{key.to_user_string():<{width}}  {told}")
        outcomes = [_outcome(instance, key) for key in checks]
    counts = Counter(outcome for outcome, _ in outcomes)
    print("\nchecks: " + ", ".join(f"{counts[each]} {each}" for each in (PASSED, FAILED, NOT_YET) if counts[each]))
    for _, failure in outcomes:
        if failure:
            print(f"  {failure}")
    here = f"HOUSING_STORAGE={settings.storage}"
    if not settings.is_default_market:
        here += f" HOUSING_MARKET={settings.market}"
    print(
        f"\nwhere to look, with everything that was written in {settings.object_store or settings.market_storage}\n"
        f"  make dev {here}\n"
        "      the lineage page on http://localhost:3000, MLflow on http://localhost:5000\n"
        f"  make versions {here}\n"
        "      the registered versions, and why each was promoted or not\n"
        f"  make decisions {here}\n"
        "      what the sensors decided by themselves, and why"
    )


def _in_order(definitions: "dg.Definitions") -> list["dg.AssetKey"]:
    """Return the assets as data flow through them, those of a group together: groups lie side by side in the graph."""
    graph = definitions.resolve_asset_graph()
    keys = [
        key for level in graph.toposorted_asset_keys_by_level for key in sorted(level & graph.materializable_asset_keys)
    ]
    groups = list(dict.fromkeys(graph.get(key).group_name for key in keys))
    return sorted(keys, key=lambda key: groups.index(graph.get(key).group_name))


def _describe(event: "dg.EventLogEntry | None") -> str:
    if event is None or event.asset_materialization is None:
        return NOT_YET
    found = event.asset_materialization.metadata
    told = [
        f"{each.removeprefix('dagster/').replace('_', ' ')} {_shown(found[each].value)}"
        for each in SIZES
        if each in found
    ][:1]
    if SIZES[0] not in found or found[SIZES[0]].value:  # of no rows there is nothing to measure
        told += [f"{each} {_shown(found[each].value)}" for each in METRICS if each in found]
    return f"{datetime.fromtimestamp(event.timestamp, UTC):%Y-%m-%d %H:%M:%S}  {', '.join(told)}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _outcome(instance: "dg.DagsterInstance", key: "dg.AssetCheckKey") -> tuple[str, str]:
    """Return how a check ended last, and its name with the reason if it failed."""
    import dagster as dg

    record = instance.get_latest_asset_check_evaluation_record(key)
    if record is None or not isinstance(record.evaluation, dg.AssetCheckEvaluation):
        return NOT_YET, ""
    if record.evaluation.passed:
        return PASSED, ""
    return FAILED, f"{key.name} {FAILED}: {record.evaluation.description or ''}"
