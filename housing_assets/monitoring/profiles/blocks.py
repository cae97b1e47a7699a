"""Counts by block of requests: how much less rows say that come in clusters than as many independent ones.

An agency sends the ads of its own area, so that ten rows tell as much of the mix of areas as one. Rows
are put into a fixed number of groups by who sent them, and by when where nobody says who; how far the groups lie apart
tells how far the day could lie from the reference by chance. Counts of groups add up, so that profiles still merge
exactly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.declaration import FEATURE_NUMBERS, TEXTS
from housing_assets.inference.hashing import hash_texts
from housing_assets.inference.market import Market
from housing_assets.monitoring.profiles.refused import ProfileRefused

if TYPE_CHECKING:
    import pandas as pd

N_GROUPS = 32
"""Groups: a variance between them is then sure to a quarter in each direction, and more so in all of them together."""

MERGED = (1, 2, 4, 8)
"""Neighbouring groups that are also taken as one: what comes for hours is longer than a 32nd of the day."""

N_CELLS = 16
"""Cells that the values of a column are counted in; one more is of missing ones."""

FEED_ROWS = 1_000
"""Rows of one key in a day from which on it is a feed of many homes, and not a client with its own: no agency has as
many ads in a day. They are parted by time, as rows without a key are."""

PREDICTIONS = "predictions"
"""Stands for a column of the predicted categories."""


@dataclass(frozen=True, eq=False)
class BlockCounts:
    """A mergeable summary of how rows vary between groups of requests.

    Attributes
    ----------
    columns : mapping of str to ndarray of shape (N_GROUPS, n_cells), int64
        Rows by group and cell. Cells of a number are runs of its bins, those of a text hashes of its values.
    ordered : frozenset of str
        Columns whose cells but the last are in the order of the values.
    """

    columns: Mapping[str, np.ndarray]
    ordered: frozenset[str]

    @classmethod
    def of(
        cls,
        market: Market,
        listings: "pd.DataFrame",
        predicted: np.ndarray,
        n_categories: int,
        groups: np.ndarray,
        edges: Mapping[str, np.ndarray],
    ) -> Self:
        """Count rows.

        Parameters
        ----------
        market : Market
        listings : DataFrame of shape (n_rows, n_values)
            Typed.
        predicted : ndarray of shape (n_rows,), int
            Index of the predicted category, -1 where there is none.
        n_categories : int
        groups : ndarray of shape (n_rows,), int
            As ``group_requests`` returns them.
        edges : mapping of str to ndarray
            Where the bins of each number begin.
        """
        columns, ordered = {}, set()
        for value in market.values(*FEATURE_NUMBERS, *TEXTS):
            if value.name not in listings:
                continue
            if value.is_text:
                cells = _text_cells(listings[value.name], value.name)
            else:
                cells = _number_cells(listings[value.name].to_numpy(np.float64), edges[value.name])
                ordered.add(value.name)
            columns[value.name] = count_groups(groups, cells, N_CELLS + 1)
        columns[PREDICTIONS] = count_groups(groups, predicted + 1, n_categories + 1)
        return cls(columns, frozenset(ordered))

    def merge(self, other: Self) -> Self:
        """Return the summary of both, which are of the same columns."""
        return type(self)({name: one + other.columns[name] for name, one in self.columns.items()}, self.ordered)

    @property
    def effective_groups(self) -> float:
        """Number of equally large groups whose rows would come as unevenly (Σ n)² / Σ n²; 0 of no rows."""
        rows = self.columns[PREDICTIONS].sum(axis=1).astype(np.float64)
        return float(rows.sum() ** 2 / (rows @ rows)) if rows.any() else 0.0

    def design_effect(self, name: str) -> float:
        """Return how many rows of a column tell as much as one independent row; 1 at least."""
        return design_effect(self.columns[name], ordered=name in self.ordered)

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "columns": {name: counts.ravel().tolist() for name, counts in self.columns.items()},
            "ordered": sorted(self.ordered),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        flat = {name: np.array(counts, dtype=np.int64) for name, counts in stored["columns"].items()}
        columns = {name: counts.reshape(N_GROUPS, -1) for name, counts in flat.items()}
        return cls(columns, frozenset(stored["ordered"]))


def design_effect(counts: np.ndarray, *, ordered: bool = False) -> float:
    """Return how many rows tell as much as one independent row; 1 at least.

    It is the mean generalized design effect of Rao & Scott (1981, "The analysis of categorical data from complex sample
    surveys"), the variance of the cells' shares over that of a multinomial, and of ordered cells also that of their
    cumulative shares. Variances are those between groups (ultimate clusters, Hansen, Hurwitz & Madow 1953), linearized
    because groups are of different sizes. The largest of what ``MERGED`` gives is taken.

    Parameters
    ----------
    counts : ndarray of shape (N_GROUPS, n_cells), int64
        Rows by group and cell.
    ordered : bool
        Whether the cells but the last are in the order of their values.
    """
    found = [1.0]
    for merged in MERGED:
        table = counts.reshape(-1, merged, counts.shape[1]).sum(axis=1).astype(np.float64)
        found.append(_mean_effect(table))
        if ordered:
            found.append(_cumulative_effect(table[:, :-1]))
    return max(found)


def group_requests(keys: "Iterable[pd.Series]") -> np.ndarray:
    """Return the group of each request of a day: those of one client have the same.

    Parameters
    ----------
    keys : iterable of Series
        Request keys of a day's rows in the order of their time, frame by frame; null where nobody was named.

    Returns
    -------
    groups : ndarray of shape (n_rows,), int64
        From 0 to ``N_GROUPS`` - 1. Rows of a key that has more than one, and fewer than ``FEED_ROWS``, have that of
        its hash; all others that of the stretch of the day, by number of rows, that they lie in.
    """
    import pandas as pd

    named = pd.Categorical(pd.concat([each.astype(object) for each in keys], ignore_index=True))
    rows = len(named)
    stretches = np.arange(rows) * N_GROUPS // max(rows, 1)
    many = np.bincount(named.codes.astype(np.int64) + 1, minlength=len(named.categories) + 1)[1:]
    client = np.append(
        (many > 1) & (many < FEED_ROWS), False
    )  # the last is taken by the code -1, of rows without a key
    hashed = np.append(hash_texts("request_key", map(str, named.categories)) % N_GROUPS, 0)
    return np.where(client[named.codes], hashed[named.codes], stretches).astype(np.int64)


def require_blocks(one: BlockCounts | None, other: BlockCounts | None) -> None:
    """Refuse to put together profiles of which only one knows its blocks.

    Raises
    ------
    ProfileRefused
    """
    if (one is None) != (other is None):
        raise ProfileRefused("only one of the profiles knows which requests came together")


def count_groups(groups: np.ndarray, cells: np.ndarray, n_cells: int) -> np.ndarray:
    """Count rows by group and cell: int64 of shape (N_GROUPS, n_cells)."""
    return np.bincount(groups * n_cells + cells, minlength=N_GROUPS * n_cells).reshape(N_GROUPS, n_cells)


def _number_cells(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, numbers, side="right")
    return np.where(np.isnan(numbers), N_CELLS, bins * N_CELLS // (len(edges) + 1))


def _text_cells(texts: "pd.Series", name: str) -> np.ndarray:
    import pandas as pd

    coded = pd.Categorical(texts)
    hashed = hash_texts(name, map(str, coded.categories)) % N_CELLS
    return np.append(hashed, N_CELLS)[coded.codes]  # the last is taken by the code -1, of missing ones


def _residuals(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return the cells' shares, the groups' deviations from them, the rows, and the factor for so few groups."""
    table = table[table.sum(axis=1) > 0]
    of_group, rows, n_groups = table.sum(axis=1), float(table.sum()), len(table)
    if n_groups < 2:
        return np.zeros(0), np.zeros((0, 0)), rows, 0.0
    shares = table.sum(axis=0) / rows
    return shares, table - np.outer(of_group, shares), rows, n_groups / (n_groups - 1)


def _mean_effect(table: np.ndarray) -> float:
    shares, residuals, rows, few = _residuals(table)
    filled = shares > 0
    if np.count_nonzero(filled) < 2:
        return 1.0
    spread = (residuals[:, filled] ** 2).sum(axis=0) / shares[filled]
    return float(few * spread.sum() / (rows * (np.count_nonzero(filled) - 1)))


def _cumulative_effect(table: np.ndarray) -> float:
    shares, residuals, rows, few = _residuals(table)
    below = np.cumsum(shares)
    chance = float((below * (1 - below)).sum())
    if len(shares) < 2 or chance < 1e-9:
        return 1.0
    return float(few * (np.cumsum(residuals, axis=1) ** 2).sum() / (rows * chance))
