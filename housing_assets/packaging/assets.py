"""Assets of the group ``registry``: the registered model."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.training.assets import FOREST_TAG
from resources.mlflow_tracking import MlflowTracking
from resources.model_registry import ModelRegistry

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.packaging.registration import Registration
    from housing_assets.training.flat_forest import FlatForest
    from housing_assets.training.report import EvaluationReport
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = Registration = FlatForest = EvaluationReport = Any


class PromotionConfig(dg.Config):
    """When a challenger replaces the champion."""

    max_loss: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Macro-F1 by which a challenger may be worse at the lower end of the 95 % interval.",
    )


@dg.asset(group_name="registry", kinds={"mlflow"})
def registered_model(
    context: dg.AssetExecutionContext,
    config: PromotionConfig,
    price_forest: FlatForest,
    model_evaluation: EvaluationReport,
    hashed_features: EncodedListings,
    listings: DataFrame,
    tracking: MlflowTracking,
    registry: ModelRegistry,
) -> dg.MaterializeResult[Registration]:
    """A version of HousingPriceClassifier, promoted if it is no worse than the champion on the same listings."""
    from housing_assets.packaging.artifact import ModelArtifact
    from housing_assets.packaging.registration import (
        ANSWER,
        LOADER_MODULE,
        Registration,
        decide_promotion,
        example_listings,
        provenance,
        requirements,
    )

    try:
        model_evaluation.require_judged(price_forest, hashed_features)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    made_from = provenance(listings, price_forest, hashed_features)
    artifact = ModelArtifact(
        hashed_features.encoder, price_forest, hashed_features.bands, model_evaluation.metrics, made_from
    )
    decision = decide_promotion(
        registry, listings, hashed_features, model_evaluation.probabilities, max_loss=config.max_loss
    )
    tags = {
        **made_from,
        "dagster_run_id": context.run.run_id,
        "macro_f1": f"{model_evaluation.metrics['macro_f1']:.4f}",
        "decision": "promoted" if decision.promoted else "not promoted",
        "reason": decision.reason,
    }
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "artifact"
        folder.mkdir()
        artifact.save(folder)
        version = registry.register(
            folder,
            tracking.run_tagged(FOREST_TAG, price_forest.digest()),
            tags,
            hashed_features.bands.to_dict(),
            loader_module=LOADER_MODULE,
            requirements=requirements(),
            example=example_listings(),
            answer=ANSWER,
        )
    registry.stage(version)
    if decision.promoted:
        registry.promote(version)
    context.log.info(f"version {version.number} {tags['decision']}: {decision.reason}")
    return dg.MaterializeResult(
        value=Registration(version.number, decision.promoted, decision.reason),
        metadata={"version": version.number, "promoted": decision.promoted, **{f"tag/{k}": v for k, v in tags.items()}},
    )
