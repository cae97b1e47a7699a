"""Assets of the group ``listings``: raw ads, typed listings, and the rows that cannot be used."""

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.lineage_page import MASKED, sample_rows, table_schema
from housing_assets.listings.columns import personal_names
from resources.listing_source import ListingSource

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any

GROUP = "listings"

MAX_REASONS = 30
"""Reasons that the lineage page lists, the commonest first; some quote a cell, so that a bad source has thousands."""


class RawListingsConfig(dg.Config):
    """Where this run reads its listings."""

    source: str = Field(default="", description="Overrides HOUSING_SOURCE for this run.")


@dg.asset(group_name=GROUP, kinds={"pandas", "parquet"})
def raw_listings(
    context: dg.AssetExecutionContext, config: RawListingsConfig, source: ListingSource
) -> dg.MaterializeResult[DataFrame]:
    """Real-estate ads exactly as scraped, each with its file and row."""
    from housing_assets.listings.sample import synthetic_listings
    from housing_assets.listings.source import RawListings, SourceError, read_listings

    location = config.source or source.location
    try:
        if location:
            raw = read_listings(location, source.s3_client)
        else:
            raw = RawListings.of_sample(synthetic_listings(source.sample_rows, seed=source.sample_seed))
    except SourceError as fault:
        raise dg.Failure(str(fault)) from fault
    context.log.info(f"{len(raw.frame):,} rows from {len(raw.rows_by_file)} files")
    return dg.MaterializeResult(
        value=raw.frame,
        metadata={
            "dagster/row_count": len(raw.frame),
            "dagster/column_schema": table_schema(raw.frame),
            "files": dg.MetadataValue.json(raw.rows_by_file),
            "synthetic": not location,
            "sample": sample_rows(raw.frame, personal_names()),
        },
    )


@dg.multi_asset(
    group_name=GROUP,
    can_subset=True,
    outs={
        "listings": dg.AssetOut(
            is_required=False,
            description="Ads with typed values, copies removed; obeys the contract in contract.py.",
            kinds={"pandas", "parquet"},
        ),
        "quarantined_listings": dg.AssetOut(
            is_required=False,
            description="Ads that cannot be used: the column, the value and the reason, beside the raw row.",
            kinds={"pandas", "parquet"},
        ),
    },
    check_specs=[
        dg.AssetCheckSpec(
            "every_row_accounted_for",
            asset="listings",
            blocking=True,
            description="Rows read = listings + quarantined + exact duplicates, each row once.",
        )
    ],
)
def cleaned_listings(context: dg.AssetExecutionContext, raw_listings: DataFrame) -> Any:
    """Parse raw ads into typed listings; what cannot be used is quarantined with its reason."""
    from housing_assets.listings.cleaning import account_rows, clean

    cleaned = clean(raw_listings)
    fault = account_rows(len(raw_listings), cleaned.listings, cleaned.quarantined, cleaned.duplicates)
    counts = {
        "rows_read": len(raw_listings),
        "listings": len(cleaned.listings),
        "quarantined": len(cleaned.quarantined),
        "duplicates_removed": len(cleaned.duplicates),
    }
    context.log.info(", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if dg.AssetKey("listings") in context.selected_asset_keys:
        yield dg.Output(
            cleaned.listings,
            output_name="listings",
            metadata={
                "dagster/row_count": len(cleaned.listings),
                "dagster/column_schema": table_schema(cleaned.listings),
                "duplicates_removed": len(cleaned.duplicates),
                "sample": sample_rows(cleaned.listings, personal_names()),
            },
        )
    if dg.AssetKey("quarantined_listings") in context.selected_asset_keys:
        reasons = (cleaned.quarantined["column"] + ": " + cleaned.quarantined["reason"]).value_counts()
        yield dg.Output(
            cleaned.quarantined,
            output_name="quarantined_listings",
            metadata={
                "dagster/row_count": len(cleaned.quarantined),
                "reasons": dg.MetadataValue.json(
                    {str(reason): rows for reason, rows in reasons.head(MAX_REASONS).items()}
                ),
                "distinct_reasons": len(reasons),
                "sample": sample_rows(_mask_personal_values(cleaned.quarantined), personal_names()),
            },
        )
    if context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            check_name="every_row_accounted_for",
            asset_key="listings",
            passed=fault is None,
            description=fault or "every row has one fate",
            metadata=counts,
        )


def _mask_personal_values(quarantined: DataFrame) -> DataFrame:
    """Mask the value that is shown beside a reason where it is of a personal column."""
    return quarantined.assign(value=quarantined["value"].mask(quarantined["column"].isin(personal_names()), MASKED))
