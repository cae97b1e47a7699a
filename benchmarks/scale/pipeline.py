"""Ads by shards, from drawing to profiles, on any engine: a shard is drawn where it is computed, and never held whole.

What is learned (bins, scores, trees, the edges of profiles) is learned once, of a few ads, and goes along as data.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from benchmarks.measure import peak_bytes
from benchmarks.scale.digests import digest_of
from housing_assets.features.crossing import cross_frame
from housing_assets.features.frame_encoding import encode_frame
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import parse_frame
from housing_assets.listings.duplicates import hash_rows, repeated
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.reference import Reference
from resources.compute.engines import Engine

T = TypeVar("T")

SHARD_ROWS = 100_000
AS_OF = np.datetime64("2026-01-01")
STEPS = ("draw", "hash rows", "clean", "cross", "encode", "score", "profile")


@dataclass(frozen=True)
class Outcome:
    """One run.

    Attributes
    ----------
    seconds : float
        Wall clock, drawing included.
    cpu : dict of str to float
        CPU seconds of all workers by step, and of this process for finding duplicates among hashes.
    peaks : list of int
        Most bytes that each worker has held.
    digests : dict of str to str
        Of all rows, by step.
    """

    seconds: float
    cpu: dict[str, float]
    peaks: list[int]
    digests: dict[str, str]


class _Worked(NamedTuple):
    worker: str
    peak: int
    cpu: dict[str, float]
    digests: dict[str, str]
    profile: Profile


class _Clock:
    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}

    def __call__(self, step: str, work: Callable[[], T]) -> T:
        started = time.process_time()
        result = work()
        self.cpu[step] = time.process_time() - started
        return result


def run(engine: Engine, model: ModelArtifact, rows: int, shard_rows: int = SHARD_ROWS) -> Outcome:
    """Take synthetic ads through every mapped step."""
    started, cpu = time.perf_counter(), dict.fromkeys((*STEPS, "find duplicates"), 0.0)
    shards = [(number, min(shard_rows, rows - first)) for number, first in enumerate(range(0, rows, shard_rows))]
    hashed = list(engine.map_shards(_hash_shard, shards))
    hashes = np.concatenate([each for each, _ in hashed])
    before = time.process_time()
    duplicated = repeated(hashes, engine)
    cpu["find duplicates"] = time.process_time() - before
    for _, seconds in hashed:
        cpu["hash rows"] += seconds
    edges = {name: one.edges for name, one in Reference.from_json(model.reference).profile.numbers.items()}
    worked = list(engine.map_shards(partial(_work, model, edges), _with_masks(shards, duplicated)))
    for each in worked:
        for step, seconds in each.cpu.items():
            cpu[step] += seconds
    peaks: dict[str, int] = {}
    for each in worked:
        peaks[each.worker] = max(each.peak, peaks.get(each.worker, 0))
    digests = {step: digest_of(*(each.digests[step] for each in worked)) for step in worked[0].digests}
    digests["duplicates"] = digest_of(np.flatnonzero(duplicated))
    digests["profile"] = digest_of(reduce(Profile.merge, (each.profile for each in worked)).to_json())
    return Outcome(time.perf_counter() - started, cpu, sorted(peaks.values()), digests)


def _with_masks(shards: list[tuple[int, int]], duplicated: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    done = 0
    for number, rows in shards:
        yield number, rows, duplicated[done : done + rows]
        done += rows


def draw(number: int, rows: int) -> pd.DataFrame:
    """Return the ads of a shard, the same wherever it is drawn."""
    frame = RawListings.of_sample(MARKET, synthetic_listings(rows, seed=number)).frame
    return frame[[column.raw for column in MARKET.columns]]


def _hash_shard(shard: tuple[int, int]) -> tuple[np.ndarray, float]:
    ads = draw(*shard)
    started = time.process_time()
    return hash_rows(ads), time.process_time() - started


def _work(model: ModelArtifact, edges: dict[str, np.ndarray], shard: tuple[int, int, np.ndarray]) -> _Worked:
    number, rows, duplicated = shard
    clock = _Clock()
    ads = clock("draw", lambda: draw(number, rows))[~duplicated]
    listings, faults = clock("clean", lambda: parse_frame(MARKET, ads, with_target=True))
    crossed = clock("cross", lambda: cross_frame(MARKET, listings))
    encoded = clock("encode", lambda: encode_frame(model.encoder, crossed))
    shares = clock("score", lambda: model.forest.predict_proba(encoded))
    predictions = PredictionProfile.of(MARKET.categories, shares.argmax(axis=1), shares)
    profile = clock("profile", lambda: Profile.of(MARKET, listings, predictions, edges, as_of=AS_OF))
    digests = {
        "clean": digest_of(listings, *(fault.rows for fault in faults)),
        "cross": digest_of(crossed),
        "encode": digest_of(encoded),
        "score": digest_of(shares),
    }
    return _Worked(f"{os.uname().nodename} {os.getpid()}", peak_bytes(), clock.cpu, digests, profile)
