"""A registry and the network before it, for the tests of what reads from it."""

import uuid
from collections.abc import Iterator

import pytest

from housing_assets.inference.artifact import ModelArtifact
from tests.bento_service.models.registries import FaultProxy, ModelSource, RegisteredModel, Registry, log_models


@pytest.fixture(scope="session")
def model_source(artifact: ModelArtifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSource]:
    """Give a server with models that were logged, none of which is registered."""
    folder = tmp_path_factory.mktemp("mlflow")
    registry = Registry(folder)
    try:
        source = ModelSource(registry.url, registry.database, folder)
        log_models(source, artifact, folder / "models")
        yield source
    finally:
        registry.kill()


@pytest.fixture
def registered(model_source: ModelSource) -> RegisteredModel:
    """Give a registered model without versions."""
    return RegisteredModel(model_source, f"model-{uuid.uuid4().hex}")


@pytest.fixture
def proxy(model_source: ModelSource) -> Iterator[FaultProxy]:
    """Give a proxy before the server that fails nothing yet."""
    proxy = FaultProxy(model_source.url)
    yield proxy
    proxy.heal()
    proxy.down()
