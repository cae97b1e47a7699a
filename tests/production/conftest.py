from collections.abc import Iterator

import pytest

from tests.production.stack import Stack, running_stack


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as stack:
        yield stack


@pytest.fixture
def environment(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the environment of a machine in production, which is this process's, too."""
    environment = stack.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment
