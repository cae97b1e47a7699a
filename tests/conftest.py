"""What tests of several packages need."""

import fcntl
import gc
import os
import sqlite3
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pandas as pd
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadFileScheduling

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.price_index_learning import learn_price_index
from housing_assets.features.split import HELD_OUT, held_out, learn_labels
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.listings.labelled import join_labelled, type_labelled
from housing_assets.listings.samples import load_sample
from housing_assets.listings.source import RawListings
from housing_assets.market_loading import load_market
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.assembly import assemble
from housing_assets.training.estimate_learning import learn_estimator
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import new_forest, splittable
from housing_assets.training.parameters import Balancing, ForestParameters
from housing_assets.training.report import EvaluationReport
from housing_assets.training.strategies import balance
from resources import retries
from resources.setting_names import READ_ELSEWHERE
from tests.s3 import access_to, empty, running_s3

PROJECT = Path(__file__).parent.parent

gc.set_threshold(20_000, 20, 100)  # by default, a tenth of the tests' time would go into collecting garbage

# Every run tries other examples, a few of each; `make fuzz` tries many.
hypothesis.settings.register_profile("few", deadline=None, max_examples=25)
hypothesis.settings.register_profile("many", deadline=None, max_examples=300)
hypothesis.settings.load_profile("few")


LONGEST = (
    "test_demo.py",
    "test_graph.py",
    "test_drift_retraining.py",
    "test_assets.py",
    "test_learning_from_production.py",
)
"""Files that begin first, so that none of them is what everybody waits for in the end."""


SHARING = (
    "tests/bento_service/models",
    "tests/bento_service/protocols/other_markets",
    "tests/console",
    "tests/training",
)
"""Folders whose files share what takes seconds to make: with pytest-xdist, the same process runs all of them."""


class ByFileOrFolder(LoadFileScheduling):
    """Hands whole files to processes, and of ``SHARING`` whole folders."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((folder for folder in SHARING if file.startswith(f"{folder}/")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFileOrFolder | None:
    """Choose that where files are to stay together."""
    return ByFileOrFolder(config, log) if config.option.dist == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Let one process at a time read a file of tests: the first compiles it, the others take what it has kept."""
    if not isinstance(collector, pytest.Module):
        return (yield)
    with collector.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Leave what the tests have imported out of every collection of garbage: it stays to the end."""
    gc.freeze()


@event.listens_for(Engine, "connect")
def _no_waiting_for_the_disk(connection: Any, record: object) -> None:
    """Let SQLite leave it to the system when to write: tests survive no power failure."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_outages_to_end() -> Iterator[None]:
    """Let steps be tried as often as ever, without the minutes between their tries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retries, "DELAYS", (0.01,) * len(retries.DELAYS))
        yield


@pytest.fixture(autouse=True, scope="session")
def migrations_are_read_once() -> Iterator[None]:
    """Let Alembic read a folder of migrations once: Dagster has it read all of them for each run's event log."""
    read, known = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()

    def read_once(config: Config) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in known:
            known[folder] = read(config)
        return known[folder]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "from_config", read_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def statements_are_compiled_once() -> Iterator[None]:
    """Let Dagster keep the engine of an SQLite file: it makes one for each connection, which compiles all anew."""
    made: dict[tuple[str, str], Engine] = {}

    def make_once(url: str, **options: Any) -> Engine:
        key = url, repr(options)
        if key not in made:
            if len(made) > 50:  # each run has a file of its own
                made.clear()
            made[key] = create_engine(url, **options)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        for storage in (sqlite_run_storage, sqlite_schedule_storage, sqlite_event_log):
            patch.setattr(storage, "create_engine", make_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def authorities_are_read_once() -> Iterator[None]:
    """Let httpx read the certificates that are trusted by default once: it does for each client, in 20 ms."""
    make = httpx.create_ssl_context
    trusting = cache(lambda _environment: make())

    def make_once(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None or not trust_env:
            return make(verify, cert, trust_env)
        return trusting(tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", make_once)
        yield


@pytest.fixture(autouse=True)
def pictures_are_drawn_where_they_are_looked_at(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave drawing out, which is half of a report's time, except for tests that are marked ``pictures``."""
    if "pictures" not in request.keywords:
        monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, buffer, **_: buffer.write(b"not drawn"))


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what ``make`` exports, and afterwards what ``mlflow.set_tracking_uri`` puts into the environment."""
    for name in os.environ:
        if name.startswith("HOUSING_") and name not in READ_ELSEWHERE:
            monkeypatch.delenv(name)
    for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Run an S3 server; give its address."""
    with running_s3() as endpoint:
        yield endpoint


@pytest.fixture
def s3_endpoint(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of an S3 server without buckets that the environment names as the one to use."""
    empty(s3_server)
    for name, value in access_to(s3_server).items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def real_data_folder() -> Path:
    """Give the folder of the real listings, which are not part of the project."""
    folder = PROJECT / os.environ.get("HOUSING_REAL_DATA", "../shared/data")
    if not folder.is_dir():
        pytest.skip(f"no real listings: {folder} is no folder; HOUSING_REAL_DATA may name another")
    return folder


@pytest.fixture(scope="session")
def market() -> Market:
    """Give the market that has a generator of ads."""
    return load_market("istanbul")


def crossed_listings(market: Market, raw: pd.DataFrame) -> pd.DataFrame:
    """Return raw rows as the assets would: typed, joined, crossed and split, by labels learned of them."""
    cleaned = clean(market, raw)
    nothing = type_labelled(market, (), lambda frame: frame, lambda version: None).listings
    listings = join_labelled(market, cleaned.listings, nothing, n_rows=len(raw), synthetic=True).listings
    labels = learn_labels(market, listings, synthetic=True)
    crossed = cross_frame(market, listings).assign(**{HELD_OUT: held_out(market, labels, listings)})
    crossed.attrs["labels"] = labels
    return crossed


def small_model(market: Market, raw: pd.DataFrame, *, n_trees: int = 15) -> ModelArtifact:
    """Train a small model of raw rows, as they are read from a source."""
    crossed = crossed_listings(market, raw)
    index = learn_price_index(market, crossed[~crossed[HELD_OUT]]).index
    encoder = ListingEncoder(market, n_buckets=2**12, index=index)
    encoded = EncodedListings.encode(crossed, crossed.attrs.pop("labels"), encoder)
    training = balance(
        encoded.X_train,
        encoded.y_train,
        crossed[~crossed[HELD_OUT]],
        encoded.encoder,
        Balancing("class_weight", 20, 0),
    )
    grown = new_forest(ForestParameters(n_trees=n_trees, n_jobs=1)).fit(
        splittable(training.X), training.y, sample_weight=training.weights
    )
    forest = flatten(grown, training.columns, training.n_columns)
    estimator = learn_estimator(forest, encoded, crossed)
    evaluation = EvaluationReport.of(forest, encoded, crossed, estimator)
    reference = Reference.of(market, crossed, encoded.y_holdout, evaluation.probabilities).to_json()
    made_from = {"forest_digest": forest.digest()}
    return assemble(encoded, forest, evaluation.metrics, made_from, crossed, raw, reference, estimator)


@pytest.fixture(scope="session")
def saved(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a small model of synthetic ads; not to be written to.

    The first process of a run that needs it trains it, and compiles what that takes, while the others wait.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "artifact"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            drawn = load_sample(market).draw(1200, seed=5)
            trained = small_model(market, RawListings.of_sample(market, drawn).frame)
            made = tmp_path_factory.mktemp("trained")
            trained.save(made)
            made.rename(folder)
    return folder


@pytest.fixture(scope="session")
def artifact(saved: Path) -> ModelArtifact:
    """Give that model."""
    return ModelArtifact.load(saved)
