"""Labelled predictions in parts: by category, by segment of the market, and by how sure the model was.

A model may hold up on the whole and fail where it hurts: in an area, say, or wherever it is sure. Each part is held
against the same part of the holdout at its own mix of categories, all tests of a report are adjusted together, and only
what is large and no chance is a finding. Nothing follows by itself but an alert.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from housing_assets.confusion import f1_scores, precisions, recalls
from housing_assets.monitoring.drift.findings import Consequence, Finding, Measurement, judge
from housing_assets.monitoring.performance.judging import MIN_CATEGORY_ROWS, Compared, compare_measure, compare_recall
from housing_assets.monitoring.performance.without_labels import MIDDLES, expect_accuracy
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.predictions import N_CONFIDENCES
from housing_assets.monitoring.profiles.reference import Segments
from housing_assets.monitoring.statistics.two_sample import kolmogorov_smirnov, two_sided
from housing_assets.monitoring.thresholds import Thresholds

MIN_SEGMENT_ROWS = 50
"""Labelled rows that a value of a segment needs to be looked at: of fewer, no drop but a total one is no chance."""

CONFIDENCE = "confidence"
"""Stands for a column in the findings on how sure predictions are, and what that is worth."""


@dataclass(frozen=True)
class CategoryQuality:
    """How a category was predicted, and what is expected from the holdout at the window's mix of categories.

    Attributes
    ----------
    category : str
    rows : int
        Labelled rows that are truly of it.
    precision, recall, f1 : float
    expected_precision, expected_recall, expected_f1 : float
    """

    category: str
    rows: int
    precision: float
    recall: float
    f1: float
    expected_precision: float
    expected_recall: float
    expected_f1: float


@dataclass(frozen=True)
class SegmentQuality:
    """How right predictions are of homes of one value of a segment: of an area, say.

    Attributes
    ----------
    segment, value : str
    rows : int
    accuracy, expected : float
        In the window, and of the same homes in the holdout at the window's mix of categories; of all homes where the
        holdout has too few of these.
    """

    segment: str
    value: str
    rows: int
    accuracy: float
    expected: float


@dataclass(frozen=True)
class ConfidenceBin:
    """Predictions of about the same probability.

    Attributes
    ----------
    above, up_to : float
        Probability of the predicted category.
    rows : int
    share, holdout_share : float
        Of the window's, and of the holdout's predictions.
    accuracy, holdout_accuracy : float
        0 where there are no rows.
    """

    above: float
    up_to: float
    rows: int
    share: float
    holdout_share: float
    accuracy: float
    holdout_accuracy: float


@dataclass(frozen=True)
class Breakdown:
    """A window of labelled predictions in parts.

    Attributes
    ----------
    summary : str
        What does worse than expected, in a sentence.
    categories : tuple of CategoryQuality
        Those with rows both in the window and in the holdout.
    segments : tuple of SegmentQuality
        Those with enough rows, the least accurate first.
    confidences : tuple of ConfidenceBin
    calibration_error, holdout_calibration_error : float
        Expected gap between confidence and accuracy (Naeini et al. 2015), in bins of five points.
    findings : tuple of Finding
        Worst first; none where there are too few rows to judge.
    """

    summary: str
    categories: tuple[CategoryQuality, ...] = ()
    segments: tuple[SegmentQuality, ...] = ()
    confidences: tuple[ConfidenceBin, ...] = ()
    calibration_error: float = 0.0
    holdout_calibration_error: float = 0.0
    findings: tuple[Finding, ...] = ()

    @property
    def material(self) -> tuple[Finding, ...]:
        """What does worse than expected."""
        return tuple(one for one in self.findings if one.material)


def break_down(
    holdout: Outcomes,
    labelled: Outcomes,
    known: Segments,
    segments: Mapping[tuple[str, str], Outcomes],
    limits: Thresholds,
) -> Breakdown:
    """Judge a window of labelled predictions by its parts.

    Parameters
    ----------
    holdout, labelled : Outcomes
        Of the same categories.
    known : Segments
        What the holdout's segments came to.
    segments : mapping of (str, str) to Outcomes
        The window's, by segment and value.
    limits : Thresholds
    """
    categories = tuple(_categories(holdout, labelled))
    compared = {
        (name, value): compare_recall(known.get(name, {}).get(value, holdout.confusion), outcomes)
        for (name, value), outcomes in segments.items()
        if outcomes.rows >= MIN_SEGMENT_ROWS
    }
    of_segments = [
        SegmentQuality(name, value, segments[name, value].rows, found.value, found.value + found.drop)
        for (name, value), found in compared.items()
    ]
    findings: tuple[Finding, ...] = ()
    if labelled.rows >= limits.min_rows:
        drops = [*_drops_of_categories(holdout, labelled)]
        drops += [(f"{name}: {value}", "accuracy", found) for (name, value), found in compared.items()]
        measured = [_measure(*drop, limits) for drop in drops]
        measured += [_measure_calibration(holdout, labelled, limits), _measure_confidence(holdout, labelled, limits)]
        findings = judge(measured, limits.false_discovery_rate)
    return Breakdown(
        summary=_summarize(labelled.rows, findings, limits),
        categories=categories,
        segments=tuple(sorted(of_segments, key=lambda one: one.accuracy)),
        confidences=tuple(_confidences(holdout, labelled)),
        calibration_error=_calibration_error(labelled),
        holdout_calibration_error=_calibration_error(holdout),
        findings=findings,
    )


_MEASURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "precision": precisions,
    "recall": recalls,
    "f1": f1_scores,
}


def _measure_of(measure: str, index: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda counts: _MEASURES[measure](counts)[..., index]


def _categories(holdout: Outcomes, labelled: Outcomes) -> Iterator[CategoryQuality]:
    rows = labelled.confusion.sum(axis=1)
    for index, category in enumerate(labelled.categories):
        if not rows[index] or not holdout.confusion[index].any():
            continue
        found = {name: compare_measure(holdout, labelled, _measure_of(name, index)) for name in _MEASURES}
        yield CategoryQuality(
            category,
            int(rows[index]),
            **{name: one.value for name, one in found.items()},
            **{f"expected_{name}": one.value + one.drop for name, one in found.items()},
        )


def _drops_of_categories(holdout: Outcomes, labelled: Outcomes) -> Iterator[tuple[str, str, Compared]]:
    """Yield what is tested of the categories: F1 follows from the two others, and would only be told twice."""
    rows = labelled.confusion.sum(axis=1)
    for index, category in enumerate(labelled.categories):
        if rows[index] >= MIN_CATEGORY_ROWS and holdout.confusion[index].any():
            for name in ("precision", "recall"):
                yield category, name, compare_measure(holdout, labelled, _measure_of(name, index))


def _measure(part: str, statistic: str, found: Compared, limits: Thresholds) -> Measurement:
    return Measurement(
        column=part,
        statistic=statistic,
        value=found.value,
        effect=found.drop,
        p=found.p,
        alert=limits.performance_drop,
        consequence=Consequence.ALERT,
        detail=f"{statistic} {found.value:.3f} against {found.value + found.drop:.3f} expected from the holdout",
    )


def _measure_calibration(holdout: Outcomes, labelled: Outcomes, limits: Thresholds) -> Measurement:
    """Measure whether being so sure is worth what it was on the holdout: more right than expected is a fault, too."""
    expected = expect_accuracy(holdout, labelled.confidences)
    drop = expected.accuracy - labelled.accuracy
    error = np.sqrt(expected.sampling * labelled.design_effect + expected.uncertainty)
    way = "less" if drop > 0 else "more"
    return Measurement(
        column=CONFIDENCE,
        statistic="calibration",
        value=labelled.accuracy,
        effect=abs(drop),
        p=two_sided(float(drop / error)) if error else 1.0,
        alert=limits.performance_drop,
        consequence=Consequence.ALERT,
        detail=f"predictions as sure as these are {way} often right, {labelled.accuracy:.3f} against "
        f"{expected.accuracy:.3f} expected from the holdout",
    )


def _measure_confidence(holdout: Outcomes, labelled: Outcomes, limits: Thresholds) -> Measurement:
    """Measure whether predictions are as sure as on the holdout, category by category: shown, for it is no fault."""
    rows = holdout.confidences.sum(axis=1, keepdims=True)
    of_each = holdout.confidences / np.maximum(rows, 1)
    mix = labelled.confidences.sum(axis=1, keepdims=True) * (rows > 0) / labelled.rows
    known = (of_each * mix).sum(axis=0) * holdout.rows
    if not known.any():
        return Measurement(CONFIDENCE, "ks", 0.0, 0.0, detail="the holdout has no such predictions")
    found = labelled.confidences.sum(axis=0) / labelled.confidence_design_effect
    distance = kolmogorov_smirnov(known, found)
    mean, before = (float(counts @ MIDDLES / counts.sum()) for counts in (found, known))
    return Measurement(
        column=CONFIDENCE,
        statistic="ks",
        value=distance.value,
        effect=distance.effect,
        p=distance.p,
        warn=limits.ks_warn,
        detail=f"the predicted category's probability is {mean:.3f} on average, {before:.3f} on the holdout",
    )


def _confidences(holdout: Outcomes, labelled: Outcomes) -> Iterator[ConfidenceBin]:
    found, known = ((one.confidences.sum(axis=0), one.hits.sum(axis=0)) for one in (labelled, holdout))
    for index in np.flatnonzero(found[0] + known[0]).tolist():
        rows, of_holdout = int(found[0][index]), int(known[0][index])
        yield ConfidenceBin(
            above=index / N_CONFIDENCES,
            up_to=(index + 1) / N_CONFIDENCES,
            rows=rows,
            share=rows / max(labelled.rows, 1),
            holdout_share=of_holdout / max(holdout.rows, 1),
            accuracy=int(found[1][index]) / max(rows, 1),
            holdout_accuracy=int(known[1][index]) / max(of_holdout, 1),
        )


def _calibration_error(outcomes: Outcomes) -> float:
    gaps = np.abs(outcomes.confidences.sum(axis=0) * MIDDLES - outcomes.hits.sum(axis=0))
    return float(gaps.sum()) / max(outcomes.rows, 1)


def _summarize(rows: int, findings: tuple[Finding, ...], limits: Thresholds) -> str:
    if rows < limits.min_rows:
        return f"Not judged: {rows:,} labelled rows that no window has judged, at least {limits.min_rows:,} are needed."
    worse = "; ".join(f"{one.column}: {one.detail}" for one in findings if one.material)
    if worse:
        return f"Worse than expected from the holdout, and not by chance: {worse}."
    return f"No category, segment or confidence does worse than expected from the holdout, on {rows:,} labelled rows."
