"""Days of production in a real prediction store, as the service would have recorded them."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pandas as pd

from housing_assets.listings.columns import COLUMNS, TARGET
from housing_assets.listings.parsing import Unusable
from housing_assets.listings.sample import Shift, synthetic_listings
from housing_assets.packaging.artifact import ModelArtifact
from resources.prediction_tables import insert, migrate, open_store

READ = [column.raw for column in COLUMNS if column.values[0].name != TARGET]
PRICE = next(column for column in COLUMNS if column.values[0].name == TARGET)
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
    **shift: Any,
) -> int:
    """Store a day of answers, with the price of each an hour later if it is labelled; return how many there are."""
    raw = synthetic_listings(rows, seed=seed, shift=Shift(**shift))
    return store_answers(url, model, day, raw, version=version, labelled=labelled, tier=tier)


def store_answers(
    url: str,
    model: ModelArtifact,
    day: date,
    raw: pd.DataFrame,
    *,
    version: int = 1,
    labelled: bool = False,
    tier: str = "production",
) -> int:
    answers = model.predict(raw[READ])
    usable = answers["reason"].isna().to_numpy()
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, _records(raw[usable], answers[usable], day, version, tier, labelled))
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
            "price_category": answer["price_category"],
            **{name: float(answer[name]) for name in answer if str(name).startswith("probability_")},
            "listing": {name: listing[name] for name in READ if listing[name] is not None},
        }
        price = _price(listing[TARGET]) if labelled else None
        if price is not None:
            observed = (moment + timedelta(hours=1)).isoformat()
            yield {
                "kind": "feedback",
                "feedback_id": str(uuid.uuid4()),
                "prediction_id": prediction_id,
                "price": price,
                "observed_at": observed,
                "received_at": observed,
            }


def _price(cell: Any) -> float | None:
    """Return a price that the service would take as feedback."""
    try:
        return PRICE.parse(cell)[0]
    except Unusable:
        return None
