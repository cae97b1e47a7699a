"""How well a version does on listings of a file, whose targets are known: on those that came after it, above all."""

from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.clock import market_clock
from housing_assets.features.crossing import texts_of
from housing_assets.features.split import amounts, label_rows
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import SourceError
from housing_assets.packaging.batch import ESTIMATED, PRICE_ESTIMATE, answer_listings, probability_names
from housing_assets.shards import join_frames, split_frame
from housing_assets.training.evaluation import evaluate
from housing_assets.valuation import Valuations, figures_by_area
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class VersionEvaluation:
    """What listings with known targets say of a version.

    Attributes
    ----------
    listings : int
        That were judged.
    left_out : dict of str to int
        Rows that were not, by the reason.
    days : tuple of str, optional
        First and last, as far as the listings have dates.
    metrics : dict of str to float
        See ``evaluation.evaluate``; where the market has prices, with those of ``valuation.figures_by_area``.
    """

    listings: int
    left_out: dict[str, int]
    days: tuple[str, str] | None
    metrics: dict[str, float]


def evaluate_version(
    artifact: ModelArtifact, raw: "pd.DataFrame", since: date | None = None, engine: Engine = LOCAL
) -> VersionEvaluation:
    """Judge a version by its answers to raw listings; those that it learned from flatter it.

    Parameters
    ----------
    artifact : ModelArtifact
    raw : DataFrame of shape (n_rows, n_columns)
        As ``read_listings`` returns them.
    since : date, optional
        First day that counts; listings without a date do not count then.
    engine : Engine

    Raises
    ------
    SourceError
        If the listings have no date, although ``since`` asks for it, or a category has no listing.
    """
    market = artifact.market
    cleaned = clean(market, raw, engine)
    listings = cleaned.listings
    clock = market_clock(market, listings)
    left_out = {"quarantined": len(cleaned.quarantined), "exact duplicates": len(cleaned.duplicates)}
    if since is not None:
        if not clock:
            raise SourceError("no listing has a date: expected some, or no first day")
        chosen = (listings[clock] >= np.datetime64(since)).to_numpy()
        left_out["of earlier days"] = int((~chosen).sum())
        listings = listings[chosen].reset_index(drop=True)
    y = label_rows(market, artifact.labels, listings)
    counts = np.bincount(y, minlength=len(market.categories))
    if not counts.all():
        missing = ", ".join(name for name, count in zip(market.categories, counts, strict=True) if not count)
        raise SourceError(f"none of {len(listings):,} listings is {missing}: expected some of each category")
    answers = join_frames(
        list(engine.map_shards(partial(answer_listings, artifact), split_frame(listings, engine))), sort_texts=False
    )
    probabilities = answers[probability_names(market.categories)].to_numpy()
    return VersionEvaluation(
        len(listings),
        {reason: count for reason, count in left_out.items() if count},
        _days(listings[clock]) if clock else None,
        {**evaluate(y, probabilities, market.categories), **_value(artifact, listings, answers)},
    )


def _days(dates: "pd.Series") -> tuple[str, str]:
    return f"{dates.min():%Y-%m-%d}", f"{dates.max():%Y-%m-%d}"


def _value(artifact: ModelArtifact, listings: "pd.DataFrame", answers: "pd.DataFrame") -> dict[str, float]:
    """Judge the estimates as valuers do; nothing is said where there are none."""
    logs, estimator = amounts(artifact.market, listings), artifact.estimator
    if logs is None or estimator is None:
        return {}
    exact = ~np.isnan(logs)
    told = {name: answers.loc[exact, name].to_numpy() for name in ESTIMATED}
    valuations = Valuations(
        np.exp(logs[exact]),
        told[PRICE_ESTIMATE],
        {level: (told[f"interval_{level}_low"], told[f"interval_{level}_high"]) for level in (50, 80)},
        told["forecast_deviation"],
    )
    key = estimator.calibration.key
    return figures_by_area(valuations, key, texts_of(listings[exact], key))[0]
