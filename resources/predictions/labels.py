"""The query for predictions whose true price or category is known."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from resources.predictions.tables import FEEDBACK, PREDICTIONS


def labels_query(
    as_of: datetime, *, since: datetime | None = None, role: str = "answer", price_kind: str | None = None
) -> Select[Any]:
    """Return the query for labelled predictions, in no order; ``PredictionStore.labels`` says what its columns are.

    Parameters
    ----------
    as_of : datetime
        What was received by then counts, the newest for each prediction and kind of price.
    since : datetime, optional
        Leave out predictions from before.
    role : str
        ``answer`` or ``shadow``.
    price_kind : str, optional
        What a price counts as of which no kind was said.
    """
    reported = FEEDBACK.c
    newer = FEEDBACK.alias("newer")
    superseded = select(newer).where(
        newer.c.prediction_id == reported.prediction_id,
        newer.c.received_at <= as_of,
        func.coalesce(newer.c.price_kind, price_kind or "") == func.coalesce(reported.price_kind, price_kind or ""),
        tuple_(newer.c.received_at, newer.c.feedback_id) > tuple_(reported.received_at, reported.feedback_id),
    )
    query = (
        select(
            PREDICTIONS,
            reported.feedback_id,
            reported.price,
            reported.price_category.label("true_category"),
            func.coalesce(reported.price_kind, price_kind).label("price_kind"),
            reported.observed_at,
            reported.received_at,
        )
        .join(FEEDBACK, reported.prediction_id == PREDICTIONS.c.prediction_id)
        .where(PREDICTIONS.c.role == role, reported.received_at <= as_of, ~superseded.exists())
    )
    if since is not None:
        query = query.where(PREDICTIONS.c.predicted_at >= since)
    return query
