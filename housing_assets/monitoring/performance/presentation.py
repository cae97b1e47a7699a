"""What a performance report leaves: a document for programs, and metadata for the lineage page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import reduce
from typing import Any

from housing_assets.lineage_page import picture, table
from housing_assets.monitoring.documents import Documents
from housing_assets.monitoring.performance.plots import accuracy_over_time
from housing_assets.monitoring.performance.report import Performance
from housing_assets.monitoring.profiles.outcomes import Outcomes
from resources.predictions.answer_reviews import Review, ReviewCounts, count

MAX_ROWS = 20
"""Segments that the lineage page shows; the document has all."""


def documents(performance: Performance) -> Documents:
    """Return the report as JSON."""
    told = {
        "version": performance.version,
        "summary": performance.summary,
        "price_kind": performance.price_kind or None,
        "other_price_kinds": dict(performance.other_kinds),
        "report": asdict(performance.report),
        "breakdown": asdict(performance.breakdown) if performance.breakdown else None,
        "blind_test": asdict(performance.blind_test) if performance.blind_test else None,
        "estimate_without_labels": performance.estimate._asdict() if performance.estimate else None,
        "replaced_version": performance.replaced or None,
        "worse_than_replaced": performance.worse_than_replaced,
        "against_replaced": asdict(performance.against_replaced) if performance.against_replaced else None,
        "challenger": asdict(performance.challenge) if performance.challenge else None,
        "versions": _versions(performance),
    }
    return Documents({"performance_report.json": json.dumps(told, indent=1)})


def metadata(performance: Performance) -> dict[str, Any]:
    """Return what the lineage page shows."""
    import pandas as pd

    report, holdout, challenge = performance.report, performance.holdout, performance.challenge
    shown: dict[str, Any] = {
        "dagster/row_count": report.rows,
        "model_version": performance.version,
        "summary": performance.summary,
        "accuracy": report.accuracy,
        "macro_f1": report.macro_f1,
        "price_kind": performance.price_kind,
        "other_price_kinds": dict(performance.other_kinds),
        "versions": table(pd.DataFrame(_versions(performance))),
    }
    if holdout is not None:
        shown["holdout_accuracy"] = holdout.accuracy
    if performance.estimate is not None:
        shown |= {f"estimated_accuracy_{name}": value for name, value in performance.estimate._asdict().items()}
    if performance.against_replaced is not None:
        shown |= {f"against_replaced_{name}": value for name, value in asdict(performance.against_replaced).items()}
    if challenge is not None:
        shown |= {"challenger_version": challenge.version, "challenger": challenge.summary}
        shown["challenger_verdict"] = challenge.verdict.value
    if challenge is not None and challenge.paired is not None:
        shown |= {f"challenger_{name}": value for name, value in asdict(challenge.paired).items()}
    if breakdown := performance.breakdown:
        shown |= {
            "calibration_error": breakdown.calibration_error,
            "holdout_calibration_error": breakdown.holdout_calibration_error,
            "categories": table(pd.DataFrame([asdict(one) for one in breakdown.categories])),
            "worst_segments": table(pd.DataFrame([asdict(one) for one in breakdown.segments[:MAX_ROWS]])),
            "confidences": table(pd.DataFrame([asdict(one) for one in breakdown.confidences])),
        }
    if (test := performance.blind_test) and not test.insufficient:
        shown |= dict(test.figures)
        shown["price_terciles"] = table(pd.DataFrame([{"tercile": one.value, **one.figures} for one in test.terciles]))
    if performance.by_day:
        expected = holdout.accuracy if holdout else None
        shown["accuracy_over_time"] = picture(accuracy_over_time(performance.by_day, expected), "accuracy by day")
    return shown


def review_metadata(version: int, drawn: Sequence[str], reviews: Mapping[str, Review]) -> dict[str, Any]:
    """Return what the lineage page shows of the answers that persons looked at.

    Parameters
    ----------
    version : int
        In production.
    drawn : sequence of str
        Ids of the day's answers that are to be reviewed.
    reviews : mapping of str to Review
        All there are, by id.
    """
    counts = count(reviews.values()).get(str(version), ReviewCounts(0, 0))
    return {
        "drawn_for_review": len(drawn),
        "left_to_review": sum(one not in reviews for one in drawn),
        "reviewed_of_version": counts.reviewed,
        "unreasonable_of_version": counts.unreasonable,
    }


def _versions(performance: Performance) -> list[dict[str, Any]]:
    return [
        {
            "version": version,
            "rows": merged.rows,
            "accuracy": merged.accuracy,
            "macro_f1": merged.macro_f1,
            "from": str(min(by_day)),
            "to": str(max(by_day)),
        }
        for version, by_day in sorted(performance.by_day.items())
        for merged in [reduce(Outcomes.merge, by_day.values())]
    ]
