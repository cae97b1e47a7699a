"""Every step that is computed by shards, from raw ads to answers, on any engine: a digest of what each made."""

import numpy as np
import pandas as pd

from benchmarks.scale.digests import digest_of
from housing_assets.features.crossing import cross_frame
from housing_assets.features.frame_encoding import encode_frame, hash_frame
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.monitoring.production.days import profile_day
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.batch import predict_frame
from housing_assets.shards import split_rows
from resources.compute.engines import Engine

FRAME_ROWS = 400


def mapped_digests(engine: Engine, model: ModelArtifact, raw: pd.DataFrame) -> dict[str, str]:
    """Take raw ads through every mapped step."""
    market, encoder = model.market, model.encoder
    cleaned = clean(market, raw, engine)
    crossed = cross_frame(market, cleaned.listings, engine)
    encoded = encode_frame(encoder, crossed, engine)
    shares = np.concatenate(list(engine.map_shards(model.forest.predict_proba, split_rows(encoded, engine))))
    reference = Reference.of(market, crossed, shares.argmax(axis=1), shares, engine)
    day = _answered(cleaned.listings, shares, model.labels.categories)
    frames = [day.iloc[start : start + FRAME_ROWS] for start in range(0, len(day), FRAME_ROWS)]
    profiles = profile_day(market, frames, {1: reference.profile}.get, np.arange(len(day)) % 32, engine)
    return {
        "clean": digest_of(cleaned.listings, cleaned.quarantined, cleaned.duplicates),
        "cross": digest_of(crossed),
        "hash": digest_of(hash_frame(market, crossed, encoder.n_buckets, engine)),
        "encode": digest_of(encoded),
        "score": digest_of(shares),
        "profile": digest_of(reference.to_json()),
        "profile a day": digest_of(profiles.by_version[1].to_json(), str(profiles.unattributed)),
        "answer": digest_of(predict_frame(model, raw, engine)),
    }


def _answered(listings: pd.DataFrame, shares: np.ndarray, categories: tuple[str, ...]) -> pd.DataFrame:
    """Return listings as a day of answers: of version 1, and some of a version that has no reference."""
    told = [str(dict(zip(categories, each, strict=True))).replace("'", '"') for each in shares.tolist()]
    return listings.assign(
        predicted_at=pd.Timestamp("2026-03-01 12:00", tz="UTC"),
        tier="production",
        model_version=np.where(np.arange(len(listings)) % 7 == 0, "2", "1"),
        price_category=np.array(categories, dtype=object)[shares.argmax(axis=1)],
        probabilities=told,
    )


def sleep_and_add(seconds: float, number: int) -> int:
    """Do something for a while."""
    import time

    time.sleep(seconds)
    return number + 1


def fail(number: int) -> int:
    raise ValueError(f"shard {number} cannot be computed")
