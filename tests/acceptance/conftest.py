"""What the acceptance tests share."""

from collections.abc import Iterator

import dagster as dg
import pytest


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    """Give a Dagster instance that is gone afterwards."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made
