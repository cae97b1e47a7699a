"""Two markets unlike the one with a generator: one with five price bands, one whose rows have classes."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.inference.declaration import Classes, Column, PriceBands, Role, Value
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Day, Number, Text

DAY = date(2026, 3, 1)

_HOME = (
    Column("Id", "H-17", Text(), (Value("home", Role.KEY, personal=True),)),
    Column("Area", "81", Number(), (Value("area", Role.NUMERIC, 1, 10_000),)),
    Column("Quarter", "north", Text(), (Value("quarter", Role.CATEGORY),)),
    Column("Owner", "Jane", Text(), (Value("owner", Role.HASHED, personal=True),)),
)

FIVE_BANDS = Market(
    name="five_bands",
    title="Homes in five price bands",
    target=PriceBands(("a", "b", "c", "d", "e"), (0.2, 0.4, 0.6, 0.8), "EUR", "asking"),
    columns=(
        *_HOME,
        Column("Listed", "2026-02-28", Day(), (Value("listed_on", Role.CLOCK),)),
        Column("Rent", "900", Number(), (Value("rent", Role.PRICE, 1, 1e6),), required=True),
    ),
    segments=("quarter",),
)

_ENERGY = ("good", "fair", "poor")

CLASSES = Market(
    name="classes",
    title="Homes with an energy class",
    target=Classes(_ENERGY),
    columns=(*_HOME, Column("Energy", "fair", Choice(_ENERGY), (Value("energy", Role.CLASS),), required=True)),
)

LABELS = {
    "five_bands": LabelScheme("first", FIVE_BANDS.categories, (600.0, 800.0, 1_000.0, 1_300.0), "EUR", 0),
    "classes": LabelScheme("first", CLASSES.categories, (), "", 0),
}


def draw(market: Market, rows: int, seed: int, *, larger: float = 1.0) -> pd.DataFrame:
    """Invent typed listings, with what is predicted of them."""
    generator = np.random.default_rng(seed)
    area = generator.lognormal(4.4, 0.4, rows).round(1)
    values: dict[str, Any] = {
        "home": pd.Categorical([f"{seed} {row}" for row in range(rows)]),
        "area": area * larger,
        "quarter": pd.Categorical(generator.choice(["north", "south", "west"], rows)),
        "owner": pd.Categorical(generator.choice(["Jane", "John"], rows)),
    }
    if market.has_price:
        values["listed_on"] = np.full(rows, np.datetime64(DAY, "s"))
        values["rent"] = area * 11 * generator.lognormal(0, 0.05, rows)
    else:
        likely = np.digitize(area, [70, 100])
        values["energy"] = np.array(CLASSES.categories, dtype=object)[_mistaken(likely, 3, 0.1, generator)]
    return pd.DataFrame(values)


def truth(market: Market, listings: pd.DataFrame) -> np.ndarray:
    """Give the index of each listing's category."""
    return LABELS[market.name].labels(listings[market.target_value.name].to_numpy()).astype(np.int64)


def predict(market: Market, listings: pd.DataFrame, *, errors: float = 0.2) -> np.ndarray:
    """Give probabilities of a model that errs on so many rows, and says how sure it may be."""
    n = len(market.categories)
    generator = np.random.default_rng(len(listings))
    predicted = _mistaken(truth(market, listings), n, errors, generator)
    rest = errors / (n - 1)
    return np.where(np.eye(n)[predicted] > 0, 1 - errors, rest)


def _mistaken(indices: np.ndarray, n: int, share: float, generator: np.random.Generator) -> np.ndarray:
    wrong = generator.random(len(indices)) < share
    return np.where(wrong, (indices + generator.integers(1, n, len(indices))) % n, indices)
