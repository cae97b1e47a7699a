"""Asset checks of the listings."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.inference.market import Market
from housing_assets.lineage_page import table

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any


def contract_check(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    """Return the check of listings against their market's declaration.

    Parameters
    ----------
    asset : AssetKey
        Given here and not replaced afterwards, as keys of assets are: Dagster would make the check an asset by that,
        and warn of its own parameter ``execution_type`` whenever the code location loads.
    """

    @dg.asset_check(
        asset=asset,
        blocking=True,
        description="Every value has its declared type and lies within its declared bounds; required values are there.",
    )
    def obeys_contract(listings: DataFrame, market: dg.ResourceParam[Market]) -> dg.AssetCheckResult:
        """Validate the listings against the market's pandera schema; failures are listed in the metadata."""
        from housing_assets.listings.contract import MAX_FAILURE_CASES, failure_cases, listings_schema

        failures = failure_cases(listings_schema(market), listings)
        return dg.AssetCheckResult(
            passed=failures.empty,
            metadata={
                "failures": len(failures),
                "failure_cases": table(failures.head(MAX_FAILURE_CASES)),
                "rows": len(listings),
            },
        )

    return obeys_contract
