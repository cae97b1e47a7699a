"""Measurements become findings: significant over all tests of a report, then material."""

import pytest
from pydantic import ValidationError

from housing_assets.monitoring.drift.findings import Consequence, Finding, Measurement, Severity, judge
from housing_assets.monitoring.thresholds import Thresholds


def measured(effect: float, p: float | None, **others: object) -> Measurement:
    limits = {"column": "c", "statistic": "psi", "warn": 0.1, "alert": 0.25, "consequence": Consequence.RETRAINING}
    return Measurement(value=9.0, effect=effect, p=p, **(limits | others))


def judged(*measurements: Measurement) -> tuple[Finding, ...]:
    return judge(measurements, 0.05)


@pytest.mark.parametrize(
    ("effect", "p", "severity"),
    [
        (0.26, 1e-9, Severity.ALERT),
        (0.25, 1e-9, Severity.WARN),
        (0.11, 1e-9, Severity.WARN),
        (0.10, 1e-9, Severity.NONE),
        (5.00, 0.06, Severity.NONE),
        (5.00, None, Severity.NONE),
    ],
)
def test_only_what_is_significant_and_large_is_material(effect: float, p: float | None, severity: Severity) -> None:
    (finding,) = judged(measured(effect, p))
    assert finding.severity is severity
    assert finding.material is (severity is Severity.ALERT)


def test_a_statistic_whose_limit_is_reached_passes_it() -> None:
    assert judged(measured(0.25, 1e-9, inclusive=True))[0].material


def test_significance_is_judged_over_all_tests_of_the_report() -> None:
    alone = judged(measured(1.0, 0.03))
    among_others = judged(measured(1.0, 0.03), *[measured(0.0, 0.9)] * 19)
    assert alone[0].significant
    assert not any(finding.significant for finding in among_others)
    assert among_others[0].q == pytest.approx(0.6)


def test_findings_that_are_all_only_shown_need_no_adjustment() -> None:
    assert [finding.q for finding in judged(measured(1.0, None))] == [None]


def test_what_is_only_shown_takes_no_part_in_the_adjustment() -> None:
    findings = judged(measured(1.0, 0.03), *[measured(0.0, None)] * 19)
    assert findings[0].q == pytest.approx(0.03)
    assert findings[1].q is None


def test_the_worst_findings_come_first() -> None:
    order = [
        measured(2.0, 1e-9),
        measured(0.3, 1e-9),
        measured(9.0, 1e-9, consequence=Consequence.ALERT),
        measured(0.2, 1e-9),
        measured(0.0, 0.9),
    ]
    assert [finding.effect for finding in judged(*reversed(order))] == [one.effect for one in order]


def test_only_findings_that_retraining_can_mend_count_toward_it() -> None:
    assert judged(measured(1.0, 1e-9))[0].counts_toward_retraining
    assert not judged(measured(1.0, 1e-9, consequence=Consequence.ALERT))[0].counts_toward_retraining
    assert not judged(measured(0.2, 1e-9))[0].counts_toward_retraining
    assert judged(measured(0.5, 1e-9))[0].is_severe(2)
    assert not judged(measured(0.49, 1e-9))[0].is_severe(2)


def test_every_threshold_explains_itself_and_is_bounded() -> None:
    for name, field in Thresholds.model_fields.items():
        assert field.description, name
        with pytest.raises(ValidationError, match=name):
            Thresholds(**{name: -1})


def test_a_warning_cannot_lie_above_its_alert() -> None:
    with pytest.raises(ValidationError, match=r"psi_warn is 0\.3: expected at most psi_alert, 0\.25"):
        Thresholds(psi_warn=0.3)


def test_the_thresholds_are_those_of_the_contract() -> None:
    limits = Thresholds()
    assert (limits.min_rows, limits.false_discovery_rate) == (200, 0.05)
    assert (limits.psi_warn, limits.psi_alert, limits.kl_warn, limits.kl_alert) == (0.10, 0.25, 0.05, 0.15)
    assert (limits.ks_warn, limits.ks_alert, limits.cramers_v_warn, limits.cramers_v_alert) == (0.05, 0.10, 0.1, 0.2)
    assert (limits.missing_ratio, limits.missing_floor, limits.cardinality_ratio) == (1.5, 0.01, 1.3)
    assert (limits.unseen_share, limits.unseen_share_retraining) == (0.01, 0.05)
    assert (limits.median_shift, limits.skew_difference, limits.high_issues) == (2, 0.5, 2)
    assert (limits.performance_drop, limits.performance_p) == (0.05, 0.05)
