"""The settings of a cluster, and what is refused at start."""

import pytest

from resources.compute.certificates import make_certificates
from resources.compute.resource import Compute
from resources.settings import Settings


def settings_of(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"HOUSING_{name.upper()}", str(value))
    return Settings()


def test_without_settings_the_step_computes_by_itself():
    assert Compute.of(Settings()).address == "local"


@pytest.mark.parametrize("address", ["dask", "tcp://scheduler:8786", "tls://scheduler", "tls://:8786", "tls://a:b@c:1"])
def test_an_address_of_another_form_is_refused_by_name(monkeypatch, tmp_path, address):
    with pytest.raises(ValueError, match=r"HOUSING_COMPUTE is .* expected local or tls://host:port"):
        settings_of(monkeypatch, compute=address, compute_certificates=tmp_path)


def test_a_cluster_without_certificates_is_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match="HOUSING_COMPUTE_CERTIFICATES is not set"):
        settings_of(monkeypatch, compute="tls://scheduler:8786")


def test_certificates_that_are_not_there_are_refused_at_start(monkeypatch, tmp_path):
    settings = settings_of(monkeypatch, compute="tls://scheduler:8786", compute_certificates=tmp_path)
    with pytest.raises(ValueError, match=r"HOUSING_COMPUTE_CERTIFICATES: .* has no authority\.pem"):
        Compute.of(settings)


def test_a_cluster_with_certificates_is_taken(monkeypatch, tmp_path):
    make_certificates(tmp_path)
    compute = Compute.of(
        settings_of(
            monkeypatch,
            compute="tls://[::1]:8786",
            compute_certificates=tmp_path / "client",
            compute_shard_rows=50_000,
        )
    )
    assert (compute.address, compute.shard_rows) == ("tls://[::1]:8786", 50_000)
