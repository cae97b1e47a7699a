"""The platform's contributions of encoded columns, exact ones and those of paths."""

from pathlib import Path

import numpy as np

from benchmarks.explanations.files import COLUMNS, OURS, PATH, ROWS
from benchmarks.measure import Work
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.shapley import add_path_contributions, add_shapley_values, find_depth, find_node_values


def exact(folder: Path) -> Work:
    """Find Shapley values."""
    return _work(folder, OURS, exactly=True)


def path(folder: Path) -> Work:
    """Find what each step down the trees changes."""
    return _work(folder, PATH, exactly=False)


def _work(folder: Path, written: str, *, exactly: bool) -> Work:
    forest = FlatForest.load(folder)
    if forest.covers is None:
        raise ValueError("the forest has no covers")
    slots = np.searchsorted(np.load(folder / COLUMNS), forest.columns)
    rows = np.load(folder / ROWS)
    covers = np.empty(len(forest.nodes), np.float32)
    values = np.empty((len(forest.nodes), forest.n_classes), np.float32)
    leaves = forest.distributions[forest.nodes["left"][forest.nodes["feature"] < 0]]
    find_node_values(forest.nodes, forest.covers, leaves, covers, values)
    depth = find_depth(forest.nodes)

    def explain(row: np.ndarray, roots: np.ndarray) -> np.ndarray:
        summed = np.zeros((len(forest.columns), forest.n_classes))
        used = np.ascontiguousarray(row[slots])
        if exactly:
            add_shapley_values(used, roots, forest.nodes, covers, values, depth, summed)
        else:
            add_path_contributions(used, roots, forest.nodes, values, summed)
        found = np.zeros((rows.shape[1], forest.n_classes))
        found[slots] = summed / len(roots)
        return found

    explain(rows[0], forest.roots[:1])

    def outcome(found: list[np.ndarray]) -> dict[str, int]:
        np.save(folder / written, np.array(found))
        return {"rows": len(found)}

    return Work(lambda: [explain(row, forest.roots) for row in rows], outcome)
