"""Whether new listings are plausible enough to be trained on: against the champion's, and those accepted last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.listings.origins import ORIGIN, PRODUCTION, SYNTHETIC
from housing_assets.monitoring.drift.causes import Sign, find_price_cause
from housing_assets.monitoring.drift.input_report import find_signs
from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.reference import Reference, newest_day
from housing_assets.monitoring.thresholds import Thresholds

if TYPE_CHECKING:
    import pandas as pd

ROWS, QUARANTINE, INPUT, PRICES, KIND = KINDS = ("rows", "quarantine", "input", "prices", "kind")
"""What may be implausible, by the word that accepts it: the number of rows, the quarantine, columns, prices, and that
the listings are synthetic, or real."""

LEAST_ROWS = 0.5
"""Share of the rows before that there must be: a source that lost more is broken, or is another one."""

MOST_QUARANTINED = 0.2
"""Points by which the share of rows in quarantine may rise: a column that is read no longer takes far more."""

PRICE_JUMP = 2.0
"""Factor, either way, by which the median price may differ."""


@dataclass(frozen=True)
class Facts:
    """What is remembered of listings that were accepted.

    Attributes
    ----------
    rows : int
        Of the source, usable.
    quarantined : float
        Share of the rows read.
    median_price : float
        0 where the target is no price.
    synthetic : bool
        Whether they are those of the market's generator.
    """

    rows: int
    quarantined: float
    median_price: float
    synthetic: bool


@dataclass(frozen=True)
class Implausible:
    """What is implausible about listings: what was found, and what was expected."""

    kind: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.found}: expected {self.expected}"


def facts_of(market: Market, listings: "pd.DataFrame", *, rows_read: int, quarantined: int) -> Facts:
    """Return what is remembered of listings.

    Parameters
    ----------
    market : Market
    listings : DataFrame
        Typed, with ``origin``.
    rows_read, quarantined : int
        Of the source.
    """
    sourced = listings[(listings[ORIGIN] != PRODUCTION).to_numpy()]
    median = float(sourced[market.target_value.name].median()) if market.has_price and len(sourced) else 0.0
    synthetic = bool((listings[ORIGIN] == SYNTHETIC).any())
    return Facts(len(sourced), quarantined / max(rows_read, 1), median, synthetic)


def find_implausible(
    market: Market,
    listings: "pd.DataFrame",
    facts: Facts,
    *,
    last: Facts | None,
    synthetic: bool,
    champion: Reference | None,
    limits: Thresholds,
) -> list[Implausible]:
    """Return what is implausible about listings.

    Of synthetic ones beside real ones nothing else is told: what one kind is like says nothing of the other.

    Parameters
    ----------
    market : Market
    listings : DataFrame
        Typed, with ``origin``.
    facts : Facts
        Of these listings.
    last : Facts or None
        Of those of the same kind that were accepted last.
    synthetic : bool
        Whether the registered versions learned from synthetic listings; that of these where there are none.
    champion : Reference or None
        Of the version in production.
    limits : Thresholds

    Raises
    ------
    ProfileRefused
        If the champion's columns are others.
    """
    if facts.synthetic != synthetic:
        these, expected = ("synthetic", "real") if facts.synthetic else ("real", "synthetic")
        return [Implausible(KIND, f"the listings are {these}", f"{expected} ones, as the registered versions learned")]
    found = [] if last is None else _against_last(facts, last)
    before = last.quarantined if last else 0.0
    if facts.quarantined - before > MOST_QUARANTINED:
        expected = f"at most {before + MOST_QUARANTINED:.0%}"
        found.append(Implausible(QUARANTINE, f"{facts.quarantined:.0%} of the rows are in quarantine", expected))
    if champion is None:
        return found
    if len(listings) < LEAST_ROWS * champion.profile.rows:
        expected = f"at least half of the {champion.profile.rows:,} that the version in production is made of"
        found.append(Implausible(ROWS, f"{len(listings):,} listings", expected))
    fresh = (listings[ORIGIN] == PRODUCTION).to_numpy()
    parts = [("", listings[~fresh]), ("of labelled requests, ", listings[fresh])]
    return [*found, *(one for name, part in parts for one in _against_champion(market, name, part, champion, limits))]


def _against_last(facts: Facts, last: Facts) -> list[Implausible]:
    found = []
    if facts.rows < LEAST_ROWS * last.rows:
        expected = f"at least half of the {last.rows:,} that were accepted last"
        found.append(Implausible(ROWS, f"the source has {facts.rows:,} usable rows", expected))
    if last.median_price and facts.rows and not _is_near(facts.median_price / last.median_price):
        expected = f"{last.median_price / PRICE_JUMP:,.0f} to {last.median_price * PRICE_JUMP:,.0f} after those before"
        found.append(Implausible(PRICES, f"the median price is {facts.median_price:,.0f}", expected))
    return found


def _against_champion(
    market: Market, name: str, listings: "pd.DataFrame", champion: Reference, limits: Thresholds
) -> list[Implausible]:
    reference = champion.profile
    no_predictions = PredictionProfile.none(reference.predictions.categories)
    edges = {column: number.edges for column, number in reference.numbers.items()}
    profile = Profile.of(market, listings, no_predictions, edges, as_of=newest_day(market, listings))
    signs = find_signs(market, reference, profile, limits)
    found = [
        Implausible(INPUT, f"{name}{one.detail}", "what the version in production learned from")
        for one in signs
        if one.sign is not Sign.REPEATED  # rows of a source that repeat are copies, and removed
    ]
    learned = champion.prices
    if learned is None or not len(listings):
        return found
    prices = listings[market.target_value.name].to_numpy(np.float64)
    in_unit = find_price_cause(market.target_value.name, learned, NumberProfile.of(prices, learned.edges), limits)
    median, before = float(np.median(prices)), learned.quantile(0.5)
    if in_unit:
        found.append(Implausible(PRICES, f"{name}{in_unit[0].detail}", f"a median price around {before:,.0f}"))
    elif len(listings) >= limits.broken_min_rows and not _is_near(median / before):
        expected = f"{before / PRICE_JUMP:,.0f} to {before * PRICE_JUMP:,.0f}"
        found.append(Implausible(PRICES, f"{name}the median price is {median:,.0f}", expected))
    return found


def _is_near(ratio: float) -> bool:
    return 1 / PRICE_JUMP <= ratio <= PRICE_JUMP


def describe(found: Sequence[Implausible], accepted: Sequence[str]) -> str:
    """Return in a sentence or two what is implausible, and the way on.

    Parameters
    ----------
    found : sequence of Implausible
    accepted : sequence of str
        Kinds that a person accepts.
    """
    if not found:
        return "the listings are plausible"
    told = "; ".join(map(str, found))
    refused = sorted({one.kind for one in found} - set(accepted))
    if not refused:
        return f"accepted although {told}"
    words = ", ".join(f'"{kind}"' for kind in refused)
    way = (
        "Set HOUSING_SOURCE, or another HOUSING_STORAGE or MLFLOW_TRACKING_URI,"
        if KIND in refused
        else "Mend the source,"
    )
    lineage = "; price_bands' config reband: true then starts a lineage of them" if KIND in refused else ""
    return (
        f"{told}. {way} or accept it for one run with the config of the check listings_plausible: "
        f'{{"accept": [{words}], "reason": "..."}}{lineage}'
    )
