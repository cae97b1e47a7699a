"""Out-of-time judgement: a forest grown on older listings and judged on the newest ones.

The holdout is drawn from all months, so that a forest which is judged on it has seen the market of its day. What a
version will be asked about lies ahead of all that it has seen; here that is played through, with everything that is
learned (scores, offered columns, forest) learned from listings of before. Several cuts one after the other are
rolling-origin folds (Tashman 2000).
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.features.clock import clock_months, market_clock
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.price_index_learning import PublishedIndex, learn_price_index
from housing_assets.features.split import HELD_OUT, group_keys, label_rows
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import EXTERNAL, PriceIndex
from housing_assets.listings.price_kinds import has_exact_price
from housing_assets.training.balancing import SMOTE_NEIGHBOURS
from housing_assets.training.estimate_learning import Priced, estimate_all, fill_leaves
from housing_assets.training.evaluation import evaluate
from housing_assets.training.forest import grow_at_once
from housing_assets.training.parameters import Balancing, ForestParameters
from housing_assets.training.strategies import balance
from housing_assets.training.time_folds import TimeFold, time_folds
from housing_assets.valuation import Valuations, filled, value_figures

if TYPE_CHECKING:
    import pandas as pd

FILE = "out_of_time.json"

FEWEST_JUDGED = 200
"""Newest listings to judge by; fewer say nothing of a few points of macro-F1."""

MAX_ROWS = 50_000
"""Older listings that are learned from by default: as many as are grown on within a minute."""

SCORE_FOLDS = 3
"""Folds of the out-of-fold scores at most: on real rows of two markets as good as five, in three fifths of the time."""

SHOWN = (
    *("macro_f1", "accuracy", "roc_auc_ovr", "log_loss", "calibration_error"),
    *("price_mdape", "price_within_10", "price_within_20", "price_median_bias", "price_mean_bias"),
)
"""Metrics of the newest fold that stand beside the holdout's; the folds' table has the others, too."""

PREFIX, ROLLING = "out_of_time_", "rolling_origin_"
"""Of the names of metrics: of the newest fold, and of all of them."""


@dataclass(frozen=True)
class FoldJudgement:
    """What one fold says.

    Attributes
    ----------
    first_day, last_day : str
        Of the judged listings.
    learned_rows, judged_rows : int
    metrics : dict of str to float
        See ``evaluation.evaluate``; where the market has prices, with those of ``valuation.value_figures``.
    confusion : list of list of int
        Judged listings by true and by predicted category.
    """

    first_day: str
    last_day: str
    learned_rows: int
    judged_rows: int
    metrics: dict[str, float]
    confusion: list[list[int]]


@dataclass(frozen=True)
class OutOfTime:
    """What the newest listings say of a forest that was grown on older ones.

    Attributes
    ----------
    folds : tuple of FoldJudgement
        The newest first; none where it cannot be judged.
    reason : str
        Why there are no folds, or not as many as were wanted; empty if there are.
    """

    folds: tuple[FoldJudgement, ...]
    reason: str = ""

    def metrics(self, holdout_counts: np.ndarray) -> dict[str, float]:
        """Return the metrics that stand beside those of the holdout; none where it was not judged.

        Parameters
        ----------
        holdout_counts : ndarray of shape (n_categories,)
            Held-out listings of each category.

        Returns
        -------
        metrics : dict of str to float
            ``SHOWN`` with the prefix ``out_of_time_``; ``out_of_time_rows``;
            ``out_of_time_macro_f1_at_mix``, the macro-F1 if categories were as common as on the holdout, which alone
            compares with the holdout's; with several folds ``rolling_origin_macro_f1_mean``, ``_std`` and ``_lowest``,
            at that mix, too.
        """
        if not self.folds:
            return {}
        newest = self.folds[0]
        at_mix = [macro_f1_at_mix(np.array(fold.confusion), holdout_counts) for fold in self.folds]
        metrics = {
            **{f"{PREFIX}{name}": newest.metrics[name] for name in SHOWN if name in newest.metrics},
            f"{PREFIX}rows": float(newest.judged_rows),
            f"{PREFIX}macro_f1_at_mix": at_mix[0],
        }
        if len(self.folds) > 1:
            metrics[f"{ROLLING}macro_f1_mean"] = float(np.mean(at_mix))
            metrics[f"{ROLLING}macro_f1_std"] = float(np.std(at_mix, ddof=1))
            metrics[f"{ROLLING}macro_f1_lowest"] = float(np.min(at_mix))
        return metrics

    def save(self, folder: Path) -> None:
        """Write ``out_of_time.json`` to a folder."""
        (folder / FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return cls(tuple(FoldJudgement(**fold) for fold in stored["folds"]), stored["reason"])


def macro_f1_at_mix(confusion: np.ndarray, counts: np.ndarray) -> float:
    """Return the macro-F1 that a confusion would have if its categories were as common as others are.

    Parameters
    ----------
    confusion : ndarray of shape (n_categories, n_categories)
        As ``count_confusion`` returns it; each category has rows.
    counts : ndarray of shape (n_categories,)
        Rows of each category in the other mix.
    """
    return float(macro_f1(confusion * (counts / confusion.sum(axis=1))[:, None]))


def folds_table(judged: OutOfTime) -> "pd.DataFrame":
    """Return a row for each fold: its days, its rows, and its metrics."""
    import pandas as pd

    told = ("first_day", "last_day", "learned_rows", "judged_rows")
    return pd.DataFrame([{name: getattr(fold, name) for name in told} | fold.metrics for fold in judged.folds])


def judge_out_of_time(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    parameters: ForestParameters,
    balancing: Balancing,
    *,
    share: float,
    n_folds: int = 1,
    max_rows: int = MAX_ROWS,
    published: PublishedIndex | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> OutOfTime:
    """Grow a forest on older listings and judge it on the newest, held out or not.

    Parameters
    ----------
    crossed : DataFrame of shape (n_rows, n_values)
        All listings.
    labels : LabelScheme
        Its bands are kept: of a later month, "high" still means the same amount.
    encoder : FittedEncoder
        With whose parameters, but ``SCORE_FOLDS`` folds at most, another is fitted.
    parameters : ForestParameters
    balancing : Balancing
    share : float
        Of the dated listings that are judged, the newest; 0 judges none.
    n_folds : int
        Rolling-origin folds.
    max_rows : int
        Older listings that are learned from at most, the newest of them.
    published : PublishedIndex, optional
        A published price index, of which each fold knows what was published by then.
    report : callable
        Called after each fold.
    """
    cuts = cut_by_time(encoder.market, crossed, share, n_folds)
    judged: list[FoldJudgement] = []
    reason = cuts.reason
    for number, fold in enumerate(cuts.folds, 1):
        past = encode_past(crossed, labels, encoder, fold, cuts.days, max_rows, published)
        if isinstance(past, str):
            reason = past
            break
        training = balance(past.encoded.X_train, past.encoded.y_train, past.older, past.encoded.encoder, balancing)
        judged.append(_judge(fold, grow_at_once(training, parameters), past))
        report(
            f"fold {number}/{len(cuts.folds)}, {judged[-1].judged_rows:,} listings of {fold.first_day} to "
            f"{fold.last_day}: macro-F1 {judged[-1].metrics['macro_f1']:.4f}"
        )
    return OutOfTime(tuple(judged), reason)


class Cuts(NamedTuple):
    """Folds by time, the days of all rows, and why there are not as many folds as were wanted; empty if there are."""

    folds: list[TimeFold]
    days: np.ndarray
    reason: str


class Past(NamedTuple):
    """A fold by time, encoded by what was learned from its older listings."""

    encoded: EncodedListings
    older: "pd.DataFrame"
    newer: "pd.DataFrame"


def cut_by_time(market: Market, crossed: "pd.DataFrame", share: float, n_folds: int) -> Cuts:
    """Return the folds by time of all listings, the newest first; see ``time_folds``."""
    undated = np.full(len(crossed), np.datetime64("NaT"), dtype="datetime64[D]")
    if not share:
        return Cuts([], undated, "it is switched off")
    clock = market_clock(market, crossed)
    if not clock:
        return Cuts([], undated, f"{market.name} has no clock, or no listing has a date")
    days = crossed[clock].to_numpy().astype("datetime64[D]")
    folds = time_folds(days, share, n_folds)
    lacking = "" if len(folds) == n_folds else f"the dates of {clock} allow for {len(folds)} of {n_folds} folds"
    return Cuts(folds, days, lacking)


def encode_past(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    fold: TimeFold,
    days: np.ndarray,
    max_rows: int = MAX_ROWS,
    published: PublishedIndex | None = None,
) -> Past | str:
    """Fit an encoder on the older listings of a fold and encode both sides; return what it has too little of, if so."""
    indices, groups = label_rows(encoder.market, labels, crossed), group_keys(encoder.market, crossed)
    # A home that is judged teaches nothing of itself.
    learn = _newest(fold.learn & ~np.isin(groups, groups[fold.judge]), days, max_rows)
    fault = _lacking(labels, encoder, indices[learn], groups[learn], indices[fold.judge])
    if fault:
        return f"from {fold.first_day} on {fault}"
    learner = ListingEncoder.like(encoder)
    learner.n_folds = min(learner.n_folds, SCORE_FOLDS)
    learner.index = _index_of_then(encoder, crossed[learn], published)
    rows = crossed.assign(**{HELD_OUT: fold.judge})[learn | fold.judge]
    encoded = EncodedListings.encode(rows, labels, learner)
    return Past(encoded, rows[~rows[HELD_OUT]], rows[rows[HELD_OUT]])


def _index_of_then(encoder: FittedEncoder, older: "pd.DataFrame", published: PublishedIndex | None) -> PriceIndex:
    market, replace = encoder.market, encoder.index.source == EXTERNAL
    amounts = has_exact_price(market, older) if market.has_price else None
    newest = np.nanmax(clock_months(older, market_clock(market, older)), initial=-np.inf)
    known = None if published is None else published.known_in(newest)
    return learn_price_index(market, older, amounts=amounts, published=known, replace=replace).index


def _judge(fold: TimeFold, forest: FlatForest, past: Past) -> FoldJudgement:
    encoded, older, newer = past
    truth, categories = encoded.y_holdout, encoded.labels.categories
    probabilities = forest.predict_proba(encoded.X_holdout)
    return FoldJudgement(
        first_day=str(fold.first_day),
        last_day=str(fold.last_day),
        learned_rows=len(older),
        judged_rows=len(newer),
        metrics=evaluate(truth, probabilities, categories) | _value(forest, encoded, older, newer),
        confusion=count_confusion(truth, probabilities.argmax(axis=1), len(categories)).tolist(),
    )


def _value(
    forest: FlatForest, encoded: EncodedListings, older: "pd.DataFrame", newer: "pd.DataFrame"
) -> dict[str, float]:
    """Return the figures of the estimates of newer prices by older ones; intervals need homes of their own to learn."""
    market = encoded.encoder.market
    if not market.has_price:
        return {}
    learned = Priced.of(market, encoded.X_train, older, encoded.known_log_prices_train)
    asked = Priced.of(market, encoded.X_holdout, newer, encoded.known_log_prices_holdout)
    if not len(learned) or not len(asked):
        return {}
    estimates = estimate_all(fill_leaves(forest, learned), forest, asked)
    return filled(value_figures(Valuations(asked.prices, estimates[:, 0])))


def _newest(chosen: np.ndarray, days: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the mask of the chosen rows, of more than ``n_rows`` that of the newest."""
    positions = np.flatnonzero(chosen)
    kept = positions[np.argsort(days[positions], kind="stable")[-n_rows:]]
    return np.isin(np.arange(len(chosen)), kept)


def _lacking(
    labels: LabelScheme, encoder: FittedEncoder, older: np.ndarray, groups: np.ndarray, newer: np.ndarray
) -> str:
    """Return what a fold has too little of to be judged, empty if nothing.

    Parameters
    ----------
    labels : LabelScheme
    encoder : FittedEncoder
    older, groups : ndarray of shape (n_older,)
        Categories of the rows to learn from, and their homes.
    newer : ndarray of shape (n_newer,)
        Categories of those to judge.
    """
    if len(newer) < FEWEST_JUDGED:
        return f"there are {len(newer):,} listings, {FEWEST_JUDGED} are needed"
    fewest = max(int(encoder.parameters["n_folds"]), SMOTE_NEIGHBOURS + 1)
    for index, category in enumerate(labels.categories):
        if not (newer == index).any():
            return f"no listing is {category!r}"
        homes = len(np.unique(groups[older == index]))
        if homes < fewest:
            return f"{homes} older homes are {category!r}, {fewest} are needed"
    return ""
