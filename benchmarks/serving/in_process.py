"""Times the model in this process, without a server: ``python -m benchmarks.serving.in_process FOLDER``.

Prints JSON: seconds to load the artifact, and the median and 99th percentile of the seconds from the raw texts of an
ad to its probabilities. Each ad that is timed is new to the process.
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.serving.files import ARTIFACT, read_requests
from housing_assets.inference.artifact import ModelArtifact

N_LOADS = 5
WARM_UP_SHARE = 0.2
"""Of the ads: what a service has seen a minute after its start."""


def time_model(folder: Path) -> dict[str, float]:
    """Load the artifact, and predict ads one by one."""
    ModelArtifact.load(folder / ARTIFACT)  # compiles, or reads what numba has compiled
    loads = []
    for _ in range(N_LOADS):
        started = time.perf_counter()
        artifact = ModelArtifact.load(folder / ARTIFACT)
        loads.append(time.perf_counter() - started)
    ads = read_requests(folder)
    n_warm_up = int(len(ads) * WARM_UP_SHARE)
    for cells in ads[:n_warm_up]:
        artifact.predict_one(cells)
    gc.collect()
    gc.freeze()
    seconds = np.empty(len(ads) - n_warm_up)
    for row, cells in enumerate(ads[n_warm_up:]):
        started = time.perf_counter()
        artifact.predict_one(cells)
        seconds[row] = time.perf_counter() - started
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"load": float(np.median(loads)), "p50": float(p50), "p99": float(p99)}


if __name__ == "__main__":
    print(json.dumps(time_model(Path(sys.argv[1]))))
