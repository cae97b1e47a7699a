"""Handwritten digits, as scikit-learn ships them: a market for tests, without a price, a home or a place.

A row is an image of 8 by 8 pixels, each with 0 to 16 points of ink, and the digit that it shows.
"""

from housing_assets.inference.declaration import Bin, Classes, Column, LinearNumber, Role, Value
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Number

DIGITS = tuple("0123456789")
INK = 16
PIXELS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))

MARKET = Market(
    name="digits",
    title="Handwritten digits",
    target=Classes(DIGITS),
    columns=(
        *(Column(name, "12", Number(decimal="."), (Value(name, Role.ORDINAL, 0, INK, 4),), True) for name in PIXELS),
        Column("digit", "7", Choice(DIGITS), (Value("digit", Role.CLASS),), required=True),
    ),
    bins=tuple(Bin(f"{name}_by_4", name, width=4) for name in PIXELS),
    linear=tuple(LinearNumber(name) for name in PIXELS),
    segments=("pixel_3_3_by_4",),
    fallback=("pixel_3_3_by_4", "pixel_4_4_by_4", "pixel_2_5_by_4"),
)
