"""Labelled predictions: what production was answered, where the true price or category is known by now."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.crossing import bin_frame
from housing_assets.inference.hashing import hash_texts
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import parse_frame
from housing_assets.listings.price_kinds import REPORTED_KIND, judge
from housing_assets.monitoring.production.predictions import (
    PREDICTED,
    PROBABILITIES,
    REQUEST_KEY,
    read_answers,
    version_numbers,
)
from housing_assets.monitoring.profiles.blocks import N_GROUPS
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import ProfileRefused
from resources.predictions.frames import read_listings
from resources.predictions.store import PredictionStore

if TYPE_CHECKING:
    import pandas as pd

ANSWER, SHADOW = "answer", "shadow"
"""Roles of a stored prediction: what the client was told, and what a challenger predicted beside it."""

COMPARABLE = "comparable"
"""Column of labelled predictions: whether the price that came back is of the kind that was predicted."""

_KNOWN = ("role", "tier", "model_version", PREDICTED, "price", "true_category", REPORTED_KIND, COMPARABLE)

ESTIMATE = "estimate"
"""Column of stored predictions: the estimate of the price that was told, as JSON."""

KEPT = ("prediction_id", *_KNOWN, PROBABILITIES, ESTIMATE, REQUEST_KEY, "predicted_at", "received_at", "listing")
"""Columns of the store that labelled predictions keep; the listing as it was sent, for other versions to answer."""

COUNTED = ("role", REPORTED_KIND, COMPARABLE)
"""Columns by which prices of another kind are counted."""

SUMMARIZED = (*_KNOWN, PROBABILITIES, REQUEST_KEY, "predicted_at", "received_at")
"""Columns that outcomes are made of."""

VALUED = ("role", "tier", "model_version", "price", COMPARABLE, ESTIMATE, "received_at")
"""Columns by which estimates are held against prices."""

PAIRED = ("prediction_id", *_KNOWN, REQUEST_KEY, "predicted_at")
"""Columns by which a shadow prediction is held against the answer beside it."""


UNSAID = "unknown"
"""A price's kind that was not said, and that no declaration tells."""

PERIOD = timedelta(days=28)
"""Labels are put into windows anew from the first day of each period on, so that the windows of a day are the same
whenever they are made, and what has to be read for them is bounded."""


def period_start(day: date) -> date:
    """Return the first day of the period that a day is in."""
    return day - timedelta(days=day.toordinal() % PERIOD.days)


def read_labelled(
    market: Market, predictions: PredictionStore, as_of: datetime, oldest: timedelta
) -> "Iterator[pd.DataFrame]":
    """Yield the answers and the shadow predictions whose truth was known at a moment, answers first.

    Parameters
    ----------
    market : Market
    predictions : PredictionStore
    as_of : datetime
        Labels received by then count, from the period of that day and from so long before it as a label may take.
    oldest : timedelta
        Age of a prediction up to which its label counts.
    """
    began = period_start((as_of - timedelta(microseconds=1)).date())
    since = datetime(began.year, began.month, began.day, tzinfo=as_of.tzinfo) - oldest
    column = market.price_kind_column
    for role in (ANSWER, SHADOW):
        for frame in predictions.labels(as_of, since=since, role=role, price_kind=market.common_price_kind):
            recent = frame[frame["received_at"] - frame["predicted_at"] <= oldest]
            raw = None if column is None else read_listings(recent, [column.raw])
            yield recent.assign(**{COMPARABLE: judge(market, recent, raw)})[list(KEPT)]


def comparable(labelled: "pd.DataFrame") -> np.ndarray:
    """Return which labelled predictions have a price of the kind that was predicted: a boolean mask.

    Raises
    ------
    ProfileRefused
        If the rows were stored before they said so.
    """
    if COMPARABLE not in labelled:
        raise ProfileRefused("the labelled predictions were stored without the kind of their prices")
    return labelled[COMPARABLE].to_numpy(dtype=bool)


def count_others(frames: "Iterable[pd.DataFrame]") -> dict[str, int]:
    """Return how many answers have a price of each kind that was not predicted; those are left out of everything."""
    counted: Counter[str] = Counter()
    for frame in frames:
        others = frame[~comparable(frame) & (frame["role"] == ANSWER).to_numpy()]
        counted.update(str(kind) for kind in others[REPORTED_KIND].astype(object).fillna(UNSAID))
    return dict(sorted(counted.items()))


def true_labels(labels: LabelScheme, frame: "pd.DataFrame") -> np.ndarray:
    """Return the true category of labelled predictions.

    Parameters
    ----------
    labels : LabelScheme
    frame : DataFrame of shape (n_rows, n_columns)
        With ``price``, or ``true_category`` where rows have classes.

    Returns
    -------
    truth : ndarray of shape (n_rows,), int64
        Index into the categories, -1 where what was reported is of the other kind or none of them.
    """
    if not labels.has_bands:
        return labels.labels(frame["true_category"].astype(object).to_numpy()).astype(np.int64)
    prices = frame["price"].to_numpy(np.float64)
    return np.where(np.isnan(prices), -1, labels.labels(prices)).astype(np.int64)


def summarize_labels(
    frames: "Iterable[pd.DataFrame]", labels_of: Callable[[int], LabelScheme | None]
) -> dict[int, dict[date, Outcomes]]:
    """Summarize labelled answers by version and by the day on which the label came in, one frame at a time.

    Parameters
    ----------
    frames : iterable of DataFrame
        With the columns of ``SUMMARIZED``; shadow predictions are left out, and prices of another kind.
    labels_of : callable
        Returns what a version's categories mean, None where that is unknown: its rows are left out.
    """
    found: dict[int, dict[date, Outcomes]] = {}
    for frame in frames:
        answers = frame[(frame["role"] == ANSWER).to_numpy() & comparable(frame)]
        days = answers["received_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
        versions, groups = version_numbers(answers), _groups_of(answers)
        for version in np.unique(versions[versions > 0]).tolist():
            labels = labels_of(version)
            if labels is None:
                continue
            of_version = found.setdefault(version, {})
            for day in np.unique(days[versions == version]):
                chosen = (versions == version) & (days == day)
                rows = answers[chosen]
                truth = true_labels(labels, rows)
                outcomes = Outcomes.of(labels.categories, truth, *read_answers(rows, labels.categories), groups[chosen])
                key = day.item()
                of_version[key] = of_version[key].merge(outcomes) if key in of_version else outcomes
    return found


def summarize_segments(
    market: Market, frames: "Iterable[pd.DataFrame]", version: int, labels: LabelScheme, days: Collection[date]
) -> dict[tuple[str, str], Outcomes]:
    """Summarize the labelled answers of a version by segment and its value.

    Parameters
    ----------
    market : Market
    frames : iterable of DataFrame
        With the columns of ``KEPT``.
    version : int
    labels : LabelScheme
        What its categories mean.
    days : collection of date
        On which the labels came in.
    """
    import pandas as pd

    wanted = np.array(sorted(days), dtype="datetime64[D]")
    kept: list[pd.DataFrame] = []
    for frame in frames:
        came = frame["received_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
        of_version = (version_numbers(frame) == version) & (frame["role"] == ANSWER).to_numpy()
        kept.append(frame[of_version & comparable(frame) & np.isin(came, wanted)].astype(object))
    rows = pd.concat(kept, ignore_index=True)
    rows["predicted_at"] = pd.to_datetime(rows["predicted_at"], utc=True)
    rows["price"] = rows["price"].astype(np.float64)
    typed, _ = parse_frame(market, read_listings(rows, [column.raw for column in market.inputs]), with_target=False)
    texts = bin_frame(market, typed)
    truth, groups = true_labels(labels, rows), _groups_of(rows)
    predicted, probabilities = read_answers(rows, labels.categories)
    found: dict[tuple[str, str], Outcomes] = {}
    for name in market.segments:
        codes, values = pd.factorize(texts[name])
        for code, value in enumerate(values):
            of_value = codes == code
            found[name, str(value)] = Outcomes.of(
                labels.categories, truth[of_value], predicted[of_value], probabilities[of_value], groups[of_value]
            )
    return found


def name_blocks(labelled: "pd.DataFrame") -> np.ndarray:
    """Return the block of each labelled row: a client's of one day, or an hour's of those without a request key.

    Raises
    ------
    ProfileRefused
        If the rows were stored before they kept the keys of the requests.
    """
    import pandas as pd

    if REQUEST_KEY not in labelled:
        raise ProfileRefused("the labelled predictions were stored without the keys of their requests")
    asked = pd.to_datetime(labelled["predicted_at"], utc=True)
    hours = asked.dt.strftime("%Y-%m-%dT%H").to_numpy(dtype=object)
    clients = (asked.dt.strftime("%Y-%m-%d ") + labelled[REQUEST_KEY].astype(str)).to_numpy(dtype=object)
    return np.where(labelled[REQUEST_KEY].notna().to_numpy(), clients, hours).astype(str)


def _groups_of(labelled: "pd.DataFrame") -> np.ndarray:
    names, codes = np.unique(name_blocks(labelled), return_inverse=True)
    return (hash_texts("block", names.tolist()) % N_GROUPS)[codes]


def label_window(by_day: Mapping[date, Outcomes], day: date, min_rows: int) -> dict[date, Outcomes]:
    """Return the outcomes whose labels came in since the last window of labels was judged: none is judged twice.

    A window ends with the day on which it has enough rows; the next one begins after it. What one bad day left
    would else fail all windows until enough labels have come in to push it out.

    Parameters
    ----------
    by_day : mapping of date to Outcomes
        By the day on which the label came in.
    day : date
        Whose report it is.
    min_rows : int
        That a window needs.
    """
    window: dict[date, Outcomes] = {}
    for each in sorted(one for one in by_day if period_start(day) <= one <= day):
        if sum(outcomes.rows for outcomes in window.values()) >= min_rows:
            window = {}
        window[each] = by_day[each]
    judged_before = sum(outcomes.rows for outcomes in window.values()) >= min_rows and day not in window
    return {} if judged_before else window


def merge_outcomes(categories: tuple[str, ...], by_day: Mapping[date, Outcomes]) -> Outcomes:
    """Return the outcomes of all days as one; empty ones of no days.

    Raises
    ------
    ProfileRefused
        If they are of other categories.
    """
    return reduce(Outcomes.merge, by_day.values(), Outcomes.none(categories))


def first_rows(frames: "Iterable[pd.DataFrame]", role: str, version: int, rows: int) -> "pd.DataFrame":
    """Return the predictions of a version whose labels came first, at most so many; no price is of another kind.

    Parameters
    ----------
    frames : iterable of DataFrame
        In the order in which the labels came in.
    role : str
        ``ANSWER`` or ``SHADOW``.
    version, rows : int
    """
    import pandas as pd

    kept: list[pd.DataFrame] = []
    for frame in frames:
        of_role = (version_numbers(frame) == version) & (frame["role"] == role).to_numpy()
        of_version = frame[of_role & comparable(frame)]
        kept = [pd.concat([*kept, of_version.astype(object)], ignore_index=True).head(rows)]
    return kept[0]
