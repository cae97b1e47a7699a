"""What a model card is written of: the version, what it learned from, and how it was judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT, HOLDOUT_SHARE
from housing_assets.inference.declaration import Role
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import month_name
from housing_assets.listings.origins import ORIGIN, ORIGINS, PRODUCTION, SYNTHETIC
from housing_assets.listings.price_kinds import count_kinds, has_exact_price
from housing_assets.packaging.registration import Registration
from housing_assets.training.out_of_time import OutOfTime
from housing_assets.training.report import EvaluationReport
from resources.predictions.answer_reviews import ReviewCounts

if TYPE_CHECKING:
    import pandas as pd


class Period(NamedTuple):
    """The first and the last day of a date that listings have, and how many have it."""

    name: str
    first: str
    last: str
    rows: int


class CategoryRows(NamedTuple):
    """A category, the prices that it stands for, and its rows."""

    category: str
    band: str
    training: int
    held_out: int


@dataclass(frozen=True)
class Data:
    """What a version learned from and was judged on.

    Attributes
    ----------
    files, rows_read : int
        Of the source.
    by_origin : mapping of str to int
        Listings by where they come from.
    training, held_out : int
    periods : tuple of Period
    price_kinds : mapping of str to int
        Empty where rows have classes.
    stand_ins : int
        Listings whose price only stands for its band.
    categories : tuple of CategoryRows
    price_month : str
        That prices are brought to by the price index before they teach; empty where there is no index.
    price_index : str
        What the index was made of: ``listings``, ``external`` or ``both``.
    implausible_prices : int
        Rows that were quarantined for their price, before any were held out.
    holdout_share : float
        That is aimed at.
    """

    files: int
    rows_read: int
    by_origin: Mapping[str, int]
    training: int
    held_out: int
    periods: tuple[Period, ...]
    price_kinds: Mapping[str, int]
    stand_ins: int
    categories: tuple[CategoryRows, ...]
    price_month: str = ""
    price_index: str = ""
    implausible_prices: int = 0
    holdout_share: float = HOLDOUT_SHARE

    @classmethod
    def of(
        cls,
        market: Market,
        encoded: EncodedListings,
        crossed: "pd.DataFrame",
        raw: "pd.DataFrame",
        quarantined: "pd.DataFrame",
    ) -> Self:
        """Count what there is.

        Parameters
        ----------
        market : Market
        encoded : EncodedListings
        crossed : DataFrame of shape (n_rows, n_values)
            All crossed listings, with ``held_out`` and ``origin``.
        raw : DataFrame of shape (n_raw_rows, n_columns)
            The rows of the source.
        quarantined : DataFrame
            Those that cannot be used, with ``column`` and ``reason``.
        """
        from housing_assets.listings.outliers import count_implausible
        from housing_assets.listings.source import SOURCE_FILE

        rows, prices = crossed[ORIGIN].value_counts(), encoded.encoder.index
        labels, held_out = encoded.labels, int(crossed[HELD_OUT].sum())
        training, judged = (
            np.bincount(y, minlength=len(labels.categories)).tolist() for y in (encoded.y_train, encoded.y_holdout)
        )
        return cls(
            files=raw[SOURCE_FILE].nunique() if SOURCE_FILE in raw else 0,
            rows_read=len(raw),
            by_origin={origin: int(rows[origin]) for origin in ORIGINS if rows.get(origin)},
            training=len(crossed) - held_out,
            held_out=held_out,
            periods=tuple(_periods(market, crossed)),
            price_kinds=count_kinds(market, crossed),
            stand_ins=int((~has_exact_price(market, crossed)).sum()) if market.has_price else 0,
            categories=tuple(
                CategoryRows(category, _band(labels, index), training[index], judged[index])
                for index, category in enumerate(labels.categories)
            ),
            price_month=month_name(prices.base_month) if prices.exists else "",
            price_index=prices.source,
            implausible_prices=count_implausible(market, quarantined),
        )

    @property
    def listings(self) -> int:
        """All of them."""
        return self.training + self.held_out

    @property
    def left_out(self) -> int:
        """Rows of the source that are no listings: in quarantine, or copies."""
        return self.rows_read - (self.listings - self.by_origin.get(PRODUCTION, 0))

    @property
    def synthetic(self) -> bool:
        """Whether the rows are those of a generator."""
        return SYNTHETIC in self.by_origin


@dataclass(frozen=True)
class CardFacts:
    """All that a card is written of.

    Attributes
    ----------
    market : Market
    registration : Registration
    tags : mapping of str to str
        Of the version.
    run : str
        The MLflow run that it was trained in.
    parameters : mapping of str to str
        Of that run.
    data : Data
    evaluation : EvaluationReport
    out_of_time : OutOfTime
    valued_by : str
        The text by whose values estimates are calibrated and judged; empty where there are none.
    reviews : mapping of str to ReviewCounts
        Of answers that were drawn at random, by the version that gave them, as the card was written; None where the
        prediction store was not read.
    """

    market: Market
    registration: Registration
    tags: Mapping[str, str]
    run: str
    parameters: Mapping[str, str]
    data: Data
    evaluation: EvaluationReport
    out_of_time: OutOfTime
    valued_by: str = ""
    reviews: Mapping[str, ReviewCounts] | None = None

    @property
    def metrics(self) -> Mapping[str, float]:
        """Of the evaluation."""
        return self.evaluation.metrics


def _periods(market: Market, crossed: "pd.DataFrame") -> list[Period]:
    found = []
    for value in market.values(Role.CLOCK):
        days = crossed[value.name].dropna()
        if len(days):
            found.append(Period(value.name, f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}", len(days)))
    return found


def _band(labels: LabelScheme, index: int) -> str:
    if not labels.has_bands:
        return "a class"
    edges = [f"{edge:,.0f} {labels.currency}" for edge in labels.edges]
    if index == 0:
        return f"up to {edges[0]}"
    return f"above {edges[-1]}" if index == len(edges) else f"above {edges[index - 1]}, up to {edges[index]}"
