"""Drafts, loaded as a user's file is."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.drafting.writing import draft_market
from housing_assets.inference.market import Market
from housing_assets.market_loading import load_market

Draft = Callable[..., Market]


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """Draft a market from columns of cells, write it to a file, and load that."""

    def run(columns: dict[str, list[str]], **options: object) -> Market:
        path = tmp_path / "mine.py"
        path.write_text(draft_market(pd.DataFrame(columns, dtype=object), "mine", **options), encoding="utf-8")  # type: ignore[arg-type]
        return load_market(str(path))

    return run
