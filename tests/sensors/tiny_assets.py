"""Assets and checks with the names of the platform's, which say what they are told.

The folder that ``TINY_LOOP`` names tells them: ``verdicts.json`` what each check says of each day, ``training.json``
whether training fails, ``ahead.json`` how many seconds the clock is ahead, ``sensors.json`` which sensors there are;
``landing/`` is the landing place.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
PSI, PREDICTIONS = "psi_within_limit", "prediction_drift_within_limit"
PERFORMANCE = "performance_held"
INTERVAL = 1
MARKET = "tiny"


def folder() -> Path:
    return Path(os.environ["TINY_LOOP"])


def told(file: str, otherwise: Any) -> Any:
    path = folder() / file
    return json.loads(path.read_text()) if path.exists() else otherwise


def clock() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=told("ahead.json", 0))


def check_results(asset: str, names: tuple[str, ...], context: dg.AssetExecutionContext) -> list[dg.AssetCheckResult]:
    day = context.partition_key
    said = told("verdicts.json", {}).get(day, {})
    if said.get("crash"):
        raise RuntimeError("crashed on purpose")
    results = []
    for name in names:
        metadata = {
            "partition": day,
            "counts_toward_retraining": True,
            "severe": False,
            "insufficient": False,
            "verdict": f"{name} says so",
            "report_id": f"{asset}-{day}-{context.run.run_id[:8]}",
            "offending_columns": "",
            **said.get(name, {}),
        }
        passed = bool(metadata.pop("passed", True))
        severity = dg.AssetCheckSeverity.ERROR
        results.append(dg.AssetCheckResult(check_name=name, passed=passed, severity=severity, metadata=metadata))
    return results


def specs(asset: str, *names: str) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset) for name in names]


@dg.asset(partitions_def=DAYS, check_specs=specs("drift_report", PSI, PREDICTIONS))
def drift_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=check_results("drift_report", (PSI, PREDICTIONS), context))


@dg.asset(partitions_def=DAYS, check_specs=specs("performance_report", PERFORMANCE))
def performance_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=check_results("performance_report", (PERFORMANCE,), context))


@dg.asset
def raw_listings() -> None: ...


@dg.asset(deps=[raw_listings])
def price_forest() -> None:
    if told("training.json", {}).get("fails"):
        raise RuntimeError("training failed on purpose")


@dg.asset(deps=[price_forest])
def price_bento() -> None: ...


ASSETS = [drift_report, performance_report, raw_listings, price_forest, price_bento]
TRAINING = dg.AssetSelection.assets("raw_listings", "price_forest", "price_bento")
MONITORING = dg.AssetSelection.assets("drift_report", "performance_report")
CHECKS = [dg.AssetCheckKey(dg.AssetKey("drift_report"), name) for name in (PSI, PREDICTIONS)]
HELD = dg.AssetCheckKey(dg.AssetKey("performance_report"), PERFORMANCE)
