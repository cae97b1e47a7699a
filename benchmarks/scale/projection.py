"""Computes what a billion rows and a hundred million requests a day would take, from what was measured here.

``python -m benchmarks.scale.projection`` writes docs/scale.md from measured.json.
"""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import bytes_text, table

FOLDER = Path(__file__).parent
MEASURED = FOLDER / "measured.json"
PAGE = FOLDER.parents[1] / "docs/scale.md"

ROWS = 1_000_000_000
REQUESTS = 100_000_000
PRICE = 0.05
"""US dollars for an hour of a core with its memory: about what general-purpose machines of the large clouds cost."""

MEMORY = 64e9
"""Bytes of the machine that a step of the code location runs on."""

WORKER_MEMORY = 16e9
NETWORK = 1e9
"""Bytes a second that one machine sends: 10 Gbit/s, less what TLS and pickling cost."""

CORES = 100
TREES = 200
PEAK = 3.0
"""Busiest second of a day over its mean."""

MAPPED = ("hash rows", "clean", "cross", "encode", "score", "profile")


@dataclass(frozen=True)
class Limit:
    """A step, the rows at which it needs more than there is, and of what."""

    step: str
    rows: float
    of: str


def limits(units: dict[str, float]) -> list[Limit]:
    """Return what breaks, the first of it first."""
    found = [
        Limit(
            "`raw_listings` to `crossed_features`: one process holds all rows",
            MEMORY / units["held_bytes"],
            f"{bytes_text(MEMORY)} for {units['held_bytes']:.0f} bytes a row",
        ),
        Limit(
            "`hashed_features`: one process holds the encoded rows and learns the scores of them",
            MEMORY / (units["held_bytes"] + units["encoded_bytes"]),
            f"{bytes_text(MEMORY)} for {units['held_bytes'] + units['encoded_bytes']:.0f} bytes a row",
        ),
        Limit(
            "`price_forest`: every worker holds the offered columns of all balanced rows",
            WORKER_MEMORY / (4 * units["offered_columns"] * units["balanced_rows"]),
            f"{bytes_text(WORKER_MEMORY)} for {4 * units['offered_columns'] * units['balanced_rows']:.0f} bytes a row",
        ),
        Limit("finding duplicates: one process holds 16 bytes a row", MEMORY / 16, f"{bytes_text(MEMORY)}"),
    ]
    return sorted(found, key=lambda limit: limit.rows)


def steps(measured: dict[str, Any], rows: int) -> dict[str, float]:
    """Return CPU seconds of each step for so many rows; of trees, by rows × log rows."""
    run, units = measured["runs"][-1], measured["units"]
    mapped = {step: run["cpu"][step] / run["rows"] * rows for step in (*MAPPED, "find duplicates")}
    balanced = units["balanced_rows"] * rows
    growth = balanced * math.log2(balanced) / (units["tree_rows"] * math.log2(units["tree_rows"]))
    return {
        **mapped,
        "learn scores": units["learn_scores_cpu"] * rows,
        f"grow {TREES} trees": TREES * units["tree_cpu"] * growth,
    }


def service_cpu() -> float:
    """Return the CPU seconds of a request, 32 at once, as the page of the serving benchmark has them."""
    text = (FOLDER.parent / "serving/README.md").read_text(encoding="utf-8")
    found = re.search(r"^\| the service \| 32 \|.* ([0-9.]+) µs \|$", text, re.MULTILINE)
    if found is None:
        raise ValueError("benchmarks/serving/README.md has no CPU per request of the service, 32 at once")
    return float(found[1]) * 1e-6


def page(measured: dict[str, Any]) -> str:
    """Return docs/scale.md."""
    units, run = measured["units"], measured["runs"][-1]
    training = steps(measured, ROWS)
    serial = {"find duplicates", "learn scores"}
    rows = [
        (
            step,
            f"{seconds / ROWS * 1e6:.1f} µs" if "trees" not in step else "rows × log rows",
            f"{seconds / 3600:,.1f}",
            f"{seconds / 3600 * PRICE:,.2f} $",
            f"{seconds / 3600 / (1 if step in serial else CORES):,.2f} h",
        )
        for step, seconds in training.items()
    ]
    total = sum(training.values())
    shipping = ROWS * units["shipped_bytes"] / NETWORK
    broken = [(each.step, f"{each.rows / 1e6:,.0f} million", each.of) for each in limits(units)]
    a_second, cpu = REQUESTS / 86_400, service_cpu()
    cores = math.ceil(a_second * PEAK * cpu)
    a_request = {
        "answering, one ad a request": cpu,
        "`production_predictions`: typing": run["cpu"]["clean"] / run["rows"],
        "`production_profile`": run["cpu"]["profile"] / run["rows"],
    }
    days = [
        (name, f"{each * 1e6:.1f} µs", f"{REQUESTS * each / 3600:,.1f}", f"{REQUESTS * each / 3600 * PRICE:,.2f} $")
        for name, each in a_request.items()
    ]
    return f"""# How far it goes

Computed by `python -m benchmarks.scale.projection` from what [benchmarks/scale](../benchmarks/scale/README.md) has
measured on {run["rows"]:,} synthetic ads of `istanbul`; nothing here was run at this size. Stated: {PRICE} $ for a core
and an hour, {CORES} cores, {bytes_text(MEMORY)} of memory for the code location, {bytes_text(WORKER_MEMORY)} for a
worker, {bytes_text(NETWORK)}/s of network.

## A training on {ROWS:,} rows

{table(("step", "CPU a row", "core-hours", "cost", f"time on {CORES} cores"), rows)}

Together {total / 3600:,.0f} core-hours, {total / 3600 * PRICE:,.0f} $. Finding duplicates among hashes and learning
scores run in one process. To send the rows from it to workers takes {shipping / 60:,.0f} minutes each time
({units["shipped_bytes"]:.0f} bytes a row), and there are four steps that do.

What breaks first, by the rows at which it needs more than there is:

{table(("step", "rows", "of"), broken)}

So a billion rows need a change first where this table begins: a forest that is grown on a sample, then raw and crossed
listings as files that workers read and write, in place of frames that one process holds. What is computed of a shard
stays as it is. The forest's row counts the columns dense; above 4 GiB they stay sparse, which takes less memory and
several times as long.

## {REQUESTS:,} requests a day

{table(("", "CPU a request", "core-hours a day", "cost a day"), days)}

{a_second:,.0f} requests a second on average, {a_second * PEAK:,.0f} in the busiest second ({PEAK:g} times as many):
{cores} cores that answer, without headroom. Days are profiled page by page, so that memory does not grow with them.
The prediction store was not measured at this rate: {REQUESTS:,} rows a day in one PostgreSQL table are what is expected
to break first.
"""


def main() -> None:
    """Write docs/scale.md."""
    PAGE.write_text(page(json.loads(MEASURED.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
