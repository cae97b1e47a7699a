"""A cluster of real processes: who may talk to it, that it computes what one process does, and what it loses."""

import socket
import ssl
from functools import partial

import dagster as dg
import pandas as pd
import psutil
import pytest

from benchmarks.scale.cluster import running_cluster
from housing_assets.listings.assets import cleaned_listings
from housing_assets.listings.cleaning import clean
from housing_assets.listings.labelled import type_labelled
from housing_assets.listings.samples import load_sample
from housing_assets.listings.source import RawListings
from housing_assets.training.forest import grow_forest
from housing_assets.training.parameters import ForestParameters
from resources.compute.certificates import make_certificates
from resources.compute.engines import LOCAL
from resources.compute.resource import Compute
from tests.compute.mapped_steps import fail, mapped_digests, sleep_and_add
from tests.training.conftest import training_set

dask_engine = pytest.importorskip("resources.compute.dask_engine", reason="the extra dask is not installed")

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def ads(market):
    return RawListings.of_sample(market, load_sample(market).draw(900, seed=8)).frame


def engine_of(cluster, shard_rows=300, log=lambda line: None):
    return dask_engine.DaskEngine(cluster.address, cluster.certificates, shard_rows, log)


# -- who may talk to it ------------------------------------------------------------------------------------------------


def host_and_port(address):
    host, port = address.removeprefix("tls://").rsplit(":", 1)
    return host, int(port)


def addresses(cluster):
    """Give the scheduler, and every port that others can reach of its processes, the nannies and the workers."""
    trees = [psutil.Process(process.pid) for process in cluster.processes]
    processes = [each for tree in trees for each in (tree, *tree.children(recursive=True))]
    connections = [found for process in processes for found in process.net_connections("tcp")]
    listening = {found.laddr for found in connections if found.status == psutil.CONN_LISTEN}
    return [cluster.address, *(f"tls://127.0.0.1:{port}" for ip, port in listening if ip != "127.0.0.1")]


def ask(address, context=None):
    """Send what a client begins with; return what is answered, nothing where the connection is cut."""
    with socket.create_connection(host_and_port(address), timeout=10) as plain:
        talking = context.wrap_socket(plain) if context else plain
        talking.settimeout(10)
        talking.sendall(bytes(8))
        return talking.recv(64)


def context_with(certificates=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificates:
        context.load_cert_chain(certificates / "certificate.pem", certificates / "key.pem")
    return context


@pytest.mark.trial
def test_who_has_a_certificate_is_answered_by_everyone(cluster):
    """Or the tests below would pass on a port where nobody listens."""
    found = addresses(cluster)
    assert len(found) >= 3
    for address in found:
        assert ask(address, context_with(cluster.certificates))


def test_a_stranger_is_refused_by_scheduler_and_workers(cluster, tmp_path):
    make_certificates(tmp_path)  # of an authority of the stranger's own
    for address in addresses(cluster):
        for context in (None, context_with(), context_with(tmp_path / "client")):
            try:
                answered = ask(address, context)
            except (ssl.SSLError, ConnectionError):
                answered = b""
            assert answered == b"", (address, context)


def test_a_strangers_client_is_refused(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_engine, "PATIENCE_SECONDS", 3.0)
    make_certificates(tmp_path)
    stranger = dask_engine.DaskEngine(cluster.address, tmp_path / "client", 300)
    with pytest.raises(ConnectionError, match="the scheduler of HOUSING_COMPUTE"), stranger:
        pass


# -- what it computes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard_rows", [pytest.param(130, marks=pytest.mark.trial), 1_000])
def test_every_mapped_step_is_the_same_on_workers(cluster, artifact, ads, shard_rows):
    with engine_of(cluster, shard_rows) as engine:
        assert mapped_digests(engine, artifact, ads) == mapped_digests(LOCAL, artifact, ads)
        assert engine.account()["compute_workers"] == 2


@pytest.mark.trial
def test_a_forest_is_the_same_on_workers(cluster, tmp_path):
    training, parameters = training_set(300, seed=1), ForestParameters(n_trees=8, checkpoint_every=4)
    with engine_of(cluster) as engine:
        grown = grow_forest(training, parameters, tmp_path / "cluster", engine=engine)
    local = grow_forest(training, parameters, tmp_path / "local")
    assert grown.flatten().digest() == local.flatten().digest()
    resumed = grow_forest(training, parameters, tmp_path / "cluster")
    assert (resumed.n_resumed, resumed.flatten().digest()) == (8, local.flatten().digest())


@pytest.mark.trial
def test_a_shard_that_fails_says_why(cluster):
    with engine_of(cluster) as engine, pytest.raises(ValueError, match="shard 3 cannot be computed"):
        list(engine.map_shards(fail, [3]))


@pytest.mark.trial
def test_a_worker_of_another_release_is_refused(cluster, monkeypatch):
    monkeypatch.setattr(dask_engine, "release", lambda: "code of yesterday")
    with engine_of(cluster) as engine, pytest.raises(dask_engine.WorkerDiffers, match="this process code of yesterday"):
        list(engine.map_shards(abs, [1]))


@pytest.mark.trial
def test_an_asset_says_where_it_was_computed(cluster, market, ads):
    compute = Compute(address=cluster.address, certificates=str(cluster.certificates), shard_rows=300)
    nothing = type_labelled(market, (), lambda frame: frame, lambda version: None).listings

    @dg.asset
    def raw_listings():
        return ads

    @dg.asset
    def labelled_listings():
        return nothing

    result = dg.materialize(
        [raw_listings, labelled_listings, cleaned_listings], resources={"compute": compute, "market": market}
    )
    [made] = result.asset_materializations_for_node("cleaned_listings")[:1]
    told = {name: made.metadata[name].value for name in ("compute_engine", "compute_shards", "compute_workers")}
    assert told == {"compute_engine": "dask", "compute_shards": 9, "compute_workers": 2}
    pd.testing.assert_frame_equal(
        result.output_for_node("cleaned_listings", "listings")[["price"]], clean(market, ads).listings[["price"]]
    )


# -- what it loses -----------------------------------------------------------------------------------------------------


@pytest.mark.trial
def test_a_worker_that_is_killed_loses_nothing_and_progress_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_engine, "PROGRESS_SECONDS", 0.5)
    told = []
    with running_cluster(tmp_path / "cluster", workers=2) as cluster, engine_of(cluster, log=told.append) as engine:
        results = engine.map_shards(partial(sleep_and_add, 0.3), range(24))
        first = [next(results) for _ in range(6)]
        cluster.kill_worker(0)
        assert first + list(results) == [number + 1 for number in range(24)]
        assert engine.workers == 1
    assert len(told) > 2
    assert told[-1].startswith("24 shards in")


@pytest.mark.trial
def test_a_worker_that_is_killed_leaves_the_forest_as_it_is(tmp_path):
    training = training_set(300, seed=1)
    parameters = ForestParameters(n_trees=24, checkpoint_every=4)
    local = grow_forest(training, parameters, tmp_path / "local").flatten().digest()
    with running_cluster(tmp_path / "cluster", workers=2) as cluster, engine_of(cluster) as engine:
        grown = grow_forest(
            training,
            parameters,
            tmp_path / "checkpoints",
            engine=engine,
            report=lambda progress: cluster.kill_worker(0) if progress.n_done == 8 else None,
        )
        assert engine.workers == 1
    assert grown.flatten().digest() == local


@pytest.mark.trial
def test_without_workers_the_step_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_engine, "PATIENCE_SECONDS", 4.0)
    with running_cluster(tmp_path / "cluster", workers=1) as cluster, engine_of(cluster) as engine:
        results = engine.map_shards(partial(sleep_and_add, 0.1), range(1_000))
        assert next(results) == 1
        cluster.kill_worker(0)
        with pytest.raises(ConnectionError, match="has had no worker for 4 s: start `housing compute worker`"):
            list(results)


@pytest.mark.trial
def test_a_scheduler_that_goes_is_an_outage(tmp_path):
    with running_cluster(tmp_path / "cluster", workers=1) as cluster, engine_of(cluster) as engine:
        results = engine.map_shards(partial(sleep_and_add, 0.1), range(1_000))
        assert next(results) == 1
        cluster.processes[0].kill()
        with pytest.raises(ConnectionError, match="the scheduler of HOUSING_COMPUTE"):
            list(results)
