"""The windows that both sides judge: undrifted ones of several sizes, and one for each shift that must be noticed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scenario:
    """A kind of window.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
    rows : int
        Of each window.
    struck : str
        The column that is hit, or hit hardest; empty where none is.
    shift : mapping of str to object
        Knobs of the market's sample, as ``Sample.draw`` takes them.
    beyond : bool
        Whether every number is moved above all that the reference has. Not left to the sample: the service refuses most
        numbers that are a thousand times too large, so that no such listing reaches the monitoring.
    has_prices : bool
        Whether only prices change. Evidently is then given them as a column.
    """

    name: str
    title: str
    rows: int
    struck: str = ""
    shift: Mapping[str, Any] = field(default_factory=dict)
    beyond: bool = False
    has_prices: bool = False


NULLS = tuple(Scenario(f"null_{rows}", "no drift", rows) for rows in (200, 500, 2_000, 25_000))

SHIFT_ROWS = 2_000
SHIFTS = (
    Scenario("district", "all traffic in one known district", SHIFT_ROWS, "district", {"only_district": "kadikoy"}),
    Scenario("unseen", "half the traffic from unseen districts", SHIFT_ROWS, "district", {"new_district_share": 0.5}),
    Scenario("addresses", "5 % new addresses", SHIFT_ROWS, "address", {"new_address_share": 0.05}),
    Scenario("area", "gross area × 10", SHIFT_ROWS, "gross_m2", {"gross_area_factor": 10}),
    Scenario(
        "missing", "60 % of the heating types missing", SHIFT_ROWS, "heating_type", {"missing": {"HeatingType": 0.6}}
    ),
    Scenario("beyond", "every number outside the reference's range", SHIFT_ROWS, "gross_m2", beyond=True),
    Scenario("prices", "prices +60 %", SHIFT_ROWS, "price", {"price_inflation": 0.6}, has_prices=True),
    Scenario(
        "concept", "price levels of districts exchanged", SHIFT_ROWS, "price", {"concept_change": 1.0}, has_prices=True
    ),
)
