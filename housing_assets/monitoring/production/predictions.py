"""What production was asked and answered: rows of the prediction store beside the typed values of their listings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import parse_frame
from housing_assets.monitoring.profiles.profile import PROFILED
from resources.predictions.frames import read_listings, read_probabilities

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = "price_category"
PROBABILITIES = "probabilities"

REQUEST_KEY = "request_key"

ANSWERED = ("prediction_id", "predicted_at", REQUEST_KEY, "tier", "model_version", PREDICTED, PROBABILITIES)
"""Columns of the store that are kept beside the typed listing."""

RULE_TIER = "rule"
"""Tier of an answer that no model gave, because none could be loaded: it says nothing about any."""


def type_predictions(market: Market, stored: "pd.DataFrame", raw: "pd.DataFrame") -> "pd.DataFrame":
    """Return the answers of a frame of the prediction store beside the typed values of their listings.

    Parameters
    ----------
    market : Market
    stored : DataFrame of shape (n_rows, n_columns)
        With the columns of ``ANSWERED``.
    raw : DataFrame of shape (n_rows, n_raw_columns)
        The listings as they were sent.
    """
    import pandas as pd

    listings, _ = parse_frame(market, raw, with_target=False)
    return pd.concat([stored[list(ANSWERED)].reset_index(drop=True), listings], axis="columns")


def type_page(market: Market, stored: "pd.DataFrame") -> "pd.DataFrame":
    """Return a page of the prediction store typed, with the listings that it holds."""
    return type_predictions(market, stored, read_listings(stored))


def profiled_columns(market: Market) -> tuple[str, ...]:
    """Return the columns of typed predictions that a day is profiled from."""
    values = (value.name for value in market.values(*PROFILED))
    return ("predicted_at", "tier", "model_version", PREDICTED, PROBABILITIES, *values)


def read_answers(predictions: "pd.DataFrame", categories: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return what was predicted, as arrays.

    Parameters
    ----------
    predictions : DataFrame of shape (n_rows, n_columns)
        With ``price_category`` and ``probabilities`` as the prediction store has them.
    categories : sequence of str

    Returns
    -------
    predicted : ndarray of shape (n_rows,), int64
        Index into ``categories``; -1 where a row has none of them.
    probabilities : ndarray of shape (n_rows, n_categories), float64
        NaN where a row has none.
    """
    import pandas as pd

    texts = pd.Categorical(predictions[PROBABILITIES])
    of_texts = read_probabilities(texts.categories, categories)
    nothing = np.full((1, len(categories)), np.nan)  # taken by the code -1, of a row without probabilities
    return read_codes(predictions[PREDICTED], categories), np.concatenate([of_texts, nothing])[texts.codes]


def read_codes(texts: "pd.Series", categories: Sequence[str]) -> np.ndarray:
    """Return the index of each text in ``categories``, -1 where it is none of them: int64."""
    import pandas as pd

    return pd.Categorical(texts, categories=list(categories)).codes.astype(np.int64)


def version_numbers(predictions: "pd.DataFrame") -> np.ndarray:
    """Return the registered version that answered each row, 0 where none did: int64 of shape (n_rows,)."""
    import pandas as pd

    numbers = pd.to_numeric(predictions["model_version"].astype(object), errors="coerce").fillna(0).to_numpy(np.int64)
    return np.where(predictions["tier"].to_numpy() == RULE_TIER, 0, numbers)
