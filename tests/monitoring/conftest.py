"""What the tests of several monitoring modules need."""

import pytest

from housing_assets.inference.artifact import ModelArtifact
from tests.monitoring.small_platform import Platform, ads


@pytest.fixture(scope="session")
def platform(artifact: ModelArtifact) -> Platform:
    """Give a small model, and 16,000 listings that stand for those it was trained on."""
    return Platform(artifact, ads(16_000, seed=0), ads(4_000, seed=1))
