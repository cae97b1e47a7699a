"""Markets beside those of the package: what tests declare to see that nothing is made for one market alone."""

from dataclasses import replace

import numpy as np
import pandas as pd

from housing_assets.inference.declaration import (
    PRICE_KINDS,
    Bin,
    Classes,
    Column,
    Grid,
    LinearNumber,
    LocalKernel,
    PriceBands,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Code, Coordinate, Day, Number, Text

_DOLLARS = Number(units=("$", "usd"), of="US dollars", decimal=".")
_SQUARE_FEET = Number(units=("sq ft", "sqft"), of="square feet", decimal=".")

_SALE = (
    Column("id", "7129300520", Code(), (Value("parcel", Role.KEY, personal=True),), required=True),
    Column("date", "20141013T000000", Day(), (Value("sold_on", Role.CLOCK),)),
    Column("bedrooms", "3", Number(decimal="."), (Value("bedrooms", Role.NUMERIC, 0, 40),)),
    Column(
        "sqft_living", "1,180", _SQUARE_FEET, (Value("living_sqft", Role.NUMERIC, 100, 20_000, 500),), required=True
    ),
    Column("yr_renovated", "0", Number(missing=(0,)), (Value("renovated_in", Role.NUMERIC, 1800, 2100, 20),)),
    Column("zipcode", "98178", Code(width=5), (Value("zip_code", Role.CATEGORY),), required=True),
    Column("view", "none", Text(), (Value("view", Role.CATEGORY),)),
    Column("lat", "47.5112", Coordinate(), (Value("latitude", Role.NUMERIC, -90, 90, 0.1),)),
    Column("long", "-122.257", Coordinate("E", "W"), (Value("longitude", Role.NUMERIC, -180, 180, 0.1),)),
)

PARCELS = Market(
    name="parcels",
    title="Sold homes",
    columns=(
        *_SALE,
        Column("price", "$221,900", _DOLLARS, (Value("price", Role.PRICE, 1_000, 1e9, unit="USD"),), required=True),
    ),
    target=PriceBands(("lowest", "low", "middle", "high", "highest"), (0.2, 0.4, 0.6, 0.8), "USD"),
    bins=(Bin("living_250", "living_sqft", width=250), Bin("bedroom_count", "bedrooms")),
    grids=(
        Grid("cell", "latitude", "longitude", km=2),
        Grid("shifted_cell", "latitude", "longitude", km=2, shift=0.5),
    ),
    linear=(LinearNumber("living_sqft", log=True), LinearNumber("latitude"), LinearNumber("renovated_in")),
    crosses=(("zip_code", "bedroom_count"), ("cell", "living_250"), ("zip_code", "view", "living_250")),
    quotients=(Quotient("sqft_per_bedroom", "living_sqft", "bedrooms", 200),),
    segments=("zip_code",),
    fallback=("zip_code", "living_250"),
)
"""Prices in five bands, sales of one parcel by its number, places by coordinates."""


LOCAL_PARCELS = replace(
    PARCELS,
    name="local_parcels",
    local=LocalKernel(
        block="zip_code",
        numbers=(
            LinearNumber("living_sqft", log=True),
            LinearNumber("renovated_in"),
            LinearNumber("sqft_per_bedroom"),
            LinearNumber("sold_on"),
        ),
        texts=("view", "bedroom_count"),
    ),
)
"""The same with local scores."""


def graded(*grades: str) -> Market:
    """Return a market whose rows have one of several grades, and no price."""
    grade = Column("grade", grades[0], Choice(grades), (Value("grade", Role.CLASS),), required=True)
    return replace(PARCELS, name="graded", title="Graded homes", columns=(*_SALE, grade), target=Classes(grades))


THREE_GRADES = graded("C", "A", "B")
TWO_GRADES = graded("plain", "fine")

_KIND = Column("offer", "asking", Choice(PRICE_KINDS), (Value("offer_kind", Role.CATEGORY),), required=True)

BOTH_KINDS = replace(
    PARCELS,
    name="offers",
    columns=(*PARCELS.columns, _KIND),
    target=PriceBands(("low", "high"), (0.5,), "USD", "offer_kind"),
    segments=("offer_kind",),
)
"""Prices of ads and prices paid, told apart by a column."""


def with_kind(market: Market, kind: str) -> Market:
    """Return a market of prices of one kind."""
    assert isinstance(market.target, PriceBands)
    return replace(market, target=replace(market.target, price_kind=kind))


def drawn_sales(market: Market, n_rows: int, *, seed: int = 0, n_parcels: int | None = None) -> pd.DataFrame:
    """Return raw sales of `n_parcels` (as many as rows by default), and with them the market's target."""
    rng = np.random.default_rng(seed)
    parcels = np.arange(n_rows) if n_parcels is None else rng.integers(0, n_parcels, n_rows)
    size = rng.integers(5, 60, n_rows) * 100
    latitude, longitude = rng.uniform(47.2, 47.8, n_rows), rng.uniform(-122.5, -121.9, n_rows)
    worth = size * np.exp(3 * (latitude - 47.2) + rng.normal(0, 0.1, n_rows))
    texts = {
        "id": [f"{1_000_000 + parcel}" for parcel in parcels],
        "date": [f"2014{month:02d}13T000000" for month in rng.integers(1, 13, n_rows)],
        "bedrooms": [str(number) for number in rng.integers(1, 7, n_rows)],
        "sqft_living": [f"{number:,}" for number in size],
        "yr_renovated": [str(year) for year in rng.choice([0, 0, 0, 1990, 2008], n_rows)],
        "zipcode": [str(98_000 + int(50 * (place - 47.2))) for place in latitude],
        "view": rng.choice(["none", "lake", ""], n_rows).tolist(),
        "lat": [f"{degrees:.4f}" for degrees in latitude],
        "long": [f"{degrees:.4f}" for degrees in longitude],
    }
    if market.has_price:
        target = [f"${round(amount * 100):,}" for amount in worth]
    else:
        edges = np.quantile(worth, np.linspace(0, 1, len(market.categories) + 1)[1:-1])
        target = [market.categories[position] for position in np.searchsorted(edges, worth)]
    return pd.DataFrame({**texts, market.target_column.raw: target}, dtype=object)
