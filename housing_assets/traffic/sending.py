"""Traffic for a running service: each row of a frame is a request, and what it really was comes back as feedback.

It comes back for a share of the rows and after a delay. A day of the past can be replayed: its records are then dated
over that day.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pandas as pd
from tqdm import tqdm

from housing_assets.inference.market import Market

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """How rows are sent.

    Parameters
    ----------
    rate : float
        Requests a second, at most.
    seed : int
        Chooses the rows that are labelled.
    label_share : float
        Share of the rows, 0 to 1, whose price or category comes back.
    label_delay : float
        Seconds from an answer to its feedback.
    day : date, optional
        Replay this day: records are dated over it.
    connections : int
    """

    rate: float = 200.0
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
        """Requests that the service refused: unusable rows, or what it did not allow."""
        return sum(count for status, count in self.statuses.items() if 400 <= status < 500)

    @property
    def without_key(self) -> int:
        """Requests and feedback that want a valid API key."""
        return self.statuses[httpx.codes.UNAUTHORIZED] + self.feedback[httpx.codes.UNAUTHORIZED]

    @property
    def without_scope(self) -> int:
        """Requests and feedback that the API key is not good for."""
        return self.statuses[httpx.codes.FORBIDDEN] + self.feedback[httpx.codes.FORBIDDEN]

    @property
    def never_reached(self) -> int:
        """Requests that reached no service, where none has reached one."""
        return 0 if self.statuses else self.unreachable

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
            parts.append(f"{self.feedback[httpx.codes.ACCEPTED]:,} labels fed back")
        return "; ".join(part for part in parts if part)


async def send(
    url: str, key: str | None, market: Market, rows: pd.DataFrame, plan: Plan, *, progress: bool = False
) -> Tally:
    """Send rows and return what came back; end at the first that wants an API key, and where nothing answers.

    Parameters
    ----------
    url : str
        Of the service.
    key : str, optional
    market : Market
        Whose rows they are: its target is not sent, but fed back.
    rows : DataFrame
        Raw rows, one a request.
    plan : Plan
    progress : bool
        Whether to show a progress bar.
    """
    tally, queue = Tally(), _schedule(market, rows, plan)
    authorization = {"authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=plan.connections)
    began = time.monotonic()
    with tqdm(total=len(rows), unit="request", disable=not progress) as bar:
        async with httpx.AsyncClient(
            base_url=url, headers=authorization, limits=limits, timeout=TIMEOUT_SECONDS
        ) as client:

            async def work() -> None:
                for due, cells, truth, headers in queue:
                    if (
                        tally.without_key or tally.without_scope or tally.never_reached >= plan.connections
                    ):  # none will be answered
                        return
                    await asyncio.sleep(max(0.0, began + due - time.monotonic()))
                    await _classify(client, cells, truth, headers, plan, tally, pending)
                    bar.update()

            async with asyncio.TaskGroup() as pending:
                workers = [pending.create_task(work()) for _ in range(plan.connections)]
                await asyncio.gather(*workers)
    return tally


def _schedule(
    market: Market, rows: pd.DataFrame, plan: Plan
) -> Iterator[tuple[float, dict[str, Any], dict[str, Any], dict[str, str]]]:
    """Yield when each row is due, its cells, what is fed back of it, and the headers that date it."""
    field_name = "price" if market.has_price else "price_category"
    labelled = np.random.default_rng(plan.seed).random(len(rows)) < plan.label_share
    day = plan.day or datetime.now(UTC).date()
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    names = [column.raw for column in market.columns if column.raw in rows]
    for number, row in enumerate(rows[names].astype(object).to_dict("records")):
        cells = {str(name): _as_json(cell) for name, cell in row.items()}
        cells = {name: cell for name, cell in cells.items() if cell is not None}
        target = cells.pop(market.target_column.raw, None)
        at = start + timedelta(days=1) * (number / len(rows))
        headers = {"housing-as-of": at.isoformat()} if plan.day else {}
        truth: dict[str, Any] = {field_name: target} if labelled[number] and target is not None else {}
        if truth and market.price_kind_column is not None:
            truth["price_kind"] = cells.get(market.price_kind_column.raw)
        yield number / plan.rate, cells, truth, headers


def _as_json(cell: Any) -> str | float | None:
    """Return a cell as a request holds it, None for an empty one."""
    if isinstance(cell, str):
        return cell or None
    if cell is None or cell != cell:  # NaN, NaT
        return None
    if isinstance(cell, bool | np.bool_ | date):  # pandas' moments are dates, too
        return str(cell)
    return int(cell) if isinstance(cell, int | np.integer) else float(cell)


async def _classify(
    client: httpx.AsyncClient,
    cells: Mapping[str, Any],
    truth: Mapping[str, Any],
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
    if truth:
        report = {"prediction_id": answer["prediction_id"], **truth}
        pending.create_task(_feed_back(client, report, headers, plan.label_delay, tally))


async def _feed_back(
    client: httpx.AsyncClient, report: Mapping[str, Any], headers: dict[str, str], delay: float, tally: Tally
) -> None:
    await asyncio.sleep(delay)
    try:
        reply = await client.post("/feedback", json=report, headers=headers)
    except httpx.TransportError:
        tally.unreachable += 1
    else:
        tally.feedback[reply.status_code] += 1
