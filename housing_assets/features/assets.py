"""Assets of the group ``features``: price bands, crosses, and the encoded matrices."""

from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.lineage_page import sample_rows
from housing_assets.listings.columns import personal_names
from resources.model_registry import ModelRegistry

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.bands import PriceBands
    from housing_assets.features.encoded import EncodedListings
else:  # imported when values are read; see AssetStorage
    DataFrame = PriceBands = EncodedListings = Any

GROUP = "features"


class PriceBandsConfig(dg.Config):
    """Whether the bands are kept."""

    reband: bool = Field(
        default=False,
        description="Learn new price bands from these listings. Starts a new lineage, whose versions cannot be "
        "compared with the ones before.",
    )


class EncoderConfig(dg.Config):
    """How listings are encoded."""

    n_folds: int = Field(default=5, ge=2, le=20, description="Folds of the out-of-fold scores.")
    inverse_penalty: float = Field(default=0.5, gt=0, le=1e3, description="C of the linear scores' regressions.")


@dg.asset(group_name=GROUP, kinds={"python"})
def price_bands(
    context: dg.AssetExecutionContext, config: PriceBandsConfig, listings: DataFrame, registry: ModelRegistry
) -> dg.MaterializeResult[PriceBands]:
    """Band edges and holdout thresholds: those of the version in production, or learned for a new lineage."""
    from housing_assets.features.bands import PriceBands

    kept = None if config.reband else registry.lineage_contract()
    synthetic = _are_synthetic(context)
    bands = PriceBands.from_dict(kept) if kept else PriceBands.learn(listings, synthetic=synthetic)
    if bands.synthetic != synthetic:
        was, now = ("synthetic", "real") if bands.synthetic else ("real", "synthetic")
        raise dg.Failure(
            f"the registered versions were trained on {was} ads and these are {now}: set HOUSING_SOURCE, use another "
            "HOUSING_STORAGE or MLFLOW_TRACKING_URI, or start a new lineage with price_bands' config reband: true"
        )
    context.log.info(f"{'keeps' if kept else 'starts'} lineage {bands.lineage}: edges {bands.edges} {bands.currency}")
    return dg.MaterializeResult(
        value=bands,
        metadata={
            "lineage": bands.lineage,
            "starts_lineage": kept is None,
            "low_up_to": bands.edges[0],
            "medium_up_to": bands.edges[1],
            "currency": bands.currency,
        },
    )


def _are_synthetic(context: dg.AssetExecutionContext) -> bool:
    """Return what the last materialization of raw_listings says of its source."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey("raw_listings"))
    if event is None or event.asset_materialization is None:
        raise dg.Failure("raw_listings was never materialized here: make materialize")
    return bool(event.asset_materialization.metadata["synthetic"].value)


@dg.asset(group_name=GROUP, kinds={"pandas", "parquet"})
def crossed_features(listings: DataFrame) -> dg.MaterializeResult[DataFrame]:
    """Listings with bins, crosses of high-cardinality values, and quotients."""
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoder import text_names

    crossed = cross_frame(listings)
    distinct = {name: int(crossed[name].nunique()) for name in text_names()}
    return dg.MaterializeResult(
        value=crossed,
        metadata={
            "dagster/row_count": len(crossed),
            "distinct_values": dg.MetadataValue.json(distinct),
            "distinct_tokens": sum(distinct.values()),
            "sample": sample_rows(crossed, personal_names()),
        },
    )


@dg.asset(group_name=GROUP, kinds={"scikitlearn", "numpy"})
def hashed_features(
    context: dg.AssetExecutionContext, config: EncoderConfig, crossed_features: DataFrame, price_bands: PriceBands
) -> dg.MaterializeResult[EncodedListings]:
    """Training and held-out listings as sparse matrices: numbers, out-of-fold linear scores, hashed tokens."""
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder

    encoder = ListingEncoder(n_folds=config.n_folds, inverse_penalty=config.inverse_penalty)
    encoded = EncodedListings.encode(crossed_features, price_bands, encoder)
    n_train, n_columns = encoded.X_train.shape
    filled = int((encoded.X_train.getnnz(axis=0) > 0).sum())
    context.log.info(f"{n_train:,} training rows × {n_columns:,} columns, {filled:,} of them filled")
    return dg.MaterializeResult(
        value=encoded,
        metadata={
            "training_rows": n_train,
            "holdout_rows": encoded.X_holdout.shape[0],
            "columns": n_columns,
            "columns_filled": filled,
            "values_per_row": encoded.X_train.nnz / n_train,
        },
    )
