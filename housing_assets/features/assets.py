"""Assets of the group ``features``: price bands, crosses, and the encoded matrices."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from housing_assets.inference.market import Market
from housing_assets.lineage_page import picture, sample_rows, table
from resources.compute.resource import Compute
from resources.external_index import ExternalIndex
from resources.mlflow.registry import ModelRegistry
from resources.retries import retried

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.index_report import BandedNow
    from housing_assets.inference.labels import LabelScheme
    from housing_assets.inference.price_index import PriceIndex
else:  # imported when values are read; see AssetStorage
    DataFrame = LabelScheme = EncodedListings = PriceIndex = BandedNow = Any

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


class PriceIndexConfig(dg.Config):
    """What an external price index (HOUSING_PRICE_INDEX) is for, where there is one."""

    external: Literal["complete", "replace"] = Field(
        default="complete",
        description="complete: learned together with the listings, to which it lends its history; replace: believed "
        "alone.",
    )


@dg.asset(group_name=GROUP, kinds={"python"})
@retried
def price_bands(
    context: dg.AssetExecutionContext,
    config: PriceBandsConfig,
    listings: DataFrame,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[LabelScheme]:
    """What each category means, and the salt of the holdout: kept from production, or learned for a new lineage."""
    from housing_assets.features.split import learn_labels
    from housing_assets.inference.labels import LabelScheme
    from housing_assets.listings.origins import ORIGIN, SYNTHETIC

    kept = None if config.reband else registry.lineage_contract()
    synthetic = bool((listings[ORIGIN] == SYNTHETIC).any())
    try:
        scheme = LabelScheme.from_dict(kept) if kept else learn_labels(market, listings, synthetic=synthetic)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    if scheme.synthetic != synthetic:
        was, now = ("synthetic", "real") if scheme.synthetic else ("real", "synthetic")
        raise dg.Failure(
            f"the registered versions were trained on {was} ads and these are {now}, whose prices follow other bands: "
            "start a new lineage with price_bands' config reband: true"
        )
    if (scheme.categories, scheme.currency) != (market.categories, market.currency):
        raise dg.Failure(
            f"the registered versions answer {', '.join(scheme.categories)} {scheme.currency}, and {market.name} now "
            f"declares {', '.join(market.categories)} {market.currency}: start a new lineage with price_bands' config "
            "reband: true"
        )
    if scheme.price_kind not in ("", market.price_kind):
        raise dg.Failure(
            f"the registered versions learned {scheme.price_kind} prices, and {market.name} now declares "
            f"{market.price_kind or 'no kind of'} ones: start a new lineage with price_bands' config reband: true"
        )
    scheme = replace(scheme, price_kind=market.price_kind)  # a lineage from before it was kept does not say it
    if kept and scheme.identity != market.recognized_by:
        context.log.warning(
            f"lineage {scheme.lineage} tells homes apart by {', '.join(scheme.identity or market.identity)}, "
            f"{market.name} now by {', '.join(market.recognized_by)}: a held-out ad that comes back with another cell "
            "may be trained on. price_bands' config reband: true starts a lineage without that"
        )
    edges = dict(zip(scheme.categories, scheme.edges, strict=False))
    context.log.info(f"{'keeps' if kept else 'starts'} lineage {scheme.lineage}: {scheme.terms()}")
    return dg.MaterializeResult(
        value=scheme,
        metadata={
            "lineage": scheme.lineage,
            "starts_lineage": kept is None,
            **{f"{category}_up_to": edge for category, edge in edges.items()},
            "currency": scheme.currency,
            "price_kind": scheme.price_kind,
        },
    )


@dg.asset(group_name=GROUP, kinds={"pandas", "parquet"})
@retried
def crossed_features(
    listings: DataFrame, price_bands: LabelScheme, compute: Compute, market: dg.ResourceParam[Market]
) -> dg.MaterializeResult[DataFrame]:
    """Listings with bins, crosses of high-cardinality values, quotients, and the side of the split they are on."""
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.split import HELD_OUT, held_out

    try:
        kept_out = held_out(market, price_bands, listings)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    with compute.open() as engine:
        crossed, computed = cross_frame(market, listings, engine).assign(**{HELD_OUT: kept_out}), engine.account()
    distinct = {name: int(crossed[name].nunique()) for name in market.encoded_texts}
    return dg.MaterializeResult(
        value=crossed,
        metadata={
            "dagster/row_count": len(crossed),
            "held_out_rows": int(crossed[HELD_OUT].sum()),
            "distinct_values": dg.MetadataValue.json(distinct),
            "distinct_tokens": sum(distinct.values()),
            **computed,
            "sample": sample_rows(crossed, market.personal_names),
        },
    )


@dg.asset(
    group_name=GROUP,
    kinds={"scipy"},
    dagster_type=dg.Any,  # beside check specs, Dagster refuses MaterializeResult[PriceIndex]
    check_specs=[
        dg.AssetCheckSpec(name, asset="price_index", description=description)
        for name, description in (
            ("enough_listings_each_month", "Each of the last six months has the listings that its level needs."),
            ("last_month_known", "The index reaches the newest listings, and the last month's level is known."),
            ("no_implausible_jump", "From one month to the next the index changes by no more than markets do."),
            (
                "bands_fit_the_market",
                "At the last month's prices, each band holds about the share of the listings that a new one would.",
            ),
        )
    ],
)
@retried
def price_index(
    context: dg.AssetExecutionContext,
    config: PriceIndexConfig,
    crossed_features: DataFrame,
    price_bands: LabelScheme,
    external_index: ExternalIndex,
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """What a price of one month is in another's: hedonic, by month, learned from the training rows alone."""
    from housing_assets.features import index_report
    from housing_assets.features.price_index_learning import learn_price_index, published_index
    from housing_assets.features.split import HELD_OUT
    from housing_assets.listings.price_kinds import has_exact_price

    try:
        published = published_index(external_index.path)
    except ValueError as fault:
        raise dg.Failure(f"the external price index (HOUSING_PRICE_INDEX) cannot be used: {fault}") from fault
    training = crossed_features[~crossed_features[HELD_OUT]]
    with compute.open() as engine:
        learned = learn_price_index(
            market,
            training,
            amounts=has_exact_price(market, training) if market.has_price else None,
            published=published,
            replace=config.external == "replace",
            engine=engine,
        )
        computed = engine.account()
    index = learned.index
    if index.exists:
        context.log.info(f"{index.n_known} months of {index.clock}, from {index.source}: {index_report.changes(index)}")
    else:
        context.log.info(f"{market.name} has no prices, or its listings have no dates: there is no price index")
    return dg.MaterializeResult(
        value=index,
        metadata={
            "clock": index.clock,
            "source": index.source,
            "months_known": index.n_known,
            **index_report.changes(index),
            **({"residual_std": learned.effects.residual_std} if learned.effects else {}),
            "levels": table(index_report.by_month(index).head(60)),
            "course": picture(index_report.index_picture(index), "price index by month"),
            **computed,
        },
        check_results=[
            _month_check("enough_listings_each_month", index_report.thin_months(learned), index_report.MONTH_ROWS),
            _month_check("last_month_known", index_report.last_month_unknown(learned), index_report.LAST_STEP_ERROR),
            _month_check("no_implausible_jump", index_report.implausible_steps(learned), index_report.LARGEST_STEP),
            _bands_check(index_report.banded_now(market, price_bands, index, training)),
        ],
    )


def _month_check(name: str, faults: Sequence[str], limit: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=not faults,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(faults) or "as it should be",
        metadata={"faults": len(faults), "limit": limit},
    )


def _bands_check(banded: BandedNow | None) -> dg.AssetCheckResult:
    """Return whether the bands still divide the market as they are to; where not, new ones are recommended."""
    name = "bands_fit_the_market"
    if banded is None:
        return dg.AssetCheckResult(check_name=name, passed=True, description="not judged: there is no price index")
    return dg.AssetCheckResult(
        check_name=name,
        passed=banded.fits,
        severity=dg.AssetCheckSeverity.WARN,
        description=banded.describe(),
        metadata={"expected": dict(banded.expected), "found": dict(banded.found), "limit": banded.LIMIT},
    )


@dg.asset(group_name=GROUP, kinds={"scikitlearn", "numpy"})
@retried
def hashed_features(
    context: dg.AssetExecutionContext,
    config: EncoderConfig,
    crossed_features: DataFrame,
    price_bands: LabelScheme,
    price_index: PriceIndex,
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[EncodedListings]:
    """Training and held-out listings as sparse matrices: numbers, out-of-fold linear scores, hashed tokens."""
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder

    try:
        with compute.open() as engine:
            encoder = ListingEncoder(
                market,
                n_folds=config.n_folds,
                inverse_penalty=config.inverse_penalty,
                engine=engine,
                index=price_index,
            )
            encoded, computed = EncodedListings.encode(crossed_features, price_bands, encoder), engine.account()
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
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
            **computed,
        },
    )
