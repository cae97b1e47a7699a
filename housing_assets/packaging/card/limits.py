"""What a version is bad at, said plainly of its figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from housing_assets.inference.market import Market
from housing_assets.listings.outliers import FACTOR
from housing_assets.packaging.card.facts import CardFacts
from housing_assets.packaging.card.figures import share, show
from housing_assets.training.evaluation import as_metric_names
from housing_assets.valuation import MIN_ROWS, PRICE_TERCILE

if TYPE_CHECKING:
    import pandas as pd

WORST = 3
"""Segments that are named of each kind."""

ACCEPTED_PRB = 0.05
"""Price-related bias up to which the IAAO's Standard on Ratio Studies (2013) accepts an appraisal either way."""

NOTABLE_BIAS = 0.02
"""Median signed error from which on it is said that estimates are too high or too low."""

LEAST_SHARE = 0.0005
"""Share below which 0.0 % would be written."""

NOTABLE_LOSS = 0.02
"""Macro-F1 below the holdout's from which on it is said that newer listings are classified less well."""


COLUMNS_ALONE = (
    "It tells what listings like these cost, not what a home is worth to somebody: nothing that the columns do not "
    "say, such as damage, a view or a lease, is in an answer."
)
"""The limit of every version."""


def find_limits(facts: CardFacts) -> tuple[str, ...]:
    """Return a sentence or two on each limit; those that always hold come last."""
    return (
        *_of_rows(facts),
        weakest_category(facts.market, facts.metrics),
        *_of_segments(facts),
        *_of_prices(facts),
        *_of_time(facts),
        COLUMNS_ALONE,
    )


def _of_rows(facts: CardFacts) -> list[str]:
    data = facts.data
    told = []
    if data.synthetic:
        told.append("It learned from synthetic rows: for trials only, and no home is to be priced by it.")
    if data.stand_ins:
        told.append(
            f"{share(data.stand_ins / data.listings)} of the prices only stand for their band: nothing is known of how "
            "well amounts of such homes are estimated."
        )
    if data.implausible_prices:
        of_all = share(data.implausible_prices / (data.listings + data.implausible_prices))
        told.append(
            f"{data.implausible_prices:,} rows ({of_all}) were quarantined for a price that is beyond {FACTOR:.0f} "
            "times what homes like them cost, either way, before listings were held out: no figure here is of such "
            "prices, the hardest ones, and some of them may be true."
        )
    return told


def weakest_category(market: Market, metrics: Mapping[str, float]) -> str:
    """Return which category is found least often."""
    names = as_metric_names(market.categories)
    recalls = {category: metrics[f"recall_{name}"] for category, name in zip(market.categories, names, strict=True)}
    weakest = min(recalls, key=recalls.__getitem__)
    return (
        f"It finds {weakest!r} least often: {share(recalls[weakest])} of such listings, so that "
        f"{share(1 - recalls[weakest])} are put into another category."
    )


def _of_segments(facts: CardFacts) -> list[str]:
    metrics, segments = facts.metrics, facts.evaluation.segments
    told = []
    for segment, rows in segments[~segments["segment"].isin(facts.market.personal_names)].groupby("segment", sort=True):
        worst = ", ".join(
            f"{row['value']} ({share(row['accuracy'])} of {row['rows']:,})"
            for row in rows.head(WORST).to_dict("records")
        )
        told.append(
            f"By {_words(segment)} it is right least often for {worst}; overall for {share(metrics['accuracy'])}."
        )
    return told


def _of_prices(facts: CardFacts) -> list[str]:
    metrics = facts.metrics
    if "price_hit_rate" not in metrics:
        return []
    told = []
    if metrics["price_hit_rate"] < 1:
        missing = 1 - metrics["price_hit_rate"]
        told.append(
            f"{share(missing) if missing >= LEAST_SHARE else 'Less than 0.1 %'} of held-out listings get no estimate: "
            "no training listing is similar enough."
        )
    if "price_mdape" not in metrics:
        return [*told, f"Fewer than {MIN_ROWS} held-out listings have an estimate: nothing is known of its error."]
    told.append(
        f"{share(1 - metrics['price_within_20'])} of the estimates are more than 20 % from the price; half of all are "
        f"off by more than {show('price_mdape', metrics['price_mdape'])}."
    )
    bias, slope = metrics["price_median_bias"], metrics.get("price_prb", 0.0)
    if abs(bias) >= NOTABLE_BIAS:
        told.append(f"Estimates are too {'low' if bias < 0 else 'high'} by {share(abs(bias))} in the middle.")
    if abs(slope) > ACCEPTED_PRB:
        valued = "lower" if slope < 0 else "higher"
        told.append(
            f"Expensive homes are valued {valued} than cheap ones: {share(abs(slope))} for each doubling of the price."
        )
    if facts.valued_by not in facts.market.personal_names:
        told += _of_valued(facts.valued_by, facts.evaluation.valued_segments)
    return told


def _of_valued(segment: str, valued: "pd.DataFrame") -> list[str]:
    rows = valued[(valued["segment"] == segment) & (valued["segment"] != PRICE_TERCILE)]
    filled = rows.dropna(subset=["price_mdape"])
    told = []
    if len(filled):
        worst = filled.sort_values("price_mdape", ascending=False, kind="stable").head(WORST)
        named = ", ".join(f"{row['value']} ({share(row['price_mdape'])})" for row in worst.to_dict("records"))
        told.append(f"By {_words(segment)} the median error is largest for {named}.")
        gaps = (filled["price_coverage_80"] - 0.8).abs().sort_values(ascending=False, kind="stable").index[:WORST]
        named = ", ".join(
            f"{row['value']} ({share(row['price_coverage_80'])})" for row in filled.loc[gaps].to_dict("records")
        )
        told.append(f"The share of prices within the 80 % interval is furthest from 80 % for {named}.")
    if len(rows) > len(filled):
        told.append(
            f"Of {len(rows) - len(filled):,} of {len(rows):,} values of {_words(segment)} fewer than {MIN_ROWS} "
            "held-out listings have an estimate: how good those are is not known."
        )
    return told


def _of_time(facts: CardFacts) -> list[str]:
    newest = facts.metrics.get("out_of_time_macro_f1_at_mix")
    if newest is None:
        return [f"How it does on listings newer than its own was not judged: {facts.out_of_time.reason}."]
    loss = facts.metrics["macro_f1"] - newest
    told = []
    if loss >= NOTABLE_LOSS:
        told.append(f"On newer listings than were learned from, macro-F1 is lower by {loss:.4f}.")
    bias = facts.metrics.get("out_of_time_price_median_bias")
    if bias is not None and abs(bias) >= NOTABLE_BIAS:
        told.append(
            f"Prices of newer listings are estimated too {'low' if bias < 0 else 'high'} by {share(abs(bias))} in the "
            "middle."
        )
    return told


def _words(name: object) -> str:
    return str(name).replace("_", " ")
