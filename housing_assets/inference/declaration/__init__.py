"""The parts of a market's declaration: columns with their rules and values, the features made of these, the target.

They are data. ``market.py`` puts them together; what contradicts itself is refused when it is declared.
"""

from housing_assets.inference.declaration.columns import (
    FEATURE_NUMBERS,
    NUMBERS,
    OF_TARGETS,
    TARGETS,
    TEXTS,
    Column,
    Role,
    Value,
)
from housing_assets.inference.declaration.features import (
    SEPARATOR,
    Bin,
    Grid,
    LinearNumber,
    LocalKernel,
    Quotient,
)
from housing_assets.inference.declaration.requirements import DeclarationError
from housing_assets.inference.declaration.target import (
    ASKING,
    MAX_CATEGORIES,
    PAID,
    PRICE_KINDS,
    Classes,
    PriceBands,
    PriceKind,
)

__all__ = [
    "ASKING",
    "FEATURE_NUMBERS",
    "MAX_CATEGORIES",
    "NUMBERS",
    "OF_TARGETS",
    "PAID",
    "PRICE_KINDS",
    "SEPARATOR",
    "TARGETS",
    "TEXTS",
    "Bin",
    "Classes",
    "Column",
    "DeclarationError",
    "Grid",
    "LinearNumber",
    "LocalKernel",
    "PriceBands",
    "PriceKind",
    "Quotient",
    "Role",
    "Value",
]
