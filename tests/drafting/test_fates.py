"""Whatever a file holds: its draft loads, or is refused in a sentence, and every row that it reads has one fate."""

import string
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from housing_assets.drafting.inspection import inspect_rows
from housing_assets.drafting.writing import draft_market
from housing_assets.inference.declaration import DeclarationError
from housing_assets.listings.cleaning import account_rows, clean
from housing_assets.market_loading import load_market

DIGITS = st.from_regex(r"[+-]?\d{1,9}(?:[.,]\d{1,4}){0,2}", fullmatch=True)
AMOUNTS = st.tuples(
    st.sampled_from(["", "€", "R$ ", "from "]), DIGITS, st.sampled_from(["", " m²", "TL", "TLup%3", "k"])
)
CELLS = {
    "anything": st.text(max_size=12),
    "words": st.sampled_from(["a", "b", "no", "N/A", "Kadıköy", "ß", "\ud800", "\\xe9", "'", '"', "'\"", "x" * 1_001]),
    "numbers": AMOUNTS.map("".join),
    "small": st.integers(-3, 40).map(str),
    "large": st.sampled_from(["1e300", "1e-320", "99999999999999999999", "1.225e+06", "inf", "0"]),
    "degrees": st.floats(-200, 200).map(lambda degrees: f"{degrees:.4f}"),
    "days": st.dates().map(str) | st.dates().map(lambda day: f"{day:%d/%m/%Y}"),
    "months": st.sampled_from(["24 Şubat 2022", "1 March 2021", "31 June 2020", "3 kwietnia 2020"]),
    "ranges": st.sampled_from(["5-10", "11–15", "21+", "0 (new)", "555-1234", "9-3", "none"]),
    "rooms": st.sampled_from(["3+1", "2.5+1", "8+ rooms", "Studio", "5"]),
    "floors": st.sampled_from(["3. Floor", "10-20. Floor", "-1. Floor", "Attic", "٣. Floor"]),
    "paths": st.sampled_from(["['Home', 'For Flat', 'Oak For Flat']", "a > b > c", "[]", " > "]),
    "gaps": st.just(""),
    "constants": st.just("same"),
    "floats": st.floats(allow_nan=True, width=32),
    "flags": st.booleans(),
}
HEADERS = st.sampled_from(
    "price zip lat lon id agent_id phone street district Wohnfläche yr_built row value 面積 2nd rooms".split()
) | st.text(string.printable, min_size=1, max_size=6)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    n_rows = draw(st.integers(1, 12))
    headers = draw(st.lists(HEADERS, min_size=1, max_size=5, unique=True))
    columns: dict[str, Any] = {
        "asking": draw(
            st.lists(CELLS[draw(st.sampled_from(["small", "numbers", "large"]))], min_size=n_rows, max_size=n_rows)
        )
    }
    for header in headers:
        cells = CELLS[draw(st.sampled_from(sorted(CELLS)))]
        columns[header] = draw(st.lists(cells, min_size=n_rows, max_size=n_rows))
    return pd.DataFrame(columns)


@pytest.mark.trial
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=frames(), classes=st.booleans())
def test_every_draft_loads_and_gives_every_row_one_fate(tmp_path: Path, frame: pd.DataFrame, classes: bool) -> None:
    try:
        text = draft_market(frame, "mine", target="asking", classes=classes)
    except DeclarationError as refused:
        text, said = "", str(refused)
    if not text:
        assert "\n" not in said
        return
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    market = load_market(str(path))

    raw = frame[[column.raw for column in market.columns]]  # as sources are read

    found = inspect_rows(market, raw)

    cleaned = clean(market, raw)
    assert account_rows(len(frame), cleaned.listings, cleaned.quarantined, cleaned.duplicates) is None
    assert found.listings + found.quarantined + found.duplicates == found.rows == len(frame)
    for column in found.columns:
        assert column.read + column.missing + column.refused == len(frame)
