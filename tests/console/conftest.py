"""A platform with a past, and the console's pages on it."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from resources.ports import free_port
from tests.console.history import Past, make_past


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """Give a platform with forty days behind it; not to be changed."""
    made = make_past(tmp_path_factory.mktemp("past"), 40)
    yield made
    made.instance.dispose()


@pytest.fixture(scope="session")
def console(past: Past) -> Iterator[httpx.Client]:
    """Serve the pages on it, and give a client."""
    port = free_port()
    # Named, for "auto" is the service's own HTTP in a process that has loaded the service.
    config = uvicorn.Config(past.app(), host="127.0.0.1", port=port, log_level="warning", http="httptools")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, verify=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
