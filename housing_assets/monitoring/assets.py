"""Assets of the group ``monitoring``: what production is held against, what it was asked, and what that comes to.

The daily ones read the prediction store and the registry, and nothing that training makes: what fails here may set off
a retraining, which must not run it again.
"""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.inference.market import Market
from housing_assets.monitoring import checks
from housing_assets.monitoring.options import DAYS, LabelsConfig, PerformanceConfig, ReportConfig
from housing_assets.monitoring.runs import (
    judge_window,
    learned_days,
    log_troubles,
    merge_window,
    read_days,
    report_context,
    service_context,
    store_is_readable,
)
from resources.compute.resource import Compute
from resources.mlflow.registry import ModelRegistry
from resources.predictions.store import PredictionStore
from resources.retries import retried

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.monitoring.production.frames import Frames
    from housing_assets.monitoring.profiles.reference import Reference
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = Frames = Reference = Any

GROUP = "monitoring"

_WINDOW = dg.AssetIn(partition_mapping=DAYS.windows())


@dg.asset(group_name=GROUP, kinds={"python"})
@retried
def reference_profile(
    crossed_features: DataFrame,
    hashed_features: EncodedListings,
    model_evaluation: Any,  # training's report, which monitoring does not import
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult[Reference]:
    """What production is held against: the listings' profile, with the model's predictions on the holdout."""
    from housing_assets.monitoring.profiles.reference import Reference

    truth, probabilities = hashed_features.y_holdout, model_evaluation.probabilities
    with compute.open() as engine:
        reference, computed = Reference.of(market, crossed_features, truth, probabilities, engine), engine.account()
    return dg.MaterializeResult(
        value=reference,
        metadata={
            "dagster/row_count": reference.profile.rows,
            "holdout_rows": reference.holdout.rows,
            "holdout_accuracy": reference.holdout.accuracy,
            "columns": len(reference.profile.missing),
            **computed,
        },
    )


@dg.asset(
    group_name=GROUP, partitions_def=DAYS.partitions(), kinds={"sqlalchemy", "parquet"}, deps=["prediction_store"]
)
@retried
def production_predictions(
    context: dg.AssetExecutionContext,
    predictions: PredictionStore,
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> Any:
    """The day's answers, each with the typed values of its listing, read from the prediction store."""
    from housing_assets.monitoring.production.frames import Frames
    from housing_assets.monitoring.production.predictions import type_page

    start, end = context.partition_time_window
    with TemporaryDirectory() as folder, compute.open() as engine, store_is_readable():
        typed = engine.map_shards(partial(type_page, market), predictions.predictions(start, end))
        frames = Frames.write(typed, Path(folder))
        metadata = {"dagster/row_count": frames.rows, **engine.account()}
        yield dg.MaterializeResult(value=frames, metadata=metadata)


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"sqlalchemy"},
    deps=["prediction_store"],
    dagster_type=dg.Any,
    check_specs=checks.specs("traffic_report"),
)
@retried
def traffic_report(
    context: dg.AssetExecutionContext, config: ReportConfig, predictions: PredictionStore
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """How much the day was asked, beside the days before it, and what the service refused."""
    from housing_assets.monitoring.documents import Documents, as_json
    from housing_assets.monitoring.production.presentation import traffic_metadata
    from housing_assets.monitoring.production.traffic import judge_traffic, read_traffic

    start, end = context.partition_time_window
    with store_is_readable():
        traffic = read_traffic(predictions, start, end, datetime.now(UTC))
    report = judge_traffic(traffic, config.thresholds())
    return dg.MaterializeResult(
        value=Documents({"traffic_report.json": as_json(report)}),
        metadata=traffic_metadata(report),
        check_results=checks.traffic_results(report, service_context(context)),
    )


@dg.asset(group_name=GROUP, partitions_def=DAYS.partitions(), kinds={"python"})
@retried
def production_profile(
    context: dg.AssetExecutionContext,
    production_predictions: Frames,
    registry: ModelRegistry,
    compute: Compute,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The day in a small file: a mergeable profile for each version that answered, in its reference's bins."""
    from housing_assets.monitoring.production.days import group_day, profile_day
    from housing_assets.monitoring.production.predictions import REQUEST_KEY, profiled_columns
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.profiles.refused import ProfileRefused

    references = References(registry)
    try:
        groups = group_day(production_predictions.read([REQUEST_KEY]))
    except ProfileRefused as refusal:
        raise dg.Failure(f"{refusal}: materialize production_predictions of {context.partition_key} again") from refusal
    frames = production_predictions.read(profiled_columns(market))
    with compute.open() as engine:
        profiles, computed = profile_day(market, frames, references.profile_of, groups, engine), engine.account()
    log_troubles(context, references)
    return dg.MaterializeResult(
        value=profiles,
        metadata={
            "dagster/row_count": sum(profiles.rows.values()),
            "rows_by_version": dg.MetadataValue.json({str(key): rows for key, rows in profiles.rows.items()}),
            "unattributed_rows": profiles.unattributed,
            **computed,
        },
    )


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"python", "sqlalchemy"},
    ins={
        "production_profile": dg.AssetIn(
            partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-DAYS.judged_again)
        )
    },
    deps=["prediction_store"],
    dagster_type=dg.Any,  # beside check specs, Dagster refuses the type
    check_specs=checks.specs("input_report"),
)
@retried
def input_report(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    production_profile: Any,
    predictions: PredictionStore,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Whether the day's input is broken, and why: a broken day is held out of every training and every judging."""
    from housing_assets.monitoring.documents import Documents, as_json
    from housing_assets.monitoring.drift.input_report import decide_day, judge_input, release_days
    from housing_assets.monitoring.drift.presentation import input_metadata
    from housing_assets.monitoring.production.days import DayProfiles
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import open_window

    limits, references = config.thresholds(), References(registry)
    own = date.fromisoformat(context.partition_key)
    alone = isinstance(production_profile, DayProfiles)
    profiles = {own: production_profile} if alone else {date.fromisoformat(k): v for k, v in production_profile.items()}
    start, end = context.partition_time_window
    with store_is_readable():
        days, prices = predictions.days(), predictions.reported_prices(start, end, market.common_price_kind)
    window = open_window(profiles[own], references, limits.broken_min_rows)
    before = {day: profile for day, profile in profiles.items() if day < own}
    report = judge_input(market, window, prices, before, limits)
    production = references.production
    reference = references.of(production.number) if production else None
    decided = [decide_day(own, report, days)]
    if production and reference:
        decided += release_days(market, profiles, reference, production.number, days, limits)
    with store_is_readable():
        for decision in decided:
            if decision not in days.decisions:
                predictions.decide(decision)
                context.log.info(f"{decision.day} counts as {decision.state}: {decision.reason}")
        days = predictions.days()
    log_troubles(context, references)
    about = report_context(context, window.version, days, in_production=True)
    learned = sorted(learned_days(production) & days.held.keys()) if production else []
    return dg.MaterializeResult(
        value=Documents({"input_report.json": as_json(report)}),
        metadata=input_metadata(report, days.newest[own], days),
        check_results=checks.input_results(report, learned, about),
    )


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"python"},
    ins={"production_profile": _WINDOW},
    deps=["input_report"],
    dagster_type=dg.Any,
    check_specs=checks.specs("drift_report"),
)
@retried
def drift_report(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    production_profile: Any,
    predictions: PredictionStore,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """How the window's listings and predictions differ from what the version in production was trained on."""
    from housing_assets.monitoring.drift.presentation import drift_documents, drift_metadata
    from housing_assets.monitoring.drift.report import DriftReport, judge_drift
    from housing_assets.monitoring.drift.worst_columns import compare_worst_columns

    judge = partial(judge_drift, personal=market.personal_names)
    report, about, window = judge_window(
        context, production_profile, predictions, registry, config.thresholds(), judge, DriftReport.skipped
    )
    results = checks.drift_results(report, about)
    reference = window.reference.profile if window.reference else None
    columns = compare_worst_columns(report, reference, window.profile, market.personal_names)
    return dg.MaterializeResult(
        value=drift_documents(report, about, window, columns, results),
        metadata=drift_metadata(report, about, window, columns),
        check_results=results,
    )


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"python"},
    ins={"production_profile": _WINDOW},
    deps=["input_report"],
    dagster_type=dg.Any,
    check_specs=checks.specs("feature_validation_report"),
)
@retried
def feature_validation_report(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    production_profile: Any,
    predictions: PredictionStore,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Whether the window's values still look like those that the version in production was trained on."""
    from housing_assets.monitoring.documents import Documents, as_json
    from housing_assets.monitoring.drift.presentation import validation_metadata
    from housing_assets.monitoring.drift.validation import ValidationReport, validate_features

    judge = partial(validate_features, market)
    report, about, _ = judge_window(
        context, production_profile, predictions, registry, config.thresholds(), judge, ValidationReport.skipped
    )
    return dg.MaterializeResult(
        value=Documents({"feature_validation_report.json": as_json(report)}),
        metadata=validation_metadata(report, about),
        check_results=checks.validation_results(report, about),
    )


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"sqlalchemy", "parquet"},
    deps=["prediction_store", "input_report"],
)
@retried
def production_labels(
    context: dg.AssetExecutionContext,
    config: LabelsConfig,
    predictions: PredictionStore,
    market: dg.ResourceParam[Market],
) -> Any:
    """Answers and shadow predictions whose true price or category was known by the end of the day, of days not held."""
    from housing_assets.monitoring.production.frames import Frames
    from housing_assets.monitoring.production.labelled import COUNTED, count_others, read_labelled

    end = context.partition_time_window.end
    with TemporaryDirectory() as folder, store_is_readable():
        labelled = read_labelled(market, predictions, end, timedelta(days=config.days))
        frames = Frames.write(labelled, Path(folder))
        others = count_others(frames.read(COUNTED))
        yield dg.MaterializeResult(
            value=frames,
            metadata={"dagster/row_count": frames.rows, "other_price_kinds": dg.MetadataValue.json(others)},
        )


@dg.asset(
    group_name=GROUP,
    partitions_def=DAYS.partitions(),
    kinds={"python", "mlflow"},
    ins={"production_profile": _WINDOW},
    dagster_type=dg.Any,
    check_specs=checks.specs("performance_report"),
)
@retried
def performance_report(
    context: dg.AssetExecutionContext,
    config: PerformanceConfig,
    production_labels: Frames,
    production_profile: Any,
    predictions: PredictionStore,
    registry: ModelRegistry,
    market: dg.ResourceParam[Market],
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Accuracy of the version in production on labelled predictions, and beside the versions before and after it."""
    from housing_assets.monitoring.performance.presentation import documents, metadata, review_metadata
    from housing_assets.monitoring.performance.report import PerformanceJudge
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.profiles.refused import ProfileRefused

    references, days = References(registry), read_days(predictions)
    judge = PerformanceJudge(market, registry, references, config, context.log.warning)
    day = date.fromisoformat(context.partition_key)
    window, _ = merge_window(context, production_profile, days)
    try:
        performance = judge.judge(production_labels, window, day)
    except ProfileRefused as refusal:
        raise dg.Failure(f"{refusal}: materialize production_labels of {day} again") from refusal
    log_troubles(context, references)
    context.log.info(performance.summary)
    about = report_context(context, performance.version, days, in_production=bool(performance.version))
    with store_is_readable():
        drawn = predictions.drawn_for_review(day)
        reviews = predictions.reviews()
    return dg.MaterializeResult(
        value=documents(performance),
        metadata=metadata(performance) | review_metadata(performance.version, drawn, reviews),
        check_results=checks.performance_results(performance, config.thresholds(), about),
    )
