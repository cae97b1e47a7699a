"""Assets of the groups ``registry`` and ``serving``: the registered model, and the bento that serves it."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.inference.market import Market
from housing_assets.training.parameters import PromotionRule
from resources.bento_store import BentoStore
from resources.mlflow.registry import DECISION, LINEAGE_CONTRACT, NOT_PROMOTED, PRODUCTION, PROMOTED, ModelRegistry
from resources.mlflow.tracking import MlflowTracking
from resources.predictions.store import PredictionStore
from resources.retries import retried

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.inference.estimate import PriceEstimator
    from housing_assets.inference.forest import FlatForest
    from housing_assets.monitoring.profiles.reference import Reference
    from housing_assets.packaging.card.document import ModelCard
    from housing_assets.packaging.registration import Registration
    from housing_assets.training.out_of_time import OutOfTime
    from housing_assets.training.report import EvaluationReport
    from resources.predictions.answer_reviews import ReviewCounts
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = Reference = Registration = FlatForest = PriceEstimator = EvaluationReport = Any
    ModelCard = OutOfTime = Any


class PromotionConfig(dg.Config, PromotionRule):
    """When a challenger replaces the champion."""


class CardConfig(dg.Config):
    """What a model card is written of."""

    reviews: bool = Field(default=True, description="Tell what persons found of answers; reads the prediction store.")


class BentoConfig(dg.Config):
    """How a new bento is tried out."""

    n_listings: int = Field(default=200, ge=1, le=10_000, description="Held-out listings that it must answer.")


@dg.asset(group_name="registry", kinds={"mlflow"})
@retried
def registered_model(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    price_forest: FlatForest,
    price_estimator: PriceEstimator,
    model_evaluation: EvaluationReport,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    raw_listings: DataFrame,
    reference_profile: Reference,
    tracking: MlflowTracking,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[Registration]:
    """A version of the registered model, promoted if it is no worse than the champion on the same listings."""
    from housing_assets.packaging.challenger import Challenger, register_challenger
    from housing_assets.packaging.registration import Registration

    try:
        model_evaluation.require_passed()
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    version = registry.registered_in(context.run.run_id)
    if version is None:  # else a try before this one was decided on and registered, and then lost the registry
        challenger = Challenger(
            price_forest,
            price_estimator,
            model_evaluation,
            hashed_features,
            crossed_features,
            raw_listings,
            reference_profile,
        )
        version = register_challenger(
            challenger, market, config, tracking, registry, context.run.run_id, _broken_off(context)
        )
    registry.stage(version)
    promoted, tags = version.tags[DECISION] != NOT_PROMOTED, dict(version.tags)
    if promoted:
        registry.promote(version)
        tags[DECISION] = PROMOTED
    context.log.info(f"version {version.number} {tags[DECISION]}: {tags['reason']}")
    return dg.MaterializeResult(
        value=Registration(version.number, promoted, tags["reason"]),
        metadata={
            "version": version.number,
            "promoted": promoted,
            **{f"tag/{name}": tag for name, tag in tags.items() if name != LINEAGE_CONTRACT},
        },
    )


def _broken_off(context: dg.AssetExecutionContext) -> list[str]:
    """Return the runs that this one goes on from, without those that have materialized this asset."""
    found = []
    for run in filter(None, {context.run.parent_run_id, context.run.root_run_id}):
        made = context.instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        if not any(logged.get_dagster_event().asset_key == context.asset_key for logged in made):
            found.append(run)
    return found


@dg.asset(group_name="registry", kinds={"mlflow"}, deps=["prediction_store"])
@retried
def model_card(
    context: dg.AssetExecutionContext,
    config: CardConfig,
    registered_model: Registration,
    model_evaluation: EvaluationReport,
    out_of_time_evaluation: OutOfTime,
    price_estimator: PriceEstimator,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    raw_listings: DataFrame,
    quarantined_listings: DataFrame,
    registry: ModelRegistry,
    predictions: PredictionStore,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[ModelCard]:
    """What the version is made of, what it is fit for, how good it is, and what rules on valuation models ask of it."""
    from housing_assets.packaging.card.contents import write_card
    from housing_assets.packaging.card.document import ModelCard
    from housing_assets.packaging.card.facts import CardFacts, Data

    version = registry.numbered(registered_model.version)
    card = ModelCard.of(
        write_card(
            CardFacts(
                market=market,
                registration=registered_model,
                tags=version.tags,
                run=version.run_id,
                parameters=registry.client().get_run(version.run_id).data.params,
                data=Data.of(market, hashed_features, crossed_features, raw_listings, quarantined_listings),
                evaluation=model_evaluation,
                out_of_time=out_of_time_evaluation,
                valued_by=price_estimator.calibration.key,
                reviews=read_reviews(predictions, context.log.warning) if config.reviews else None,
            )
        )
    )
    with TemporaryDirectory() as folder:
        card.save(Path(folder))
        stored = registry.attach_card(version, Path(folder), card.summary)
    context.log.info(card.summary)
    return dg.MaterializeResult(
        value=card,
        metadata={
            "version": version.number,
            "summary": card.summary,
            "stored_at": stored,
            "card": dg.MetadataValue.md(card.markdown),
        },
    )


def read_reviews(predictions: PredictionStore, warn: "Callable[[str], None]") -> "dict[str, ReviewCounts] | None":
    """Count the reviewed answers by version; None, which the card says, where the store cannot be read.

    The version is registered by then: a training does not end for a store that only a table of its card is read from.

    Parameters
    ----------
    predictions : PredictionStore
    warn : callable
        Is told why nothing was read.
    """
    from housing_assets.monitoring.runs import store_is_readable
    from resources.predictions.answer_reviews import count

    try:
        with store_is_readable():
            return count(predictions.reviews().values())
    except dg.Failure as failure:
        warn(f"the card is written without reviews, materialize model_card again for them: {failure.description}")
        return None


@dg.asset(
    group_name="serving",
    kinds={"bentoml"},
    deps=["registered_model"],
    check_specs=[
        dg.AssetCheckSpec(
            "no_training_serving_skew",
            asset="price_bento",
            blocking=True,
            description="The served bento answers held-out listings with the probabilities of the evaluated model.",
        )
    ],
)
@retried
def price_bento(
    context: dg.AssetExecutionContext,
    config: BentoConfig,
    raw_listings: DataFrame,
    crossed_features: DataFrame,
    price_forest: FlatForest,
    hashed_features: EncodedListings,
    registry: ModelRegistry,
    bentos: BentoStore,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The service with the version in production baked in, built from bentofile.yaml; a skewed one is not kept."""
    from housing_assets.inference.artifact import ModelArtifact
    from housing_assets.packaging.assembly import draw_held_out
    from housing_assets.packaging.bento import remove_bento
    from housing_assets.packaging.registered_bento import build_bento_of, labels_of
    from housing_assets.packaging.skew import find_skew

    version = registry.with_alias(PRODUCTION)
    if version is None:
        raise dg.Failure("no version is in production: materialize registered_model, or roll back to one")
    with TemporaryDirectory() as temporary:
        folder = registry.download(version, Path(temporary))
        baked = ModelArtifact.load(folder)
        # What production has may have been registered before the forest that is stored now.
        is_stored = price_forest.digest() == version.tags["forest_digest"]
        evaluated = replace(baked, encoder=hashed_features.encoder, forest=price_forest) if is_stored else baked
        tag = build_bento_of(version, folder, bentos.home)
    context.log.info(f"built {tag}")
    skew = find_skew(
        tag, bentos.home, evaluated, draw_held_out(market, crossed_features, raw_listings, config.n_listings)
    )
    if skew.fault:
        remove_bento(tag, bentos.home)
    return dg.MaterializeResult(
        metadata={"version": version.number, "tag": tag, **{f"label/{k}": v for k, v in labels_of(version).items()}},
        check_results=[
            dg.AssetCheckResult(
                check_name="no_training_serving_skew",
                passed=skew.fault is None,
                severity=dg.AssetCheckSeverity.ERROR,
                description=skew.fault or f"{skew.listings} listings are answered as the evaluated model predicts them",
                metadata={
                    "listings": skew.listings,
                    "largest_difference": skew.largest_difference,
                    "start_seconds": skew.start_seconds,
                    "log": dg.MetadataValue.text(skew.log),
                },
            )
        ],
    )
