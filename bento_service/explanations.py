"""Explanations: an answer with its reasons, made in a thread of its own while other requests are answered.

One takes a core some hundred milliseconds, as much as hundreds of predictions. A worker makes one at a time, and lets
few wait.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, TypeVar

from bento_service.answers import Comparable, Contribution, Explanation
from bento_service.errors import Kind, ServiceError, unusable_listing
from bento_service.models.snapshot import ServedModel
from bento_service.records.predictions import tell_estimate, why_no_estimate
from housing_assets.inference import artifact, comparables
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.prediction import UnusableListing

EXPLANATION_REQUESTS = 20
"""Requests that an explanation counts as in the rate of a key."""

MAX_WAITING = 2
"""Explanations that may wait for the one that is being made: with more, the last would take a second and longer."""

NEGLIGIBLE = 1e-9
"""What a field adds to nothing more than this is left out."""

T = TypeVar("T")


class ExplanationQueue:
    """Runs one after the other in a thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._room = BoundedSemaphore(1 + MAX_WAITING)

    async def run(self, make: Callable[[], T]) -> T:
        """Return what a function returns.

        Raises
        ------
        ServiceError
            If too many wait already.
        """
        if not self._room.acquire(blocking=False):
            raise ServiceError(
                Kind.OVERLOADED, f"{1 + MAX_WAITING} explanations are being made or wait already", retry_after=1
            )
        running: Future[T] = self._executor.submit(make)
        # Not when the client goes: a thread that has begun goes on to its end.
        running.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(running)

    def stop(self) -> None:
        """Begin no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def explain(served: ServedModel, cells: Mapping[str, Any], budget_ms: float) -> Explanation:
    """Return the answer for a listing with its reasons.

    Parameters
    ----------
    served : ServedModel
    cells : mapping
        Whose fields are all the market's.
    budget_ms : float
        Time that exact contributions may take.

    Raises
    ------
    ServiceError
        If the listing cannot be used.
    """
    started = time.perf_counter()
    model = served.model
    try:
        if isinstance(model, ModelArtifact):
            found = model.explain_one(cells, budget_ms)
        else:
            found = artifact.Explanation(model.predict_one(cells), None, None, ())
    except UnusableListing as fault:
        raise unusable_listing(fault.reasons, cells) from None
    prediction, why, categories = found.prediction, found.contributions, model.labels.categories
    return {
        "price_category": categories[prediction.category],
        "probabilities": dict(zip(categories, prediction.probabilities, strict=True)),
        "band": served.bands[prediction.category],
        "model_version": served.version,
        "tier": served.tier,
        "unseen": list(prediction.unseen),
        "estimate": tell_estimate(served, prediction),
        "no_estimate": why_no_estimate(prediction),
        "method": None if why is None else why.method,
        "no_contributions": None if why is not None else _why_none(served),
        "base_probabilities": {} if why is None else dict(zip(categories, why.base.tolist(), strict=True)),
        "base_price": None if why is None or why.base_log_price is None else math.exp(why.base_log_price),
        "remainder_factor": None if found.remainder is None else math.exp(found.remainder),
        "contributions": _contributions(found, categories),
        "comparables": [_comparable(one) for one in found.comparables],
        "milliseconds": 1_000 * (time.perf_counter() - started),
    }


def _why_none(served: ServedModel) -> str:
    if not isinstance(served.model, ModelArtifact):
        return "a rule answers, which weighs no fields"
    return "the version was registered by a release that kept nothing for explanations"


def _contributions(found: artifact.Explanation, categories: tuple[str, ...]) -> list[Contribution]:
    """Return what fields add, the largest first: to the price, or else to the category that is answered."""
    why = found.contributions
    if why is None:
        return []
    ranked = why.probabilities[:, found.prediction.category] if why.log_price is None else why.log_price
    return [
        {
            "column": why.columns[position],
            "probabilities": dict(zip(categories, why.probabilities[position].tolist(), strict=True)),
            "price_factor": None if why.log_price is None else math.exp(why.log_price[position]),
        }
        for position in (-abs(ranked)).argsort(kind="stable").tolist()
        if abs(ranked[position]) > NEGLIGIBLE or (abs(why.probabilities[position]) > NEGLIGIBLE).any()
    ]


def _comparable(one: comparables.Comparable) -> Comparable:
    return {
        "similarity": one.similarity,
        "price": one.price,
        "adjusted_price": one.adjusted_price,
        "dated": one.dated,
        "differences": [
            {"column": each.column, "name": each.name, "theirs": each.theirs, "asked": each.asked}
            for each in one.differences
        ],
    }
