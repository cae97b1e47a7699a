"""Assets of the group ``listings``: raw ads, what production learned of them, typed listings, and unusable rows."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.inference.declaration import DeclarationError
from housing_assets.inference.market import Market
from housing_assets.lineage_page import MASKED, sample_rows, table_schema
from resources.compute.resource import Compute
from resources.listing_source import ListingSource
from resources.mlflow.registry import LINEAGE_CONTRACT, ModelRegistry
from resources.predictions.day_decisions import Days
from resources.predictions.store import PredictionStore
from resources.retries import retried

if TYPE_CHECKING:
    from collections.abc import Callable

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


class LabelledListingsConfig(dg.Config):
    """Which answered requests are learned from."""

    days: int = Field(
        default=90,
        ge=0,
        le=3_650,
        description="Age of the answered requests whose truth came back; 0 leaves them all out, and reads no store.",
    )


@dg.asset(group_name=GROUP, kinds={"pandas", "parquet"})
@retried
def raw_listings(
    context: dg.AssetExecutionContext,
    config: RawListingsConfig,
    source: ListingSource,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[DataFrame]:
    """Real-estate ads exactly as scraped, each with its file and row."""
    from housing_assets.listings.samples import load_sample
    from housing_assets.listings.source import RawListings, SourceError, read_listings

    location = config.source or source.location
    try:
        if location:
            raw = read_listings(market, location, source.s3_client)
        else:
            drawn = load_sample(market).draw(source.sample_rows, seed=source.sample_seed)
            raw = RawListings.of_sample(market, drawn)
    except (SourceError, DeclarationError) as fault:
        raise dg.Failure(str(fault)) from fault
    context.log.info(f"{len(raw.frame):,} rows from {len(raw.rows_by_file):,} file{'s'[: len(raw.rows_by_file) > 1]}")
    if raw.skipped:
        context.log.info(f"files left unread: {len(raw.skipped):,}, first {', '.join(raw.skipped[:MAX_SKIPPED])}")
    return dg.MaterializeResult(
        value=raw.frame,
        metadata={
            "dagster/row_count": len(raw.frame),
            "dagster/column_schema": table_schema(raw.frame),
            "files": dg.MetadataValue.json(raw.rows_by_file),
            "files_skipped": len(raw.skipped),
            "first_files_skipped": dg.MetadataValue.json(list(raw.skipped[:MAX_SKIPPED])),
            "synthetic": not location,
            "sample": sample_rows(raw.frame, market.personal_names),
        },
    )


# It reads nothing of raw_listings: it comes after them so that whoever trains on new ones takes what was learned along.
@dg.asset(group_name=GROUP, kinds={"sqlalchemy", "parquet"}, deps=["prediction_store", "raw_listings"])
@retried
def labelled_listings(
    context: dg.AssetExecutionContext,
    config: LabelledListingsConfig,
    predictions: PredictionStore,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[DataFrame]:
    """Answered requests whose truth came back, typed like every listing: what production teaches the next version.

    Those of days that are held, or that were not judged yet, are left out.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from housing_assets.listings.labelled import type_labelled
    from housing_assets.listings.origins import ASKED_ON
    from resources.predictions.frames import read_listings

    now, days = datetime.now(UTC), Days()
    names = [column.raw for column in market.columns]
    try:
        days = predictions.days() if config.days else days
        labelled = type_labelled(
            market,
            predictions.labels(
                now,
                since=now - timedelta(days=config.days),
                purpose="teaching",
                price_kind=market.common_price_kind,
            )
            if config.days
            else (),
            lambda frame: read_listings(frame, names),
            _kinds_of_versions(registry),
        )
    except SQLAlchemyError as fault:
        reason = str(fault).splitlines()[0]
        raise dg.Failure(
            f"the prediction store (HOUSING_PREDICTION_STORE), whose labelled rows are learned from, cannot be read: "
            f"{reason}; days: 0 in labelled_listings' config does without"
        ) from fault
    context.log.info(
        f"{len(labelled.listings):,} labelled listings, {labelled.unusable:,} could not be used, prices of "
        f"{labelled.of_another_price_kind:,} are of another kind"
    )
    asked = sorted({day.date().isoformat() for day in labelled.listings[ASKED_ON]})
    held = sorted(day.isoformat() for day in days.held)
    return dg.MaterializeResult(
        value=labelled.listings,
        metadata={
            "dagster/row_count": len(labelled.listings),
            "unusable": labelled.unusable,
            "copies": labelled.copies,
            "of_another_price_kind": labelled.of_another_price_kind,
            "days": dg.MetadataValue.json(asked),
            "held_days": dg.MetadataValue.json(held),
            "sample": sample_rows(labelled.listings, market.personal_names),
        },
    )


def _kinds_of_versions(registry: ModelRegistry) -> "Callable[[str], bool | None]":
    """Return what tells whether a version was trained on synthetic rows; the registry is asked once, if at all."""
    from functools import cache

    @cache
    def kinds() -> dict[str, bool]:
        import json

        tags = {str(version.number): version.tags.get(LINEAGE_CONTRACT) for version in registry.versions()}
        return {number: bool(json.loads(text)["synthetic"]) for number, text in tags.items() if text}

    return lambda version: kinds().get(version)


@dg.multi_asset(
    group_name=GROUP,
    can_subset=True,
    outs={
        "listings": dg.AssetOut(
            is_required=False,
            description="Ads with typed values, copies removed, and behind them the labelled ones; obeys the contract "
            "in contract.py.",
            kinds={"pandas", "parquet"},
        ),
        "quarantined_listings": dg.AssetOut(
            is_required=False,
            description="Ads that cannot be used, or whose price no home like them has: the column, the value and the "
            "reason, beside the raw row.",
            kinds={"pandas", "parquet"},
        ),
    },
    check_specs=[
        dg.AssetCheckSpec(
            "every_row_accounted_for",
            asset="listings",
            blocking=True,
            description="Every row read is a listing, in quarantine, or an exact duplicate; none is lost or counted "
            "twice.",
        )
    ],
)
@retried
def cleaned_listings(
    context: dg.AssetExecutionContext,
    raw_listings: DataFrame,
    labelled_listings: DataFrame,
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> Any:
    """Parse raw ads into typed listings; what cannot be used, or has an implausible price, is quarantined."""
    from housing_assets.listings.admission import admit
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.price_kinds import count_kinds

    with compute.open() as engine:
        cleaned, computed = clean(market, raw_listings, engine), engine.account()
    admitted = admit(market, raw_listings, cleaned, labelled_listings)
    listings, quarantined, counts = admitted.listings, admitted.quarantined, admitted.counts
    context.log.info(", ".join(f"{name} {count:,}" for name, count in counts.items()))
    selected = {key.path[-1] for key in context.selected_asset_keys}
    if "listings" in selected:
        told = ("rows_read", "quarantined", "implausible_prices", "duplicates_removed", "labelled_rows")
        yield dg.Output(
            listings,
            output_name="listings",
            metadata={
                "dagster/row_count": len(listings),
                "dagster/column_schema": table_schema(listings),
                **{name: counts[name] for name in told},
                **computed,
                "price_kinds": dg.MetadataValue.json(count_kinds(market, listings)),
                "sample": sample_rows(listings, market.personal_names),
            },
        )
    if "quarantined_listings" in selected:
        reasons = (quarantined["column"] + ": " + quarantined["reason"]).value_counts()
        yield dg.Output(
            quarantined,
            output_name="quarantined_listings",
            metadata={
                "dagster/row_count": len(quarantined),
                "reasons": dg.MetadataValue.json(
                    {str(reason): rows for reason, rows in reasons.head(MAX_REASONS).items()}
                ),
                "distinct_reasons": len(reasons),
                "sample": sample_rows(_mask_personal_values(market, quarantined), market.personal_names),
            },
        )
    for check in context.selected_asset_check_keys:
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=check.asset_key,
            passed=admitted.fault is None,
            description=admitted.fault or "every row is accounted for once",
            metadata=counts,
        )


def _mask_personal_values(market: Market, quarantined: DataFrame) -> DataFrame:
    """Mask the value that is shown beside a reason where it is of a personal column."""
    personal = quarantined["column"].isin(market.personal_names)
    return quarantined.assign(value=quarantined["value"].mask(personal, MASKED))
