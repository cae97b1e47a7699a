"""Against a real S3 server (moto's) on a free port."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from resources.listing_source import ListingSource
from resources.object_store import ObjectStore


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def test_the_client_talks_to_the_endpoint_that_the_environment_names(endpoint: str) -> None:
    client = ObjectStore().client()
    client.create_bucket(Bucket="ads", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_object(Bucket="ads", Key="2026/a.csv", Body=b"district\n")

    stored = ListingSource(object_store=ObjectStore()).s3_client().get_object(Bucket="ads", Key="2026/a.csv")

    assert stored["Body"].read() == b"district\n"
    assert client.meta.endpoint_url == endpoint
