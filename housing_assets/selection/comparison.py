"""Compares families of classifiers on the same folds, and names the one that earns it.

The rule: the best mean macro-F1 over the grouped folds leads. Of those that it beats by no more than noise, that is,
whose paired 95 % interval of the difference to it holds 0, the one that answers a single row cheapest wins; where
several are as cheap, within what timings differ by from one run to the next, the better one of them.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.selection.families import FAMILIES, REFERENCE, Classifier, Family, Setting, Settings
from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.training.promotion import compare_predicted

if TYPE_CHECKING:
    import pandas as pd

FILE = "model_comparison.json"

ALONE_ROWS = 100
"""Rows that are answered one by one to time it: the median of as many is steady to a few percent."""


SAME_COST = 1.25
"""Up to this multiple of the cheapest, an answer is as cheap: timings on a busy machine differ by as much."""


@dataclass(frozen=True)
class Difference:
    """Macro-F1 minus another's on the same rows, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Figures:
    """What the folds say of a family.

    Attributes
    ----------
    family : str
    served : bool
        Whether an artifact can hold it.
    settings : mapping of str to str, int or float
    size : int
        Trees or rounds.
    scores : list of float
        Macro-F1 of each grouped fold.
    against_reference, against_best : Difference
        On the rows of all grouped folds together: to the random forest, and to the best mean.
    fit_seconds : float
        Mean of the folds.
    batch_us, alone_us : float
        Microseconds to answer an encoded row: of a whole fold at once, and one by one.
    newest : float or None
        Macro-F1 of the out-of-time fold; None where it was not judged.
    newest_against_reference : Difference or None
    """

    family: str
    served: bool
    settings: Mapping[str, Setting]
    size: int
    scores: list[float]
    against_reference: Difference
    against_best: Difference
    fit_seconds: float
    batch_us: float
    alone_us: float
    newest: float | None = None
    newest_against_reference: Difference | None = None

    @property
    def mean(self) -> float:
        """Mean macro-F1 of the grouped folds."""
        return float(np.mean(self.scores))

    @property
    def spread(self) -> float:
        """Standard deviation of the grouped folds' macro-F1."""
        return float(np.std(self.scores, ddof=1))


@dataclass(frozen=True)
class ModelComparison:
    """Families of classifiers on the same folds.

    Attributes
    ----------
    figures : tuple of Figures
    rows : int
        Listings in the grouped folds.
    newest_rows : int
        Listings in the out-of-time fold; 0 where it was not judged.
    reason : str
        Why it was not; empty if it was.
    tuned : bool
        Whether settings were searched for on older ones of the listings in the grouped folds.
    """

    figures: tuple[Figures, ...]
    rows: int
    newest_rows: int
    reason: str = ""
    tuned: bool = False

    @property
    def winner(self) -> Figures:
        """The family that wins by the rule, whether it can be served or not."""
        return win(self.figures)

    @property
    def choice(self) -> Figures | None:
        """The family that can be served and beats the random forest by more than noise, the best of them."""
        better = [one for one in self.figures if one.served and one.against_reference.low > 0]
        return max(better, key=lambda one: one.mean, default=None)

    @property
    def finding(self) -> str:
        """What follows, in a few sentences."""
        return f"{self._caveat}{self._verdict}"

    @property
    def _caveat(self) -> str:
        if not self.tuned:
            return ""
        late = "the newest listings have chosen none" if self.newest_rows else "no other listings judge them"
        return f"Settings were chosen on listings of these folds, which intervals do not count; {late}. "

    @property
    def _verdict(self) -> str:
        chosen, winner = self.choice, self.winner
        told = f"{winner.family} wins: macro-F1 {winner.mean:.4f}"
        if chosen is not None:
            by = chosen.against_reference
            return (
                f"{told}. {chosen.family} beats the random forest by {by.value:.4f} ({by.low:.4f} to {by.high:.4f}) "
                f"and can be served: price_forest's config {json.dumps({**chosen.settings, 'n_trees': chosen.size})}"
            )
        better = [one for one in self.figures if one.against_reference.low > 0]
        if better:
            best = max(better, key=lambda one: one.mean)
            by = best.against_reference
            return (
                f"{told}. {best.family} beats the random forest by {by.value:.4f} ({by.low:.4f} to {by.high:.4f}), "
                "but no artifact can hold it: the random forest stays"
            )
        return f"{told}. Nothing beats the random forest by more than noise: it stays"

    def table(self) -> "pd.DataFrame":
        """Return a row for each family, the best mean first."""
        import pandas as pd

        rows = [
            {
                "family": one.family,
                "macro_f1": one.mean,
                "spread": one.spread,
                "against_forest": one.against_reference.value,
                "low": one.against_reference.low,
                "high": one.against_reference.high,
                "out_of_time": one.newest,
                "out_of_time_against_forest": _value(one.newest_against_reference, "value"),
                "out_of_time_low": _value(one.newest_against_reference, "low"),
                "out_of_time_high": _value(one.newest_against_reference, "high"),
                "fit_seconds": one.fit_seconds,
                "batch_us": one.batch_us,
                "alone_us": one.alone_us,
                "served": one.served,
                "settings": json.dumps({**one.settings, "size": one.size}),
            }
            for one in sorted(self.figures, key=lambda one: -one.mean)
        ]
        return pd.DataFrame(rows)

    def save(self, folder: Path) -> None:
        """Write ``model_comparison.json`` to a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(**{**stored, "figures": tuple(_figures(one) for one in stored["figures"])})


@dataclass(frozen=True)
class Entrant:
    """A family with the settings and the size by which it is compared, and the threads that fit it."""

    family: Family
    settings: Settings
    size: int
    n_jobs: int = 1


@dataclass
class _Answers:
    """What an entrant has answered so far."""

    scores: list[float] = field(default_factory=list)
    predicted: list[np.ndarray] = field(default_factory=list)
    fit_seconds: list[float] = field(default_factory=list)
    batch_us: list[float] = field(default_factory=list)
    alone_us: float = 0.0


def compare_families(
    entrants: Sequence[Entrant],
    folds: Iterable[JudgedFold],
    newest: JudgedFold | str,
    *,
    tuned: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> ModelComparison:
    """Fit and judge each entrant on each fold.

    Parameters
    ----------
    entrants : sequence of Entrant
        The random forest among them.
    folds : iterable of JudgedFold
        Grouped folds, read one after the other.
    newest : JudgedFold or str
        The out-of-time fold, or why there is none.
    tuned : bool
        Whether the entrants' settings were searched for on listings of the grouped folds.
    report : callable
        Called with a line after each fit.

    Raises
    ------
    ValueError
        If the random forest is not among the entrants.
    """
    names = [entrant.family.name for entrant in entrants]
    if REFERENCE not in names:
        raise ValueError(f"{', '.join(names)} are compared with {REFERENCE}, which is not among them")
    answers = {name: _Answers() for name in names}
    truths: list[np.ndarray] = []
    n_classes = 0
    for number, fold in enumerate(folds, 1):
        truths.append(fold.y)
        n_classes = fold.training.n_classes
        for entrant in entrants:
            score = _judge(entrant, fold, answers[entrant.family.name], time_alone=number == 1)
            report(f"fold {number}, {entrant.family.name}: macro-F1 {score:.4f}")
    of_newest = {name: _Answers() for name in names}
    if not isinstance(newest, str):
        for entrant in entrants:
            score = _judge(entrant, newest, of_newest[entrant.family.name], time_alone=False)
            report(f"out of time, {entrant.family.name}: macro-F1 {score:.4f}")
    y, best = np.concatenate(truths), max(names, key=lambda name: float(np.mean(answers[name].scores)))
    return ModelComparison(
        tuple(_figures_of(entrant, y, answers, best, newest, of_newest, n_classes) for entrant in entrants),
        rows=len(y),
        newest_rows=0 if isinstance(newest, str) else len(newest.y),
        reason=newest if isinstance(newest, str) else "",
        tuned=tuned,
    )


def win(figures: Sequence[Figures]) -> Figures:
    """Return the family that wins: of those that are as good as the best within noise, the cheapest to ask alone."""
    best = max(figures, key=lambda one: one.mean)
    as_good = [one for one in figures if one is best or one.against_best.is_noise]
    cheapest = min(one.alone_us for one in as_good)
    return max((one for one in as_good if one.alone_us <= SAME_COST * cheapest), key=lambda one: one.mean)


def entrants_of(
    names: Sequence[str], settings: Mapping[str, Settings], sizes: Mapping[str, int], n_jobs: int
) -> list[Entrant]:
    """Return families by their names, each with its best found settings, or else its default ones."""
    return [
        Entrant(family, settings.get(name, family.default), sizes.get(name, family.size), n_jobs)
        for name, family in FAMILIES.items()
        if name in names
    ]


def _judge(entrant: Entrant, fold: JudgedFold, answers: _Answers, *, time_alone: bool) -> float:
    started = time.perf_counter()
    fitted = entrant.family.fit(fold.training, entrant.settings, entrant.size, entrant.n_jobs)
    answers.fit_seconds.append(time.perf_counter() - started)
    fitted.predict_proba(fold.X[:1])  # what is compiled at the first call is no part of an answer's cost
    started = time.perf_counter()
    probabilities = fitted.predict_proba(fold.X)
    answers.batch_us.append((time.perf_counter() - started) / len(fold.y) * 1e6)
    if time_alone:
        answers.alone_us = _microseconds_alone(fitted, fold)
    predicted = probabilities.argmax(axis=1)
    answers.predicted.append(predicted)
    score = macro_f1(count_confusion(fold.y, predicted, fold.training.n_classes))
    answers.scores.append(float(score))
    return float(score)


def _microseconds_alone(fitted: Classifier, fold: JudgedFold) -> float:
    seconds = []
    for position in range(min(ALONE_ROWS, len(fold.y))):
        row = fold.X[position : position + 1]
        started = time.perf_counter()
        fitted.predict_proba(row)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)) * 1e6


def _figures_of(
    entrant: Entrant,
    y: np.ndarray,
    answers: Mapping[str, _Answers],
    best: str,
    newest: JudgedFold | str,
    of_newest: Mapping[str, _Answers],
    n_classes: int,
) -> Figures:
    name = entrant.family.name
    own, late = answers[name], of_newest[name]
    judged = not isinstance(newest, str)
    return Figures(
        family=name,
        served=entrant.family.served,
        settings=dict(entrant.settings),
        size=entrant.size,
        scores=own.scores,
        against_reference=_difference(y, own, answers[REFERENCE], n_classes),
        against_best=_difference(y, own, answers[best], n_classes),
        fit_seconds=float(np.mean(own.fit_seconds)),
        batch_us=float(np.mean(own.batch_us)),
        alone_us=own.alone_us,
        newest=late.scores[0] if judged else None,
        newest_against_reference=None
        if isinstance(newest, str)
        else _difference(newest.y, late, of_newest[REFERENCE], n_classes),
    )


def _difference(y: np.ndarray, one: _Answers, other: _Answers, n_classes: int) -> Difference:
    mine, others = np.concatenate(one.predicted), np.concatenate(other.predicted)
    found = compare_predicted(y, mine, others, n_classes)
    return Difference(found.difference, found.low, found.high)


def _value(difference: Difference | None, name: str) -> float | None:
    return None if difference is None else float(getattr(difference, name))


def _figures(stored: dict[str, object]) -> Figures:
    differences = ("against_reference", "against_best", "newest_against_reference")
    read = {name: Difference(**value) for name in differences if isinstance(value := stored[name], dict)}
    return Figures(**{**stored, **read})  # type: ignore[arg-type]
