"""Synthetic traffic for a running service: ``python -m housing_assets.traffic --requests 2000 --rate 200``.

Each request is one synthetic ad; its price comes back as feedback, for a share of the ads and after a delay. A day of
the past can be replayed: its records are then dated over that day.
"""

import argparse
import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import numpy as np
from tqdm import tqdm

from housing_assets.listings.columns import COLUMNS, TARGET
from housing_assets.listings.sample import synthetic_listings
from housing_assets.listings.sample.knobs import add_shift, take_shift
from housing_assets.listings.sample.shift import Shift

KEY_VARIABLE = "TRAFFIC_API_KEY"
"""Environment variable: the API key that feedback and replayed days need."""

TIMEOUT_SECONDS = 10.0

_PRICE = next(column.raw for column in COLUMNS if column.values[0].name == TARGET)
_READ = [column.raw for column in COLUMNS]


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Parameters
    ----------
    requests : int
    rate : float
        Requests a second, at most.
    shift : Shift
    seed : int
        Another one draws other ads.
    label_share : float
        Share of the ads, 0 to 1, whose price comes back.
    label_delay : float
        Seconds from an answer to its feedback.
    day : date, optional
        Replay this day: records are dated over it.
    connections : int
    """

    requests: int
    rate: float = 200.0
    shift: Shift = field(default_factory=Shift)
    seed: int = 1
    label_share: float = 0.0
    label_delay: float = 0.0
    day: date | None = None
    connections: int = 8


@dataclass
class Tally:
    """What came back: statuses, answers by tier and version, and seconds to each answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    feedback: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    unreachable: int = 0

    @property
    def answered(self) -> int:
        """Requests that were answered with a category."""
        return self.statuses[httpx.codes.OK]

    @property
    def refused(self) -> int:
        """Ads that the service took for unusable, or a request that it did not allow."""
        return sum(count for status, count in self.statuses.items() if 400 <= status < 500)

    @property
    def failed(self) -> int:
        """Requests that got no answer: the service was overloaded, failed, or was not to be reached."""
        return self.statuses.total() - self.answered - self.refused + self.unreachable

    def describe(self) -> str:
        """Return a line for a person."""
        parts = [f"{self.answered:,} answered", f"{self.refused:,} refused", f"{self.failed:,} failed"]
        if self.seconds:
            parts.append(
                f"median {np.median(self.seconds) * 1000:.1f} ms, p99 {np.quantile(self.seconds, 0.99) * 1000:.1f} ms"
            )
        parts.append(", ".join(f"{count:,} by {version}" for version, count in sorted(self.versions.items())))
        if self.feedback:
            parts.append(f"{self.feedback[httpx.codes.ACCEPTED]:,} prices fed back")
        return "; ".join(part for part in parts if part)


async def send(url: str, key: str | None, plan: Plan, *, progress: bool = False) -> Tally:
    """Send traffic and return what came back.

    Parameters
    ----------
    url : str
        Of the service.
    key : str, optional
    plan : Plan
    progress : bool
        Whether to show a progress bar.
    """
    tally, queue = Tally(), _schedule(plan)
    authorization = {"authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=plan.connections)
    began = time.monotonic()
    with tqdm(total=plan.requests, unit="request", disable=not progress) as bar:
        async with httpx.AsyncClient(
            base_url=url, headers=authorization, limits=limits, timeout=TIMEOUT_SECONDS
        ) as client:

            async def work() -> None:
                for due, cells, price, headers in queue:
                    await asyncio.sleep(max(0.0, began + due - time.monotonic()))
                    await _classify(client, cells, price, headers, plan, tally, pending)
                    bar.update()

            async with asyncio.TaskGroup() as pending:
                workers = [pending.create_task(work()) for _ in range(plan.connections)]
                await asyncio.gather(*workers)
    return tally


def _schedule(plan: Plan) -> Iterator[tuple[float, dict[str, Any], str | None, dict[str, str]]]:
    """Yield when each ad is due, its cells, the price that comes back, and the headers that date it."""
    day = plan.day or datetime.now(UTC).date()
    ads = synthetic_listings(plan.requests, seed=plan.seed, shift=plan.shift, as_of=day)[_READ].astype(object)
    labelled = np.random.default_rng(plan.seed).random(plan.requests) < plan.label_share
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for number, ad in enumerate(ads.to_dict("records")):
        cells = {str(name): cell for name, cell in ad.items() if isinstance(cell, str)}
        price = cells.pop(_PRICE, None)
        at = start + timedelta(days=1) * (number / plan.requests)
        headers = {"housing-as-of": at.isoformat()} if plan.day else {}
        yield number / plan.rate, cells, price if labelled[number] else None, headers


async def _classify(
    client: httpx.AsyncClient,
    cells: Mapping[str, Any],
    price: str | None,
    headers: dict[str, str],
    plan: Plan,
    tally: Tally,
    pending: asyncio.TaskGroup,
) -> None:
    started = time.perf_counter()
    try:
        reply = await client.post("/predict", json=cells, headers=headers)
    except httpx.TransportError:
        tally.unreachable += 1
        return
    tally.seconds.append(time.perf_counter() - started)
    tally.statuses[reply.status_code] += 1
    if reply.status_code != httpx.codes.OK:
        return
    answer = reply.json()
    tally.categories[answer["price_category"]] += 1
    tally.versions[f"{answer['tier']} {answer['model_version']}"] += 1
    if price is not None:
        pending.create_task(_feed_back(client, answer["prediction_id"], price, headers, plan.label_delay, tally))


async def _feed_back(
    client: httpx.AsyncClient, prediction_id: str, price: str, headers: dict[str, str], delay: float, tally: Tally
) -> None:
    await asyncio.sleep(delay)
    try:
        reply = await client.post("/feedback", json={"prediction_id": prediction_id, "price": price}, headers=headers)
    except httpx.TransportError:
        tally.unreachable += 1
    else:
        tally.feedback[reply.status_code] += 1


def _day(text: str) -> date:
    return datetime.now(UTC).date() - timedelta(days=1) if text == "yesterday" else date.fromisoformat(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m housing_assets.traffic",
        description=f"Send SYNTHETIC ads to a running service. {KEY_VARIABLE} holds the API key, where one is needed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--url", default="http://127.0.0.1:3100", help="of the service")
    parser.add_argument("--requests", type=int, default=2_000, help="number of ads")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, at most")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws other ads")
    parser.add_argument("--label-share", type=float, default=0.0, help="share of the ads whose price comes back")
    parser.add_argument("--label-delay", type=float, default=0.0, help="seconds from an answer to its price")
    parser.add_argument("--day", type=_day, help="replay this day of the past, or yesterday; needs a key")
    parser.add_argument("--connections", type=int, default=8, help="requests under way at once, at most")
    add_shift(parser)
    given = vars(parser.parse_args(arguments))
    url = given.pop("url")
    try:
        plan = Plan(shift=take_shift(given), **given)
    except ValueError as fault:
        parser.error(str(fault))
    tally = asyncio.run(send(url, os.environ.get(KEY_VARIABLE), plan, progress=True))
    print(tally.describe())
    return 1 if tally.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
