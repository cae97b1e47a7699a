"""The library crepes on the same estimates, in the environment that ``peer_environment`` makes."""

from pathlib import Path

import numpy as np

from benchmarks.estimates.files import CONFORMAL, INTERVALS
from benchmarks.measure import Work

COVERAGES = {50: (1, 2), 80: (5, 6)}
"""Columns of an estimate's ends."""


def intervals(folder: Path) -> Work:
    """Calibrate and find intervals: by everything at once, and by zip code (Mondrian), both in widths of our leaves."""
    from crepes import ConformalRegressor

    given = dict(np.load(folder / INTERVALS))

    def run() -> dict[str, np.ndarray]:
        found = {}
        for coverage, ends in COVERAGES.items():
            (error, width), (_, asked) = (_parts(given, name, ends) for name in ("calibrate", "judge"))
            centre = given["judge_plain"][:, 0]
            share = coverage / 100
            one = ConformalRegressor().fit(error, sigmas=width)
            found[f"all_{coverage}"] = one.predict_int(centre, sigmas=asked, confidence=share)
            by_zip = ConformalRegressor().fit(error, sigmas=width, bins=given["calibrate_zip"])
            found[f"zip_{coverage}"] = by_zip.predict_int(
                centre, sigmas=asked, bins=given["judge_zip"], confidence=share
            )
        return found

    def outcome(found: dict[str, np.ndarray]) -> dict[str, int]:
        np.savez(folder / CONFORMAL, **found)
        return {"rows": len(found["all_80"])}

    return Work(run, outcome)


def _parts(given: dict[str, np.ndarray], name: str, ends: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return errors of the estimates, and half the widths of the leaves' intervals, as logs."""
    estimates = given[f"{name}_plain"]
    low, high = (estimates[:, end] for end in ends)
    return given[f"{name}_price"] - estimates[:, 0], (high - low) / 2
