"""The settings of the forest that a sweep has found, as training reads them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

FILE = "best_params.json"


@dataclass(frozen=True)
class BestParams:
    """What a sweep has found.

    Attributes
    ----------
    parameters : mapping of str to str, int or float
        Settings to grow the forest with; empty where the defaults stay, as nothing was searched for, or nothing found
        that beats them by more than noise.
    found : mapping of str to str, int or float
        The best setting of the sweep, whether it is used or not.
    study : str
        Which sweep it was, empty if there was none.
    score, default_score : float
        Mean macro-F1 of the folds, of the best setting and of the default one.
    difference, low, high : float
        Best minus default on the rows of all folds together, and its interval.
    finished, pruned, failed : int
        Trials that were judged on all folds, that were given up early, and that were broken off.
    seconds : float
        That the trials took, those of broken-off processes among them.
    """

    parameters: Mapping[str, str | int | float] = field(default_factory=dict)
    found: Mapping[str, str | int | float] = field(default_factory=dict)
    study: str = ""
    score: float = 0.0
    default_score: float = 0.0
    difference: float = 0.0
    low: float = 0.0
    high: float = 0.0
    finished: int = 0
    pruned: int = 0
    failed: int = 0
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write ``best_params.json`` to a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls(**json.loads((folder / FILE).read_text(encoding="utf-8")))
