"""Evidently's ``DataDriftPreset`` with its defaults, in the environment that ``peer_environment`` makes.

``python -m benchmarks.drift.peer FOLDER FIRST STEP`` judges every STEP-th window of a folder, from FIRST on, and prints
what it said of each as JSON.
"""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset

from benchmarks.drift.files import INDEX, NUMBERS, PREDICTED, PRICE, REFERENCE_FRAME, TEXTS, WINDOW_FRAME
from benchmarks.measure import Work

warnings.simplefilter("ignore")  # of its own statistics, by the thousand

CATEGORICAL = [*TEXTS, PREDICTED]
WARM_UP_ROWS = 500


def as_objects(folder: Path) -> Work:
    """Report on frames whose texts are Python objects."""
    return _work(*(_with_objects(_read(folder / name, NUMBERS)) for name in (REFERENCE_FRAME, WINDOW_FRAME)))


def as_categories(folder: Path) -> Work:
    """Report on frames whose texts are categories, as the platform keeps them."""
    return _work(*(_read(folder / name, NUMBERS) for name in (REFERENCE_FRAME, WINDOW_FRAME)))


def report_on(reference: pd.DataFrame, window: pd.DataFrame) -> Any:
    """Run the preset on all columns.

    Columns are declared: left to guess, it takes texts for prose where more than half of the values are distinct.
    """
    numbers = [name for name in reference if name not in CATEGORICAL]
    columns = DataDefinition(numerical_columns=numbers, categorical_columns=CATEGORICAL)
    current, known = (Dataset.from_pandas(frame, columns) for frame in (window, reference))
    return Report([DataDriftPreset()]).run(current_data=current, reference_data=known)


def verdict_of(snapshot: Any) -> dict[str, Any]:
    """Return whether a report's share of drifted columns reaches its ``drift_share``, and which columns those are.

    Raises
    ------
    ValueError
        If its count of drifted columns is another.
    """
    counted, *by_column = snapshot.dict()["metrics"]
    drifted = [one["config"]["column"] for one in by_column if _is_drifted(one["value"], **one["config"])]
    if len(drifted) != counted["value"]["count"]:
        raise ValueError(f"{len(drifted)} columns are beyond their threshold, Evidently counts {counted['value']}")
    methods = sorted({one["config"]["method"] for one in by_column})
    drift = counted["value"]["share"] >= counted["config"]["drift_share"]
    return {"drift": drift, "columns": drifted, "methods": methods}


def judge_windows(folder: Path, first: int, step: int) -> dict[str, Any]:
    """Judge windows, and return what was said by their names.

    Where prices are known they are a column more.
    """
    judged = {}
    for name, has_prices in json.loads((folder / INDEX).read_text())[first::step]:
        numbers = (*NUMBERS, PRICE) if has_prices else NUMBERS
        paths = (folder / REFERENCE_FRAME, folder / f"{name}.pickle")
        judged[name] = verdict_of(report_on(*(_with_objects(_read(path, numbers)) for path in paths)))
    return judged


def _work(reference: pd.DataFrame, window: pd.DataFrame) -> Work:
    def run() -> tuple[Any, str, str]:
        snapshot = report_on(reference, window)
        return snapshot, snapshot.json(), snapshot.get_html_str(as_iframe=False)

    def outcome(made: tuple[Any, str, str]) -> dict[str, Any]:
        return {"page_bytes": len(made[2].encode()), **verdict_of(made[0])}

    report_on(reference[:WARM_UP_ROWS], window[:WARM_UP_ROWS]).get_html_str(as_iframe=False)
    return Work(run, outcome)


def _is_drifted(value: float, method: str, threshold: float, **_: Any) -> bool:
    """Hold a value against its threshold: up to 1,000 values in the reference it is a p value, beyond a distance."""
    return value < threshold if "p_value" in method else value >= threshold


def _read(path: Path, numbers: Sequence[str]) -> pd.DataFrame:
    frame: pd.DataFrame = pd.read_pickle(path)
    return frame[[*CATEGORICAL, *numbers]]


def _with_objects(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{name: frame[name].astype(object) for name in CATEGORICAL})


if __name__ == "__main__":
    print(json.dumps(judge_windows(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
