"""Five months of real sales as they come: ``python -m tests.acceptance.replayed_sales SALES FOLDER``.

A version learns the sales of before, whose prices are known, and what was published of the index by then. Then, day by
day, each sale is asked about, its price comes back 30 days later, the day is judged, and what the retraining sensor
decides is done. It is a process of its own, because which days are watched is read when the assets are imported. It
prints as JSON when it was trained, and how the answers did beside those of the first version.
"""

import json
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

from housing_assets.features.price_index_learning import PUBLISHED_AFTER
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.price_index import month_number
from housing_assets.listings.assets import LabelledListingsConfig
from housing_assets.listings.cleaning import ROW, clean
from housing_assets.market_loading import load_market
from housing_assets.packaging.batch import ESTIMATED, PRICE_CATEGORY, PRICE_ESTIMATE, answer_listings
from housing_assets.valuation import Valuations, value_figures
from tests.acceptance.platform import Platform, Served
from tests.bento_service.serving import AUTHORIZED

MARKET = "king_county"

YEARS = 11
"""By which sales and the published index are moved, to days that were not long ago: whole years, for the season, and as
many as leave each day its weekday."""

FIRST, LAST = date(2014 + YEARS, 8, 1), date(2014 + YEARS, 12, 31)
BACK_AFTER = timedelta(days=30)

REMEMBERED = timedelta(days=LabelledListingsConfig().days)
"""Age up to which labelled requests teach. With prices that are 30 days late, two months of them do."""

ENVIRONMENT = {
    "HOUSING_MONITORING_START": f"{FIRST.year}-{FIRST.month:02}-01",
    "HOUSING_MONITORING_WINDOW_DAYS": "7",  # a day has some 50 sales, and 200 are needed
}
"""What such a process is started with: assets are defined by it."""

CHOICES = {
    "retrain_windows_needed": 2,
    "retrain_cooldown_hours": 0,  # all days pass within minutes: the pause is that of one look a day
    "retrain_attempts_a_week": 100,
    "retention_days": 3_650,
}


@dataclass
class Replay:
    """Days of sales on a platform.

    Attributes
    ----------
    platform : Platform
    sales : DataFrame
        Raw rows, and ``day``.
    index : Index
    answers : dict of int to dict
        By the row's label.
    to_come : dict of date to list of (dict, datetime)
        Prices that come back on a day, and when.
    retrained : list of dict
        The day of each retraining, its reason, and the version that was in production after it.
    """

    platform: Platform
    sales: pd.DataFrame
    index: "Index"
    answers: dict[Any, dict[str, Any]] = field(default_factory=dict)
    to_come: dict[date, list[tuple[dict[str, Any], datetime]]] = field(default_factory=dict)
    retrained: list[dict[str, str]] = field(default_factory=list)

    def run(self) -> None:
        days = deque(FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1))
        while days:
            tags = None
            with self.platform.served() as served:
                while days and tags is None:
                    day = days.popleft()
                    tags = self._pass(served, day)
            if tags is not None:
                self._retrain(tags, day)

    def _pass(self, served: Served, day: date) -> dict[str, str] | None:
        """Let a day pass, and return the tags of the retraining that it led to."""
        sold = self.sales[self.sales["day"] == day].drop(columns="day")
        version = str(self.platform.production().number)
        for number, (row, cells) in enumerate(sold.to_dict("index").items()):
            moment = datetime.combine(day, time(), UTC) + timedelta(days=number / len(sold))
            listing = {name: cell for name, cell in cells.items() if cell == cell and name != "price"}
            answer = _send(served, "/predict", listing, moment)
            assert answer["model_version"] == version
            self.answers[row] = answer
            report = {"prediction_id": answer["prediction_id"], "price": cells["price"]}
            self.to_come.setdefault(day + BACK_AFTER, []).append((report, moment + BACK_AFTER))
        for report, moment in self.to_come.pop(day, ()):
            _send(served, "/feedback", report, moment)
        served.wait_until_stored()
        self.platform.judge(day)
        request = self.platform.decide()[1]
        return None if request is None else dict(request.tags)

    def _retrain(self, tags: dict[str, str], day: date) -> None:
        learned_from = (datetime.now(UTC).date() - day + REMEMBERED).days
        self.index.publish(day)
        result = self.platform.train({"labelled_listings": {"days": learned_from}}, tags=tags)
        assert result.success
        version = self.platform.production().number
        self.retrained.append({"day": day.isoformat(), "reason": tags["housing/reason"], "in production": str(version)})


@dataclass(frozen=True)
class Index:
    """The market's published index in a file, as far as it was published on a day."""

    path: Path

    def publish(self, day: date) -> None:
        """Write the months that were published by a day."""
        whole = pd.read_csv(load_market(MARKET).published_index or "", dtype=str)
        whole["month"] = _moved(whole["month"])
        last = month_number(f"{day:%Y-%m}") - 1 - PUBLISHED_AFTER  # the month of the day has not ended
        whole[whole["month"].map(month_number) <= last].to_csv(self.path, index=False)


def _send(served: Served, path: str, told: dict[str, Any], moment: datetime) -> dict[str, Any]:
    reply = served.http.post(path, json=told, headers={**AUTHORIZED, "housing-as-of": moment.isoformat()})
    assert reply.is_success, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def replay(sales: Path, folder: Path) -> dict[str, Any]:
    """Let the days pass, and return the retrainings, and by month the figures of the loop and of the first version."""
    raw = pd.read_csv(sales, dtype=str)
    raw["date"] = _moved(raw["date"])
    raw["day"] = pd.to_datetime(raw["date"].str[:8]).dt.date
    known = raw["day"] < FIRST
    raw[known].drop(columns="day").to_csv(folder / "known.csv", index=False)
    index = Index(folder / "index.csv")
    choices = {**CHOICES, "price_index": index.path}
    index.publish(FIRST)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        platform = Platform(MARKET, folder / "known.csv", folder / "storage", instance, config={}, choices=choices)
        assert platform.train().success
        first = ModelArtifact.load(platform.registry.download(platform.production(), folder))
        replay = Replay(platform, raw[~known], index)
        replay.run()
    return {"retrained": replay.retrained, "figures": _compare(first, replay)}


def _moved(dates: pd.Series) -> pd.Series:
    return (dates.str[:4].astype(int) + YEARS).astype(str) + dates.str[4:]


def _compare(first: ModelArtifact, replay: Replay) -> dict[str, dict[str, dict[str, float]]]:
    """Judge the loop's answers and those of the first version to the same sales, by month and together."""
    cleaned = clean(first.market, replay.sales.drop(columns="day").reset_index(drop=True)).listings
    rows = replay.sales.index[cleaned[ROW]]
    answers = {"first version": answer_listings(first, cleaned), "loop": _as_frame(replay.answers[row] for row in rows)}
    prices = cleaned["price"].to_numpy(np.float64)
    truth = np.array(first.labels.categories, dtype=object)[first.labels.labels(prices)]
    months = cleaned["sold_on"].dt.strftime("%Y-%m").to_numpy()
    return {
        part: {
            who: _figures(truth[chosen], prices[chosen], frame[chosen].reset_index(drop=True))
            for who, frame in answers.items()
        }
        for part, chosen in {
            **{month: months == month for month in np.unique(months)},
            "all": np.ones(len(months), dtype=bool),
        }.items()
    }


def _as_frame(answers: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return answers of the service in the columns of ``answer_listings``."""
    rows = []
    for answer in answers:
        told = answer["estimate"] or {}
        row = {
            PRICE_CATEGORY: answer["price_category"],
            PRICE_ESTIMATE: told.get("price"),
            "forecast_deviation": told.get("forecast_deviation"),
        }
        for level in (50, 80):
            row |= {f"interval_{level}_{end}": price for end, price in told.get(f"interval_{level}", {}).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _figures(truth: np.ndarray, prices: np.ndarray, answers: pd.DataFrame) -> dict[str, float]:
    told = {name: answers[name].to_numpy(np.float64) for name in ESTIMATED}
    intervals = {level: (told[f"interval_{level}_low"], told[f"interval_{level}_high"]) for level in (50, 80)}
    valued = value_figures(Valuations(prices, told[PRICE_ESTIMATE], intervals, told["forecast_deviation"]))
    return {"rows": len(prices), "macro_f1": float(f1_score(truth, answers[PRICE_CATEGORY], average="macro")), **valued}


if __name__ == "__main__":
    json.dump(replay(Path(sys.argv[1]), Path(sys.argv[2])), sys.stdout, indent=1)
