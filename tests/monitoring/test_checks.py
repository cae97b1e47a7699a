"""What the checks say of a report, as the sensors read it."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from housing_assets.monitoring import checks
from housing_assets.monitoring.performance.judging import PerformanceReport
from housing_assets.monitoring.performance.paired import PairedComparison
from housing_assets.monitoring.performance.report import Performance
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.thresholds import Thresholds
from resources.verdicts import Verdict
from tests.monitoring.small_platform import Platform, ads

CONTEXT = ReportContext("2026-03-01", ("2026-03-01",), "drift_report/2026-03-01/run", 3, in_production=True)

DROPPED = PerformanceReport(
    "Performance has dropped.", insufficient=False, failed=True, rows=500, accuracy=0.6, accuracy_drop=0.2
)


def verdict_of(result: dg.AssetCheckResult) -> Verdict:
    verdict = Verdict.from_metadata(result.metadata or {})
    assert verdict is not None
    return verdict


def performance_check(performance: Performance, context: ReportContext = CONTEXT) -> dg.AssetCheckResult:
    (result, *_) = checks.performance_results(performance, Thresholds(), context)
    return result


def test_each_check_has_a_verdict_on_its_own_statistics(platform: Platform) -> None:
    report = platform.report(ads(2_000, 1, missing={"HeatingType": 0.6}))

    results = {one.check_name: one for one in checks.drift_results(report, CONTEXT)}

    assert results.keys() == checks.DRIFT_CHECKS.keys()
    missing, unseen = (verdict_of(results[name]) for name in ("missing_values_within_limit", "no_unseen_categories"))
    assert (missing.columns, missing.model_version, missing.partition) == (("heating_type",), 3, "2026-03-01")
    assert (missing.counts_toward_retraining, missing.severe) == (False, False)
    assert missing.value > missing.threshold == 1.5
    assert (unseen.columns, unseen.summary[:15]) == ((), "Within limits: ")


@pytest.mark.parametrize(
    ("changes", "counts"), [({}, True), ({"in_production": False}, False)], ids=["in production", "replaced"]
)
def test_what_is_found_of_a_replaced_version_does_not_count(changes: dict[str, Any], counts: bool) -> None:
    result = performance_check(Performance(3, 2, DROPPED), replace(CONTEXT, **changes))

    verdict = verdict_of(result)
    assert (verdict.counts_toward_retraining, verdict.severe) == (counts, counts)
    assert not result.passed
    assert result.severity is (dg.AssetCheckSeverity.ERROR if counts else dg.AssetCheckSeverity.WARN)


def test_a_version_worse_than_the_one_it_replaced_fails_with_the_reason() -> None:
    held = PerformanceReport("Performance holds up.", insufficient=False, failed=False)
    paired = PairedComparison(
        rows=480, accuracy=0.5, baseline_accuracy=0.8, worse_p=1e-9, better_p=1.0, low=-0.4, high=-0.2
    )

    result = performance_check(Performance(3, 2, held, against_replaced=paired, worse_than_replaced=True))

    verdict = verdict_of(result)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (verdict.worse_than_replaced, verdict.replaced_version) == (True, 2)
    assert not verdict.counts_toward_retraining
    assert verdict.summary == (
        "Performance holds up. It is worse than version 2, which it replaced, on the same 480 rows: accuracy 0.500 "
        "against 0.800 (p 1e-09, whenever one looks)."
    )


def test_a_check_that_crashes_fails_and_calls_for_nothing() -> None:
    broken: Any = object()

    results = [
        *checks.drift_results(broken, CONTEXT),
        *checks.validation_results(broken, CONTEXT),
        *checks.performance_results(broken, Thresholds(), CONTEXT),
    ]

    assert len(results) == 9
    for result in results:
        verdict = verdict_of(result)
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert verdict.summary.startswith("The check itself failed: AttributeError")
        assert (verdict.counts_toward_retraining, verdict.worse_than_replaced) == (False, False)
