"""What a training has made, and how it becomes a registered version."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from housing_assets.features.encoded import EncodedListings
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.assembly import assemble
from housing_assets.packaging.promotion import decide_promotion
from housing_assets.packaging.registration import manifest_tags, provenance, register_artifact, version_tags
from housing_assets.training.forest_run import FINE_TUNED_FROM, FOREST_LINE, FOREST_TAG
from housing_assets.training.parameters import PromotionRule
from housing_assets.training.report import EvaluationReport
from resources.mlflow.registry import DECISION, NOT_PROMOTED, PRODUCTION, ModelRegistry, Version
from resources.mlflow.tracking import DAGSTER_RUN_TAG, MlflowTracking
from resources.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Challenger:
    """A trained model, with what it was made from and judged by.

    Attributes
    ----------
    forest : FlatForest
    estimator : PriceEstimator
    evaluation : EvaluationReport
        Of the forest.
    encoded : EncodedListings
        What the forest was grown on, with the encoder.
    crossed : DataFrame of shape (n_rows, n_values)
        All crossed listings, with ``held_out``.
    raw : DataFrame of shape (n_raw_rows, n_columns)
        The raw rows that they were read from.
    reference : Reference
        What production is to be held against.
    """

    forest: FlatForest
    estimator: PriceEstimator
    evaluation: EvaluationReport
    encoded: EncodedListings
    crossed: "pd.DataFrame"
    raw: "pd.DataFrame"
    reference: Reference


def register_challenger(
    challenger: Challenger,
    market: Market,
    rule: PromotionRule,
    tracking: MlflowTracking,
    registry: ModelRegistry,
    dagster_run: str,
    resumes: Collection[str] = (),
) -> Version:
    """Register a trained model as a new version, signed, with what was decided about it; no alias is moved.

    The newest version is returned instead where a run that was broken off before it could tell has registered it of
    the same model, and has promoted it already, or said of it what is decided now.

    Parameters
    ----------
    challenger : Challenger
    market : Market
        What the listings were read by.
    rule : PromotionRule
        When it may replace the champion.
    tracking : MlflowTracking
        Has the run that its forest was grown in, to which it is logged.
    registry : ModelRegistry
    dagster_run : str
        The run that registers it, by which it is found again.
    resumes : collection of str
        Runs that were broken off while they registered, from which it goes on.

    Raises
    ------
    LookupError
        If no MLflow run is known to have grown the forest.
    """
    forest, encoded, crossed = challenger.forest, challenger.encoded, challenger.crossed
    trained_in = tracking.run_tagged(FOREST_TAG, forest.digest())
    grown_as = tracking.client().get_run(trained_in).data.tags
    made_from = provenance(crossed, forest, encoded) | {
        name: grown_as[name] for name in (FOREST_LINE, FINE_TUNED_FROM) if name in grown_as
    }
    probabilities, digest = challenger.evaluation.probabilities, made_from["forest_digest"]
    newest = next(iter(registry.versions()), None)
    registered = None
    if newest and newest.tags.get(DAGSTER_RUN_TAG) in resumes and made_from.items() <= newest.tags.items():
        registered = newest
    if registered and PRODUCTION in registered.aliases and registered.tags[DECISION] != NOT_PROMOTED:
        return registered  # not to be judged against itself
    decision = decide_promotion(registry, market, crossed, encoded, probabilities, digest, rule)
    said = made_from | version_tags(market, crossed, challenger.evaluation.metrics["macro_f1"], decision)
    if registered and said.items() <= registered.tags.items():
        return registered
    artifact = assemble(
        encoded,
        forest,
        challenger.evaluation.metrics,
        made_from,
        crossed,
        challenger.raw,
        challenger.reference.to_json(),
        challenger.estimator,
    )
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "artifact"
        folder.mkdir()
        artifact.save(folder)
        tags = said | {DAGSTER_RUN_TAG: dagster_run}
        tags |= manifest_tags(folder, Settings(market=market.name).signing_key)
        return register_artifact(registry, market, folder, trained_in, tags)
