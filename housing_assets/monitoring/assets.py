"""Assets of the group ``monitoring``: what production is held against, what it was asked, and what that comes to.

The daily ones read the prediction store and the registry, and nothing that training makes: what fails here may set off
a retraining, which must not run it again.
"""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.monitoring import checks
from housing_assets.monitoring.options import LabelsConfig, MonitoredDays, PerformanceConfig, ReportConfig
from housing_assets.monitoring.runs import (
    compare_versions,
    days_of,
    limits_of,
    merge_window,
    occasion_of,
    open_window_of,
    readable,
    report_id_of,
)
from resources.model_registry import ModelRegistry
from resources.prediction_store import PredictionStore, read_listings

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.monitoring.frames import Frames
    from housing_assets.monitoring.reference import Evaluation, Reference
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = Frames = Evaluation = Reference = Any

GROUP = "monitoring"


@dg.asset(group_name=GROUP, kinds={"python"})
def reference_profile(
    listings: DataFrame, hashed_features: EncodedListings, model_evaluation: Evaluation
) -> dg.MaterializeResult[Reference]:
    """What production will be held against: the listings' profile, with the predictions for those held out."""
    from housing_assets.monitoring.reference import Reference

    try:
        reference = Reference.of(listings, hashed_features.bands, model_evaluation)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    return dg.MaterializeResult(
        value=reference,
        metadata={
            "dagster/row_count": reference.profile.rows,
            "holdout_rows": reference.holdout.rows,
            "holdout_accuracy": reference.holdout.accuracy,
            "columns": len(reference.profile.missing),
            "forest_digest": reference.forest_digest,
        },
    )


def daily_assets(days: MonitoredDays) -> list[dg.AssetsDefinition]:
    """Return the assets that are made for each day of production.

    Parameters
    ----------
    days : MonitoredDays
    """
    daily = days.partitions()
    window = dg.AssetIn(partition_mapping=days.windows())

    @dg.asset(group_name=GROUP, partitions_def=daily, kinds={"sqlalchemy", "parquet"})
    def production_predictions(context: dg.AssetExecutionContext, predictions: PredictionStore) -> Any:
        """The day's answers, each beside the typed values of its listing, read from the prediction store."""
        from housing_assets.monitoring.frames import Frames
        from housing_assets.monitoring.production import type_predictions

        start, end = context.partition_time_window
        with TemporaryDirectory() as folder, readable():
            stored = predictions.predictions(start, end)
            frames = Frames.write((type_predictions(page, read_listings(page)) for page in stored), Path(folder))
            yield dg.MaterializeResult(value=frames, metadata={"dagster/row_count": frames.rows})

    @dg.asset(group_name=GROUP, partitions_def=daily, kinds={"python"})
    def production_profile(
        context: dg.AssetExecutionContext, production_predictions: Frames, registry: ModelRegistry
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """The day in a small file: a mergeable profile for each version that answered, in its reference's bins."""
        from housing_assets.monitoring.production import PROFILED, profile_day
        from housing_assets.monitoring.references import References

        references = References(registry)
        profiles = profile_day(production_predictions.read(PROFILED), references.profile_of)
        for trouble in references.troubles:
            context.log.warning(trouble)
        return dg.MaterializeResult(
            value=profiles,
            metadata={
                "dagster/row_count": sum(profiles.rows.values()),
                "rows_by_version": dg.MetadataValue.json({str(key): rows for key, rows in profiles.rows.items()}),
                "unattributed_rows": profiles.unattributed,
            },
        )

    @dg.asset(
        group_name=GROUP,
        partitions_def=daily,
        kinds={"python"},
        ins={"production_profile": window},
        dagster_type=dg.Any,  # beside check specs, Dagster refuses the type
        check_specs=checks.specs("drift_report"),
    )
    def drift_report(
        context: dg.AssetExecutionContext, config: ReportConfig, production_profile: Any, registry: ModelRegistry
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """What the listings and predictions of the window differ in from what the version in production learned."""
        from housing_assets.monitoring.reporting import Drift

        limits = limits_of(config)
        judged = open_window_of(context, production_profile, registry, limits)
        report = judged.judge_drift(limits)
        occasion = occasion_of(context, judged, insufficient=report.status == "insufficient")
        results = checks.drift_results(report, occasion)
        context.log.info(report.verdict)
        drift = Drift(report, judged, occasion, days_of(context), results)
        return dg.MaterializeResult(value=drift.documents(), metadata=drift.metadata(), check_results=results)

    @dg.asset(
        group_name=GROUP,
        partitions_def=daily,
        kinds={"python"},
        ins={"production_profile": window},
        dagster_type=dg.Any,
        check_specs=checks.specs("feature_validation_report"),
    )
    def feature_validation_report(
        context: dg.AssetExecutionContext, config: ReportConfig, production_profile: Any, registry: ModelRegistry
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Whether the values of the window are still of the kind that the version in production learned."""
        from housing_assets.monitoring.documents import Documents

        limits = limits_of(config)
        judged = open_window_of(context, production_profile, registry, limits)
        report = judged.judge_features(limits)
        context.log.info(report.verdict)
        occasion = occasion_of(context, judged, insufficient=report.insufficient)
        return dg.MaterializeResult(
            value=Documents({"feature_validation_report.json": report.to_json()}),
            metadata={
                "dagster/row_count": report.rows,
                "verdict": report.verdict,
                "high_issues": report.n_high,
                "medium_issues": len(report.issues) - report.n_high,
                "model_version": judged.version,
                "issues": checks.findings_table([issue.finding for issue in report.issues]),
            },
            check_results=checks.validation_results(report, occasion),
        )

    @dg.asset(group_name=GROUP, partitions_def=daily, kinds={"sqlalchemy", "parquet"})
    def production_labels(context: dg.AssetExecutionContext, config: LabelsConfig, predictions: PredictionStore) -> Any:
        """Answers whose price was known by the end of the day, with what had been predicted."""
        from housing_assets.monitoring.frames import Frames
        from housing_assets.monitoring.labelled import KEPT

        end = context.partition_time_window.end
        with TemporaryDirectory() as folder, readable():
            labels = predictions.labels(end, since=end - timedelta(days=config.days))
            frames = Frames.write((frame[list(KEPT)] for frame in labels), Path(folder))
            yield dg.MaterializeResult(value=frames, metadata={"dagster/row_count": frames.rows})

    @dg.asset(
        group_name=GROUP,
        partitions_def=daily,
        kinds={"python", "mlflow"},
        ins={"production_profile": window},
        dagster_type=dg.Any,
        check_specs=checks.specs("performance_report"),
    )
    def performance_report(
        context: dg.AssetExecutionContext,
        config: PerformanceConfig,
        production_labels: Frames,
        production_profile: Any,
        registry: ModelRegistry,
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """How right the version in production is where prices are known, and whether it beats the one it replaced."""
        from housing_assets.monitoring.labelled import SUMMARIZED, summarize_labels
        from housing_assets.monitoring.references import References
        from housing_assets.monitoring.reporting import Performance

        limits = limits_of(config)
        references = References(registry)
        by_day = summarize_labels(production_labels.read(SUMMARIZED), references.bands_of)
        performance = Performance.judge(
            references, by_day, merge_window(production_profile), limits, config.newest_rows
        )
        paired = None
        if performance.replaced and not performance.report.insufficient:
            paired = compare_versions(context, config, production_labels, performance, references, registry)
        context.log.info(performance.report.verdict)
        occasion = checks.Occasion(
            context.partition_key,
            report_id_of(context),
            performance.version,
            in_production=bool(performance.version),
            insufficient=performance.report.insufficient,
        )
        return dg.MaterializeResult(
            value=performance.documents(paired),
            metadata=performance.metadata(paired),
            check_results=checks.performance_results(
                performance.report, limits, paired, performance.replaced, occasion
            ),
        )

    return [
        production_predictions,
        production_profile,
        drift_report,
        feature_validation_report,
        production_labels,
        performance_report,
    ]
