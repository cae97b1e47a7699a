"""Assets of the group ``listings``: raw ads, typed listings, and the rows that cannot be used."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.lineage_page import MASKED, sample_rows, table_schema
from housing_assets.listings.columns import personal_names
from resources.listing_source import ListingSource
from resources.model_registry import LINEAGE_CONTRACT, ModelRegistry
from resources.prediction_store import PredictionStore

if TYPE_CHECKING:
    from pandas import DataFrame
else:
    DataFrame = Any

GROUP = "listings"

MAX_SKIPPED = 10
"""Names that the lineage page lists of the files that were not read; a folder of something else has thousands."""

MAX_REASONS = 30
"""Reasons that the lineage page lists, the commonest first; some quote a cell, so that a bad source has thousands."""


class RawListingsConfig(dg.Config):
    """Where this run reads its listings."""

    source: str = Field(default="", description="Overrides HOUSING_SOURCE for this run.")
    labelled_days: int = Field(
        default=90,
        ge=0,
        le=3_650,
        description="Age of the answered requests whose reported prices are learned from, too; 0 leaves them all.",
    )


@dg.asset(group_name=GROUP, kinds={"pandas", "parquet"})
def raw_listings(
    context: dg.AssetExecutionContext,
    config: RawListingsConfig,
    source: ListingSource,
    predictions: PredictionStore,
    registry: ModelRegistry,
) -> dg.MaterializeResult[DataFrame]:
    """Real-estate ads exactly as scraped, each with its file and row, and behind them what production learned since."""
    from housing_assets.listings.feedback import SOURCE, append_labelled
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
    if raw.skipped:
        context.log.info(f"{len(raw.skipped):,} files not read: {', '.join(raw.skipped[:MAX_SKIPPED])}")
    labelled = _read_labelled(config.labelled_days, predictions, registry, synthetic=not location)
    frame, n_labelled, left_out = append_labelled(raw.frame, labelled)
    context.log.info(f"{n_labelled:,} labelled predictions behind them, {left_out:,} left out")
    files = {**raw.rows_by_file, **({SOURCE: n_labelled} if n_labelled else {})}
    return dg.MaterializeResult(
        value=frame,
        metadata={
            "dagster/row_count": len(frame),
            "dagster/column_schema": table_schema(frame),
            "files": dg.MetadataValue.json(files),
            "files_skipped": len(raw.skipped),
            "first_files_skipped": dg.MetadataValue.json(list(raw.skipped[:MAX_SKIPPED])),
            "synthetic": not location,
            "labelled_rows": n_labelled,
            "labelled_left_out": left_out,
            "sample": sample_rows(frame, personal_names()),
        },
    )


def _read_labelled(days: int, predictions: PredictionStore, registry: ModelRegistry, *, synthetic: bool) -> DataFrame:
    """Return the listings of answered requests as they were sent, with the prices that came back, oldest first.

    Only those that a version answered which was trained on ads of the same kind: requests of a demonstration must not
    end up among real ads, nor the other way round.
    """
    import json

    import pandas as pd
    from sqlalchemy.exc import SQLAlchemyError

    from housing_assets.listings.columns import COLUMNS, TARGET
    from resources.prediction_store import read_listings

    names = [column.raw for column in COLUMNS]
    target = next(column.raw for column in COLUMNS if column.values[0].name == TARGET)
    found: list[DataFrame] = []
    now = datetime.now(UTC)
    kinds: dict[str, bool] = {}
    try:
        for frame in predictions.labels(now, since=now - timedelta(days=days)) if days else ():
            if len(frame) and not kinds:
                tags = {str(version.number): version.tags[LINEAGE_CONTRACT] for version in registry.versions()}
                kinds = {number: bool(json.loads(bands)["synthetic"]) for number, bands in tags.items()}
            kept = frame[[kinds.get(version) is synthetic for version in frame["model_version"]]]
            if len(kept):
                found.append(read_listings(kept, names).assign(**{target: kept["price"].astype(object)}))
    except SQLAlchemyError as fault:
        reason = str(fault).splitlines()[0]
        raise dg.Failure(
            f"the prediction store (HOUSING_PREDICTION_STORE), whose labelled rows are learned from, cannot be read: "
            f"{reason}; labelled_days: 0 in raw_listings' config does without"
        ) from fault
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names, dtype=object)


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
