"""A running service, for the tests that only ask it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bento_service.serving import Service, serving


@pytest.fixture(scope="session")
def service(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve the small model without a registry."""
    with serving(tmp_path_factory.mktemp("service"), {"HOUSING_MODEL_FOLDER": str(saved)}) as service:
        yield service


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """Give a client of that service without a key."""
    with service.client() as client:
        yield client
