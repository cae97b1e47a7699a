"""A real S3 server over HTTP: moto's, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer


@contextmanager
def running_s3() -> Iterator[str]:
    """Run a server without buckets and give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        empty(endpoint)  # the servers of a process share their buckets
        yield endpoint
    finally:
        server.stop()


def empty(endpoint: str) -> None:
    """Take all buckets from a server."""
    httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()


def access_to(endpoint: str) -> dict[str, str]:
    """Return the environment by which programs use a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
