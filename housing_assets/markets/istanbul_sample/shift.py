"""The knobs that make ads differ from the ordinary ones, for drills of what should notice."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample.city import DISTRICTS, KINDS

_FAR = 1_000  # carries every number out of the ordinary range


@dataclass(frozen=True)
class Shift:
    """How the ads differ from the ordinary ones; every default is neutral.

    Parameters
    ----------
    price_inflation : float
        Rise of all prices, -0.9 to 1000; 0.6 is +60 %.
    new_district_share : float
        Share of the rows, 0 to 1, in districts never generated otherwise.
    only_district : str or None
        All rows (but those in new districts) in this one of `DISTRICTS`.
    new_address_share : float
        Share of the rows, 0 to 1, in a known district and a neighbourhood never generated otherwise.
    missing : mapping of str to float
        Raw column to the share of its values, 0 to 1, that are blanked; the row number cannot be.
    gross_area_factor : float
        Factor, 0.001 to 1000, on the texts of GrossSquareMeters alone, as by an error of the unit.
    outside_range : bool
        Every number but the dates a thousand times too large; what has no number of its own (a studio, a garden floor,
        dues of 0) stays.
    concept_change : float
        0 to 1: how far the price levels of the districts are exchanged, dearest against cheapest. Changes prices alone.
    mix : mapping of str to float
        One of `KINDS` to the factor, 0 to 1e6, on its ordinary frequency; kinds not named keep theirs.

    Raises
    ------
    ValueError
        If a knob is out of its range, or names an unknown district, column or kind.
    """

    price_inflation: float = 0.0
    new_district_share: float = 0.0
    only_district: str | None = None
    new_address_share: float = 0.0
    missing: Mapping[str, float] = field(default_factory=dict)
    gross_area_factor: float = 1.0
    outside_range: bool = False
    concept_change: float = 0.0
    mix: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_range("price_inflation", self.price_inflation, -0.9, 1000)
        _require_range("gross_area_factor", self.gross_area_factor, 0.001, 1000)
        for knob in ("new_district_share", "new_address_share", "concept_change"):
            _require_range(knob, getattr(self, knob), 0, 1)
        if self.only_district is not None:
            _require_known("only_district", self.only_district, DISTRICTS)
        for column, share in self.missing.items():
            _require_known("missing", column, [column.raw for column in MARKET.columns])
            _require_range(f"missing[{column!r}]", share, 0, 1)
        for kind, factor in self.mix.items():
            _require_known("mix", kind, KINDS)
            _require_range(f"mix[{kind!r}]", factor, 0, 1e6)
        if not any(self.mix.get(kind, 1) for kind in KINDS):
            raise ValueError(f"mix is {dict(self.mix)!r}: at least one kind must keep a factor above 0")

    @property
    def far(self) -> int:
        """The factor on every number that `outside_range` asks for."""
        return _FAR if self.outside_range else 1


def _require_range(knob: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{knob} is {value!r}: expected {low:g} to {high:g}")


def _require_known(knob: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"{knob} names {name!r}: expected one of {', '.join(known)}")
