"""A raw ad as web frameworks are told of it."""

from pydantic import BaseModel, Field, create_model

from housing_assets.markets.istanbul import MARKET

Listing: type[BaseModel] = create_model(
    "Listing",
    **{  # type: ignore[call-overload]
        f"column_{position}": (str | float | None, Field(default=None, alias=column.raw))
        for position, column in enumerate(MARKET.columns)
    },
)
"""A text or a number for each declared column; the names of some are no identifiers, so all are aliases."""
