"""Ten days of production made of real ads, some of them broken: what is found, and what is learned from it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.definitions import build_defs
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.labels import LabelScheme
from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import read_listings
from housing_assets.markets.istanbul import MARKET
from housing_assets.traffic.rows import Changes, source_rows
from resources.judgements import read_history
from resources.mlflow.registry import LABELLED_DAYS, PRODUCTION, Version
from resources.predictions.day_decisions import read_ranges
from resources.predictions.store import PredictionStore
from sensors.retraining import RetrainingRule, decide
from sensors.training_runs import TrainingRuns
from tests.monitoring.answered import store_answers
from tests.monitoring.watched import Watched, failed, told

pytestmark = [pytest.mark.real_data, pytest.mark.trial]

TRAINING = dg.AssetSelection.assets("raw_listings").downstream() - dg.AssetSelection.assets("price_bento")
GATES = {"price_forest": {"n_trees": 100}, "model_evaluation": {"min_macro_f1": 0.6, "min_recall": 0.4}}
RULE = RetrainingRule(cooldown=timedelta(0), attempts_a_week=50)
RISE = 1.6


@dataclass(frozen=True)
class Day:
    """A day: what is done to its requests, what it is, and what must be said of it."""

    name: str
    changes: Changes
    edit: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows
    broken: str = ""
    changed: bool = False
    prices: float = 1.0
    rows: int = 1_500


def unseen_districts(rows: pd.DataFrame) -> pd.DataFrame:
    new = np.array([f"yeni ilce {number % 7}" for number in range(len(rows))], dtype=object)
    return rows.assign(district=rows["district"].where(np.arange(len(rows)) % 2 == 0, new))


def new_addresses(rows: pd.DataFrame) -> pd.DataFrame:
    places = [
        f"['Anasayfa', 'Satılık Daire', 'Yeni Mahalle {number % 40} Satılık Daire']" for number in range(len(rows))
    ]
    return rows.assign(address=pd.Series(places, index=rows.index, dtype=object))


DAYS = [
    Day("ordinary", Changes()),
    Day(
        "area x 10",
        Changes(scale={"GrossSquareMeters": 10, "NetSquareMeters": 10}),
        broken="gross_m2 looks multiplied by 10",
    ),
    Day("feet for metres", Changes(scale={"GrossSquareMeters": 3.281}), broken="gross_m2 looks multiplied by 3.281"),
    Day("60 % missing", Changes(missing={"HeatingType": 0.6}), broken="heating_type is missing in"),
    Day("ordinary", Changes()),
    Day("half unseen districts", Changes(), unseen_districts, changed=True),
    Day("one district", Changes(only={"district": "kadikoy"}), changed=True, rows=400),  # as many as there are
    Day("new addresses", Changes(), new_addresses, changed=True),
    Day("prices x 1.6", Changes(scale={"price": RISE}), changed=True, prices=RISE),
    Day("prices x 1.6", Changes(scale={"price": RISE}), changed=True, prices=RISE),
]
FIRST = (datetime.now(UTC) - timedelta(days=len(DAYS) + 1)).date()  # recent enough to be learned from


@dataclass
class Real:
    """A platform trained on some of the real ads, others of which are its production."""

    watched: Watched
    source: Path
    pool: Path
    unused: pd.DataFrame
    trained_at: float = 0.0

    def train(self) -> None:
        defs = build_defs(MARKET, settings=self.watched.settings)
        names = sorted(key.to_user_string() for key in TRAINING.resolve(defs.resolve_asset_graph()))
        config: dict[str, Any] = {"raw_listings": {"source": str(self.source)}, **GATES}
        started = datetime.now(UTC).timestamp()
        result = self.watched.materialize(None, names, config)
        assert result.success, [one.description for one in result.get_asset_check_evaluations() if not one.passed] or [
            str(event.event_specific_data)[:500] for event in result.all_events if event.is_step_failure
        ]
        self.trained_at = started

    @property
    def production(self) -> Version:
        version = self.watched.registry.with_alias(PRODUCTION)
        assert version is not None
        return version

    def artifact(self) -> ModelArtifact:
        with TemporaryDirectory() as folder:
            return ModelArtifact.load(self.watched.registry.download(self.production, Path(folder)))

    def accuracy(self, version: Version, labels: LabelScheme, prices: float) -> float:
        """Return how often a version is right on the ads that were held out from everything."""
        answered = self.watched.registry.predict(version, self.unused[[column.raw for column in MARKET.inputs]])
        truth = labels.labels(clean(MARKET, self.unused).listings["price"].to_numpy() * prices)
        predicted = pd.Categorical(answered["price_category"], categories=list(labels.categories)).codes
        return float((predicted == truth).mean())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, real_data_folder: Path) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("real")
    raw = read_listings(MARKET, str(real_data_folder / "istanbul_listings.csv.gz")).frame
    raw = raw[[column.raw for column in MARKET.columns]].astype(object)
    usable = raw.iloc[clean(MARKET, raw).listings["row"]]
    shuffled = usable.sample(frac=1, random_state=0)
    for name, part in (("source", shuffled[:9_000]), ("pool", shuffled[9_000:17_500])):
        part.to_csv(folder / f"{name}.csv", index=False)
    with dg.DagsterInstance.ephemeral() as instance:
        watched = Watched.on(folder / "storage", instance)
        platform = Real(watched, folder / "source.csv", folder / "pool.csv", shuffled[17_500:])
        platform.train()
        yield platform


def test_ten_days_of_real_ads_teach_what_the_world_shows_and_nothing_that_is_broken(real: Real) -> None:
    defs = build_defs(MARKET, settings=real.watched.settings)
    checks = [key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key.path[-1].endswith("report")]
    store = PredictionStore(url=real.watched.settings.prediction_store_url)
    lines, retrained = [], []
    for number, day in enumerate(DAYS):
        when, champion = FIRST + timedelta(days=number), real.production
        rows = day.edit(source_rows(MARKET, str(real.pool), day.rows, seed=number, changes=day.changes))
        model = real.artifact()
        store_answers(
            real.watched.settings.prediction_store_url, model, when, rows, version=champion.number, labelled=True
        )
        evaluations = real.watched.judge(when)
        cause = told(evaluations["input_not_broken"], "cause")
        held = {one.isoformat(): decision.at for one, decision in store.days().held.items()}
        history = read_history(real.watched.instance, checks, datetime.now(UTC))
        decision, windows = decide(history, TrainingRuns(trained_at=real.trained_at), datetime.now(UTC), RULE, held)
        counted = [window.name for window in windows]
        outcome = ""
        if decision.run_key:
            real.train()
            newest = real.watched.registry.versions()[0]
            retrained.append(day.name)
            before, after = (real.accuracy(one, model.labels, day.prices) for one in (champion, newest))
            promoted = real.production.number == newest.number
            outcome = (
                f"version {newest.number} {'promoted' if promoted else 'not promoted'}: {before:.3f} -> {after:.3f}"
            )
            if promoted:
                assert after >= before - 0.01, outcome
        lines.append(
            f"{when} {day.name:<22} {'HELD' if cause else '':<5} counts: {when.isoformat() in counted!s:<6} "
            f"{', '.join(sorted(failed(evaluations)))} | {decision.outcome} {outcome} | {cause}"
        )
        print(lines[-1])
        assert bool(cause) == bool(day.broken), lines[-1]
        assert day.broken in cause
        assert bool(day.broken) <= (when.isoformat() not in counted)
        assert failed(evaluations) if day.changed else True, lines[-1]
    print("\n".join(lines))
    broken = {FIRST + timedelta(days=number) for number, day in enumerate(DAYS) if day.broken}
    for version in real.watched.registry.versions():
        learned = read_ranges(version.tags[LABELLED_DAYS])
        print(f"version {version.number} learned from {version.tags[LABELLED_DAYS] or 'the source alone'}")
        assert not learned & broken
        assert version.number == 1 or FIRST in learned
    assert set(store.days().held) == broken
    assert retrained
    assert set(retrained) <= {day.name for day in DAYS if day.changed}
