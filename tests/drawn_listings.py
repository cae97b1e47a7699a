"""Hypothesis strategies for listings: typed values with missing parts, and raw cells with dirt."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from housing_assets.inference.declaration import Value
from housing_assets.inference.market import Market

WORDS = ("Kadıköy", "Şile", "unknown", "Kombi × Doğalgaz", "Kombi", "Doğalgaz", "a × b", "b × c", "a", "b", "c", "=")
RAW_TEXTS = (
    "", "-", "nan", "0", "-0", "1", "3", "2.5", "2,5", "2.250", "2.250 m2", "160 m2", "-0 m2", "0 m2", "7 TL",
    "3,100,000TL", "34,550,000TLarrow_downward%3", "0 (Yeni)", "5-10", "21 Ve Üzeri", "3+1", "2.5+1", "8+ Oda", "5 Oda",
    "3. Kat", "10-20. Kat", "Kot 1 (-1). Kat", "Çatı Katı", "40+. Kat", "24 Şubat 2022", "1 Ocak 1999", "-0+1",
    "2022-02-24", "Stüdyo",
    "31 Şubat 2022", "0001-01-01", "Kombi Doğalgaz", "a × b", "b × c", "Yok", "1e400", "inf", "\ud800",
    "['Anasayfa', 'Satılık Daire', 'İstanbul Satılık Daire', 'Maden Mahallesi Satılık Daire']",
    "Anasayfa > Satılık Villa > Yalı Mahallesi Satılık Villa", "20141013T000000", "-122.257", "47.5112", "122.257 W",
    "$221,900", "1,180 sq ft", "2139",
)  # fmt: skip


def typed_listings(market: Market) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a typed listing without its target; every value may be missing."""
    return st.fixed_dictionaries({value.name: st.none() | _found(value) for value in _untargeted(market)})


def raw_ads(market: Market) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the raw cells of an ad: texts that a rule reads, texts that none reads, and columns that are absent."""
    cell = st.sampled_from(RAW_TEXTS) | st.text(max_size=12) | st.none()
    examples = {column.raw: cell | st.just(column.example) for column in market.columns}
    return st.fixed_dictionaries({}, optional=examples)


def frame_of(market: Market, drawn: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return typed listings as a frame like ``clean``'s."""
    columns: dict[str, Any] = {}
    for value in _untargeted(market):
        cells = [listing.get(value.name) for listing in drawn]
        if value.is_number:
            columns[value.name] = np.array(cells, dtype=np.float64)
        elif value.is_text:
            columns[value.name] = pd.Categorical(cells, categories=sorted({*WORDS, *filter(None, cells)}))
        else:
            columns[value.name] = np.array(cells, dtype="datetime64[D]").astype("datetime64[s]")
    return pd.DataFrame(columns)


def _untargeted(market: Market) -> list[Value]:
    return [value for value in market.values() if value != market.target_value]


def _found(value: Value) -> st.SearchStrategy[Any]:
    if value.is_number:
        low, high = value.minimum, min(value.maximum, 1e6)
        whole = st.integers(int(np.ceil(low)), int(high)).map(float)
        zero = st.sampled_from([0.0, -0.0]) if low <= 0 else st.just(low)
        return st.floats(low, high) | whole | zero
    if value.is_text:
        return st.sampled_from(WORDS) | st.text(min_size=1, max_size=6)
    return st.dates(date(1990, 1, 1), date(2040, 12, 31))
