"""Asset checks made of pandera contracts."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.lineage_page import table

if TYPE_CHECKING:
    import pandera.pandas as pa
    from pandas import DataFrame
else:
    DataFrame = Any


def contract_check(asset: str, schema: "Callable[[], pa.DataFrameSchema]") -> dg.AssetChecksDefinition:
    """Return the blocking check that an asset obeys a pandera schema, validated lazily.

    Parameters
    ----------
    asset : str
        Key of an asset whose value is a DataFrame.
    schema : callable
        Makes the schema when the check runs, so that pandera is not imported with the code location.
    """

    @dg.asset_check(
        asset=asset,
        name="obeys_contract",
        blocking=True,
        description="Declared types, bounds and required values; failures are listed in the metadata.",
    )
    def obeys_contract(value: DataFrame) -> dg.AssetCheckResult:
        from housing_assets.listings.contract import MAX_FAILURE_CASES, failure_cases

        failures = failure_cases(schema(), value)
        return dg.AssetCheckResult(
            passed=failures.empty,
            metadata={
                "failures": len(failures),
                "failure_cases": table(failures.head(MAX_FAILURE_CASES)),
                "rows": len(value),
            },
        )

    return obeys_contract


def _listings_schema() -> "pa.DataFrameSchema":
    from housing_assets.listings.contract import listings_schema

    return listings_schema()


listings_contract = contract_check("listings", _listings_schema)
