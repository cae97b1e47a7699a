"""Days of production in a real prediction store, as the service would have recorded them."""

import uuid
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.cells import Unusable
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.packaging.batch import predict_frame, probability_names
from resources.predictions.records import insert
from resources.predictions.tables import migrate, open_store

READ = [column.raw for column in MARKET.inputs]
PRICE = MARKET.target_column
MIDNIGHT = time(tzinfo=UTC)


def answer_day(
    url: str,
    model: ModelArtifact,
    day: date,
    rows: int,
    *,
    seed: int,
    version: int = 1,
    labelled: bool = False,
    tier: str = "production",
    shadow: tuple[int, ModelArtifact] | None = None,
    **shift: Any,
) -> int:
    """Store a day of answers, with the price of each an hour later if it is labelled; return how many there are.

    ``shadow`` is a challenger by its version: its predictions are stored beside the answers.
    """
    raw = load_sample(MARKET).draw(rows, seed=seed, shift=shift)
    return store_answers(url, model, day, raw, version=version, labelled=labelled, tier=tier, shadow=shadow)


def store_answers(
    url: str,
    model: ModelArtifact,
    day: date,
    raw: pd.DataFrame,
    *,
    version: int = 1,
    labelled: bool = False,
    tier: str = "production",
    shadow: tuple[int, ModelArtifact] | None = None,
) -> int:
    answers = predict_frame(model, raw[READ])
    beside = None if shadow is None else (shadow[0], predict_frame(shadow[1], raw[READ]))
    usable = answers["reason"].isna().to_numpy()
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        records = list(_records(raw[usable], answers[usable], day, version, tier, labelled))
        insert(connection, records)
        if beside is not None:
            insert(connection, _shadows(records, beside[1][usable], beside[0]))
    engine.dispose()
    return int(usable.sum())


def _records(
    raw: pd.DataFrame, answers: pd.DataFrame, day: date, version: int, tier: str, labelled: bool
) -> Iterator[dict[str, Any]]:
    cells = raw.astype(object).where(raw.notna(), None).to_dict("records")
    step = timedelta(hours=20) / max(len(cells), 1)
    for row, (listing, answer) in enumerate(zip(cells, answers.to_dict("records"), strict=True)):
        moment = datetime.combine(day, MIDNIGHT) + row * step
        prediction_id = str(uuid.uuid4())
        yield {
            "kind": "prediction",
            "prediction_id": prediction_id,
            "role": "answer",
            "predicted_at": moment.isoformat(),
            "protocol": "http",
            "request_key": None,
            "tier": tier,
            "model_version": str(version),
            **_said(answer),
            "listing": {name: listing[name] for name in READ if listing[name] is not None},
        }
        price = _price(listing[PRICE.raw]) if labelled else None
        if price is not None:
            observed = (moment + timedelta(hours=1)).isoformat()
            yield {
                "kind": "feedback",
                "feedback_id": str(uuid.uuid4()),
                "prediction_id": prediction_id,
                "price": price,
                "price_category": None,
                "observed_at": observed,
                "received_at": observed,
            }


def _shadows(records: Iterable[dict[str, Any]], answers: pd.DataFrame, version: int) -> Iterator[dict[str, Any]]:
    predicted = (record for record in records if record["kind"] == "prediction")
    for record, answer in zip(predicted, answers.to_dict("records"), strict=True):
        yield record | {"role": "shadow", "tier": "staging", "model_version": str(version), **_said(answer)}


def _said(answer: Mapping[Hashable, Any]) -> dict[str, Any]:
    names = zip(MARKET.categories, probability_names(MARKET.categories), strict=True)
    return {
        "price_category": answer["price_category"],
        "probabilities": {category: float(answer[name]) for category, name in names},
    }


def _price(cell: Any) -> float | None:
    """Return a price that the service would take as feedback."""
    try:
        return PRICE.parse(cell)[0]
    except Unusable:
        return None
