"""Which assets a run is about, as its plan says it."""

import dagster as dg


def planned_assets(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    """Return the assets that a run is to materialize, however it was asked to.

    They are read from its plan: a run has an asset selection only if it is part of a job, and the events that announce
    its materializations are missing if the daemon was killed between creating the run and storing them.
    """
    if run.execution_plan_snapshot_id is None:
        return frozenset()
    return frozenset(instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).asset_selection)


def assets_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[dg.AssetKey]:
    """Return the assets that a run is to materialize or to check."""
    if run.execution_plan_snapshot_id is None:
        return frozenset()
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    return frozenset(plan.asset_selection).union(check.asset_key for check in plan.asset_check_keys)
