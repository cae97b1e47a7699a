"""The contract of a lineage is kept by whoever declares the same, and by nobody else."""

import json
from dataclasses import replace
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from housing_assets.features.assets import PriceBandsConfig, price_bands
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.origins import ORIGIN, SOURCE
from resources.mlflow.registry import ModelRegistry
from tests.other_markets import PARCELS, with_kind

KEPT = LabelScheme("first", PARCELS.categories, (1e5, 2e5, 3e5, 4e5), "USD", 0, PARCELS.recognized_by)
LISTINGS = pd.DataFrame({ORIGIN: [SOURCE]})


class OneLineage(ModelRegistry):
    """A registry in which a lineage has begun."""

    contract: str

    def lineage_contract(self) -> dict[str, Any]:
        return dict(json.loads(self.contract))


def kept_by(market: Market, price_kind: str) -> LabelScheme:
    contract = json.dumps(replace(KEPT, price_kind=price_kind).to_dict())
    found = price_bands(
        dg.build_asset_context(),
        PriceBandsConfig(),
        listings=LISTINGS,
        registry=OneLineage(tracking_uri="", contract=contract),
        market=market,
    )
    scheme: LabelScheme = found.value
    return scheme


@pytest.mark.parametrize("price_kind", ["paid", ""])
def test_a_lineage_goes_on_with_its_kind_of_prices_and_one_from_before_it_was_kept_takes_the_declared_one(
    price_kind: str,
) -> None:
    assert kept_by(with_kind(PARCELS, "paid"), price_kind) == replace(KEPT, price_kind="paid")


def test_a_lineage_of_another_kind_of_prices_is_not_gone_on_with() -> None:
    with pytest.raises(dg.Failure, match="learned paid prices, and parcels now declares asking ones: start a new"):
        kept_by(with_kind(PARCELS, "asking"), "paid")
