"""Measures the mapped steps in this process and on one and two workers: ``python -m benchmarks.scale [ROWS ...]``.

Writes measured.json, README.md and, from them, docs/scale.md. Sizes are 2,000,000 and 10,000,000 unless they are given.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.report import bytes_text, machine, table, verdict, write_section
from benchmarks.scale.cluster import running_cluster
from benchmarks.scale.pipeline import SHARD_ROWS, STEPS, Outcome, run
from benchmarks.scale.projection import FOLDER, MEASURED, main
from benchmarks.scale.units import measure_units
from housing_assets.inference.artifact import ModelArtifact
from resources.compute.dask_engine import DaskEngine
from resources.compute.engines import LocalEngine

SIZES = (2_000_000, 10_000_000)
MODEL_ROWS = 10_000


def measure(model: ModelArtifact, rows: int, workers: int) -> Outcome:
    """Measure one size on so many workers of a cluster; on none, in this process."""
    if not workers:
        return run(LocalEngine(SHARD_ROWS), model, rows)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_cluster(Path(folder), workers) as cluster,
        DaskEngine(cluster.address, cluster.certificates, SHARD_ROWS, print) as engine,
    ):
        return run(engine, model, rows)


def section(runs: list[dict[str, Any]]) -> str:
    """Return the table of README.md."""
    first = {run["rows"]: run for run in reversed(runs)}
    shown = [
        (
            f"{run['rows']:,}",
            str(run["workers"]) if run["workers"] else "this process",
            f"{run['seconds']:.0f} s",
            *(f"{run['cpu'][step]:.1f} s" for step in (*STEPS, "find duplicates")),
            bytes_text(max(run["peaks"])),
            verdict(run["digests"] == first[run["rows"]]["digests"]),
        )
        for run in runs
    ]
    header = ("rows", "workers", "wall clock", *STEPS, "find duplicates", "peak memory of a worker", "digests equal")
    return f"{table(header, shown)}\n\n{machine()} Steps in CPU seconds; shards of {SHARD_ROWS:,} rows."


def measure_all(sizes: list[int]) -> None:
    """Measure, and write after each run what there is."""
    model, units = measure_units(MODEL_ROWS)
    runs: list[dict[str, Any]] = []
    for rows in sizes:
        for workers in (0, 1, 2):
            runs.append({"rows": rows, "workers": workers, **asdict(measure(model, rows, workers))})
            MEASURED.write_text(json.dumps({"units": units, "runs": runs}, indent=1) + "\n", encoding="utf-8")
            write_section(FOLDER / "README.md", "scale", section(runs))
            main()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("rows", metavar="ROWS", nargs="*", type=int, default=list(SIZES), help="sizes to measure")
    measure_all(parser.parse_args().rows)
