"""Records of predictions: what the journal, the prediction store and the log keep of an answer."""

import logging
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from bento_service import request_ids
from bento_service.answers import Estimate
from bento_service.models.snapshot import ServedModel
from bento_service.moments import format_moment
from housing_assets.inference.estimate import NoEstimate
from housing_assets.inference.prediction import Prediction

Record = dict[str, Any]

logger = logging.getLogger("housing.predictions")


def answer_record(
    served: ServedModel,
    prediction: Prediction,
    cells: Mapping[str, Any],
    *,
    prediction_id: str,
    at: datetime,
    protocol: str,
    key: str | None,
) -> Record:
    """Return the record of an answer, without empty cells.

    Parameters
    ----------
    served : ServedModel
        The model that answers.
    prediction : Prediction
    cells : mapping
        The listing as it was sent.
    prediction_id : str
    at : datetime
        When it was predicted, in UTC.
    protocol : str
        ``http`` or ``grpc``.
    key : str or None
        The request key.
    """
    return {
        "kind": "prediction",
        "prediction_id": prediction_id,
        "predicted_at": format_moment(at),
        "protocol": protocol,
        "request_id": request_ids.current.get(),
        "request_key": key,
        "listing": _without_target(served, cells),
        **_outcome(served, prediction, "answer"),
    }


def shadow_record(shadow: ServedModel, cells: Mapping[str, Any], record: Record) -> Record | None:
    """Return the record of what a challenger would have answered; None if it fails, which no client must notice.

    Parameters
    ----------
    shadow : ServedModel
    cells : mapping
        The listing as it was sent.
    record : dict
        Of the answer.
    """
    try:
        outcome = _outcome(shadow, shadow.model.predict_one(cells), "shadow")
        return {**record, "listing": _without_target(shadow, record["listing"]), **outcome}
    except Exception:
        logger.exception("version %s failed in the shadow", shadow.version)
        return None


def _outcome(served: ServedModel, prediction: Prediction, role: str) -> Record:
    categories = served.model.labels.categories
    return {
        "role": role,
        "tier": served.tier,
        "model_version": served.version,
        "price_category": categories[prediction.category],
        "probabilities": dict(zip(categories, prediction.probabilities, strict=True)),
        "estimate": tell_estimate(served, prediction),
    }


def tell_estimate(served: ServedModel, prediction: Prediction) -> Estimate | None:
    """Return the estimate of a prediction as answers and records have it, None where there is none."""
    found = prediction.estimate
    if isinstance(found, NoEstimate):
        return None
    return {
        "price": found.price,
        "interval_50": {"low": found.interval_50.low, "high": found.interval_50.high},
        "interval_80": {"low": found.interval_80.low, "high": found.interval_80.high},
        "forecast_deviation": found.forecast_deviation,
        "currency": served.model.labels.currency,
    }


def why_no_estimate(prediction: Prediction) -> str | None:
    """Return why a prediction has no estimate, None where it has one."""
    return prediction.estimate.reason if isinstance(prediction.estimate, NoEstimate) else None


def _without_target(served: ServedModel, cells: Mapping[str, Any]) -> Record:
    target = served.model.market.target_column.raw
    return {name: cell for name, cell in cells.items() if cell is not None and name != target}


class PredictionLog:
    """Logs a share of the predictions, one line of JSON each.

    Parameters
    ----------
    share : float
        0 to 1.
    personal : bool
        Whether it shows what can lead to a person.
    """

    def __init__(self, share: float, *, personal: bool) -> None:
        self._share = share
        self._personal = personal

    def sample(self, record: Record, served: ServedModel) -> None:
        """Log a record, or not."""
        if not self._share or random.random() >= self._share:  # noqa: S311  # nosec B311
            return
        if not self._personal:
            hidden = served.model.market.personal_names
            record = {
                **record,
                "listing": {name: cell for name, cell in record["listing"].items() if name not in hidden},
            }
        logger.info(orjson.dumps(record).decode())
