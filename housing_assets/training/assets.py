"""Assets of the group ``training``: the balanced training set, the forest, and its evaluation."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.lineage_page import picture, table
from housing_assets.training.forest_run import (
    FINE_TUNED_FROM,
    FOREST_LINE,
    FOREST_TAG,
    TRAINING_FINGERPRINT,
    run_parameters,
    run_tags,
)
from housing_assets.training.options import BalancingConfig, EvaluationConfig, ForestConfig, OutOfTimeConfig
from housing_assets.training.parameters import STRATEGIES, Balancing, ForestParameters, takes_best
from resources.checkpoints import FOREST, Checkpoints
from resources.compute.resource import Compute
from resources.external_index import ExternalIndex
from resources.mlflow.tracking import MlflowTracking
from resources.outages import is_outage
from resources.retries import retried
from resources.values.asset_storage import AssetStorage

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.inference.estimate import PriceEstimator
    from housing_assets.inference.forest import FlatForest
    from housing_assets.training.balancing import TrainingSet
    from housing_assets.training.out_of_time import OutOfTime
    from housing_assets.training.report import EvaluationReport
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = TrainingSet = FlatForest = PriceEstimator = EvaluationReport = OutOfTime = Any

GROUP = "training"


@dg.asset(group_name=GROUP, kinds={"scikitlearn"})
def balanced_training_set(
    context: dg.AssetExecutionContext,
    config: BalancingConfig,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    external_index: ExternalIndex,
) -> dg.MaterializeResult[TrainingSet]:
    """The training rows after balancing, on the columns that enough of them fill."""
    from housing_assets.features.price_index_learning import published_index
    from housing_assets.features.split import HELD_OUT
    from housing_assets.training.balancing import class_counts
    from housing_assets.training.plots import class_balance
    from housing_assets.training.strategies import balance, compare_strategies

    encoder, labels = hashed_features.encoder, hashed_features.labels
    learned_from = crossed_features[~crossed_features[HELD_OUT]]
    try:
        training = balance(
            hashed_features.X_train,
            hashed_features.y_train,
            learned_from,
            encoder,
            config.balancing(),
        )
        compared: dict[str, list[float]] = {}
        if config.compare:
            # The holdout judges the forest whose strategy a person may choose by this comparison: it is no part of it.
            compared = compare_strategies(
                learned_from,
                labels,
                encoder,
                STRATEGIES,
                ForestParameters(),
                min_rows=config.min_rows,
                seed=config.seed,
                published=published_index(external_index.path),
                report=context.log.info,
            )
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    before, after = (class_counts(y, labels.categories) for y in (hashed_features.y_train, training.y))
    context.log.info(f"{config.strategy}: {before} -> {after}; {len(training.columns):,} columns offered")
    return dg.MaterializeResult(
        value=training,
        metadata={
            "dagster/row_count": len(training.y),
            "strategy": config.strategy,
            "columns_offered": len(training.columns),
            **{f"before_{name}": count for name, count in before.items()},
            **{f"after_{name}": count for name, count in after.items()},
            **{f"macro_f1_{name}": sum(scores) / len(scores) for name, scores in compared.items()},
            "class_balance": picture(class_balance(before, after), "class counts before and after"),
        },
    )


# Settings are as good for other listings: best_params comes first, and is no value that must be of these, or be there.
@dg.asset(group_name=GROUP, kinds={"scikitlearn", "mlflow"}, deps=["best_params"])
@retried
def price_forest(
    context: dg.AssetExecutionContext,
    config: ForestConfig,
    balanced_training_set: TrainingSet,
    hashed_features: EncodedListings,
    tracking: MlflowTracking,
    checkpoints: Checkpoints,
    compute: Compute,
    io_manager: dg.ResourceParam[AssetStorage],
) -> dg.MaterializeResult[FlatForest]:
    """The random forest, grown with a checkpoint every few trees and stored as flat arrays."""
    from housing_assets.training.checkpoint import CheckpointRefused
    from housing_assets.training.forest import grow_forest

    # A sweep's settings that cannot be read must not stop a training that does without them.
    with_best = takes_best(_said(context), config.use_best)
    searched = io_manager.last(dg.AssetKey([*context.asset_key.path[:-1], "best_params"])) if with_best else None
    chosen = config.model_copy(update=dict(searched.parameters) if searched else {})
    checkpoints.fetch(FOREST)
    try:
        with compute.open() as engine:
            grown = grow_forest(
                balanced_training_set,
                chosen,
                checkpoints.path_of(FOREST),
                columns_fingerprint=hashed_features.columns_fingerprint(),
                price_bands=hashed_features.labels.terms(),
                fine_tune=config.fine_tune,
                report=lambda progress: context.log.info(str(progress)),
                saved=partial(_mirror, checkpoints, context.log),
                engine=engine,
            )
            computed = engine.account()
    except CheckpointRefused as fault:
        raise dg.Failure(
            f"the last forest cannot be fine-tuned: {fault}. Grow a new one: price_forest without fine_tune"
        ) from fault
    for warning in grown.warnings:
        context.log.warning(warning)
    checkpoints.push(FOREST)
    forest = grown.flatten()
    parameters = run_parameters(chosen, searched, balanced_training_set, hashed_features)
    tags = run_tags(grown, forest.digest(), balanced_training_set, hashed_features)
    tracking.log(tracking.run_id, params=parameters, tags=tags)
    return dg.MaterializeResult(
        value=forest,
        metadata={
            "trees": len(forest.roots),
            "nodes": len(forest.nodes),
            "columns_used": len(forest.columns),
            "trees_from_checkpoint": grown.n_resumed,
            "checkpoints_refused": dg.MetadataValue.json(grown.refusals),
            **{name: tags.get(name, "") for name in (FOREST_TAG, FOREST_LINE, TRAINING_FINGERPRINT, FINE_TUNED_FROM)},
            "parameters": dg.MetadataValue.json(parameters),
            "settings_from": parameters["settings_from"],
            "mlflow_run": tracking.run_id,
            **computed,
        },
    )


def _said(context: dg.AssetExecutionContext) -> list[str]:
    """Return the names of what the run's configuration says of this asset, defaults that it spells out among them."""
    run_config: Mapping[str, Any] = context.run.run_config
    return list(run_config.get("ops", {}).get(context.op_execution_context.op.name, {}).get("config", {}))


@dg.asset(group_name=GROUP, kinds={"numpy"})
def price_estimator(
    context: dg.AssetExecutionContext,
    price_forest: FlatForest,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
) -> dg.MaterializeResult[PriceEstimator]:
    """The training prices in the leaves of the forest, which estimates and their intervals are made of."""
    from housing_assets.training.estimate_learning import learn_estimator

    try:
        estimator = learn_estimator(price_forest, hashed_features, crossed_features)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    calibration = estimator.calibration
    if estimator.is_empty:
        context.log.info("the market has classes: there is no price to estimate")
    return dg.MaterializeResult(
        value=estimator,
        metadata={
            "listings": len(estimator.values),
            "listings_in_leaves": len(estimator.members),
            "calibrated_by": calibration.key,
            "values_of_it": len(calibration.factors),
            "least_similarity": calibration.least_similarity,
        },
    )


@dg.asset(group_name=GROUP, kinds={"scikitlearn", "mlflow"})
@retried
def out_of_time_evaluation(
    context: dg.AssetExecutionContext,
    config: OutOfTimeConfig,
    price_forest: FlatForest,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    tracking: MlflowTracking,
    external_index: ExternalIndex,
) -> dg.MaterializeResult[OutOfTime]:
    """How well forests like this one do on listings that are newer than all that they were grown on."""
    from housing_assets.features.price_index_learning import published_index
    from housing_assets.training.out_of_time import folds_table, judge_out_of_time

    grown = tracking.params(tracking.run_tagged(FOREST_TAG, price_forest.digest()))
    parameters = ForestParameters.of_run(grown)
    try:
        judged = judge_out_of_time(
            crossed_features,
            hashed_features.labels,
            hashed_features.encoder,
            parameters.model_copy(update={"n_trees": config.n_trees}),
            Balancing(grown["balancing"], int(grown["min_rows"]), int(grown["balancing_seed"])),  # type: ignore[arg-type]
            share=config.share,
            n_folds=config.folds,
            max_rows=config.max_rows,
            published=published_index(external_index.path),
            report=context.log.info,
        )
    except ValueError as fault:
        raise dg.Failure(f"{fault}; share: 0 in out_of_time_evaluation's config does without") from fault
    if judged.reason:
        context.log.warning(f"{len(judged.folds)} of {config.folds} folds were judged: {judged.reason}")
    return dg.MaterializeResult(
        value=judged,
        metadata={
            "folds_judged": len(judged.folds),
            "not_judged": judged.reason,
            "folds": table(folds_table(judged)),
        },
    )


@dg.asset(
    group_name=GROUP,
    kinds={"scikitlearn", "mlflow"},
    dagster_type=dg.Any,  # beside check specs, Dagster refuses MaterializeResult[EvaluationReport]
    check_specs=[
        dg.AssetCheckSpec(name, asset="model_evaluation", blocking=True, description=description)
        for name, description in (
            ("macro_f1_high_enough", "Macro-F1 on held-out listings is at least the gate's."),
            ("every_recall_high_enough", "The recall of every category is at least the gate's."),
            (
                "calibrated",
                "Predicted probabilities match observed frequencies: the calibration error is within the gate.",
            ),
        )
    ]
    + [
        dg.AssetCheckSpec(
            "holds_out_of_time",
            asset="model_evaluation",
            description="On listings newer than all that was learned from, macro-F1 is not far below the holdout's.",
        )
    ],
)
@retried
def model_evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationConfig,
    price_forest: FlatForest,
    price_estimator: PriceEstimator,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    out_of_time_evaluation: OutOfTime,
    tracking: MlflowTracking,
    compute: Compute,
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """How well the forest does on listings it has never seen, and whether it may go on to the registry."""
    import numpy as np

    from housing_assets.training.report import EvaluationReport

    run_id = tracking.run_tagged(FOREST_TAG, price_forest.digest())
    with compute.open() as engine:
        report = EvaluationReport.of(price_forest, hashed_features, crossed_features, price_estimator, engine)
        computed = engine.account()
    holdout_counts = np.bincount(hashed_features.y_holdout, minlength=len(hashed_features.labels.categories))
    metrics = {**report.metrics, **out_of_time_evaluation.metrics(holdout_counts)}
    context.log.info(f"macro-F1 {metrics['macro_f1']:.4f}, ROC-AUC {metrics['roc_auc_ovr']:.4f}")
    tracking.log(run_id, metrics=metrics)
    for name, png in report.pictures.items():
        tracking.log_picture(run_id, name, png)
    lowest_recall = min(value for name, value in report.metrics.items() if name.startswith("recall_"))
    gates = [
        _gate("macro_f1_high_enough", metrics["macro_f1"], config.min_macro_f1),
        _gate("every_recall_high_enough", lowest_recall, config.min_recall),
        _gate("calibrated", -metrics["calibration_error"], -config.max_calibration_error),
    ]
    return dg.MaterializeResult(
        value=replace(report, metrics=metrics, passed=all(gate.passed for gate in gates)),
        metadata={
            **metrics,
            "price_kind": hashed_features.labels.price_kind,
            **{name: picture(png, name) for name, png in report.pictures.items()},
            "contributions": table(report.contributions),
            "worst_segments": table(report.segments.head(20)),
            **({"valued_segments": table(report.valued_segments)} if len(report.valued_segments) else {}),
            **computed,
        },
        check_results=[*gates, _time_check(metrics, out_of_time_evaluation.reason, config.max_time_loss)],
    )


def _time_check(metrics: Mapping[str, float], reason: str, most: float) -> dg.AssetCheckResult:
    """Return whether the out-of-time judgement is near the holdout's; it warns, and holds nothing up."""
    name, newest = "holds_out_of_time", metrics.get("out_of_time_macro_f1_at_mix")
    if newest is None:
        return dg.AssetCheckResult(check_name=name, passed=True, description=f"not judged: {reason}")
    loss = metrics["macro_f1"] - newest
    return dg.AssetCheckResult(
        check_name=name,
        passed=loss <= most,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"macro-F1 {newest:.4f} out of time, {metrics['macro_f1']:.4f} on the holdout: at most {most:g} "
        "below it wanted",
        metadata={"value": loss, "threshold": most},
    )


def _mirror(checkpoints: Checkpoints, log: dg.DagsterLogManager) -> None:
    """Mirror a checkpoint; an outage of the mirror holds no training up, for the next one carries all trees there."""
    try:
        checkpoints.push(FOREST)
    except Exception as fault:
        if not is_outage(fault):
            raise
        log.warning(f"the checkpoint is on this machine alone until the object store is back: {fault}")


def _gate(name: str, value: float, lowest: float) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=value >= lowest,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{abs(value):.4f}, at {'least' if lowest >= 0 else 'most'} {abs(lowest):.4f} wanted",
        metadata={"value": abs(value), "threshold": abs(lowest)},
    )
