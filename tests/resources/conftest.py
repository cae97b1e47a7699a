from pathlib import Path

import pytest

from tests.resources.mlflow_database import new_database


@pytest.fixture
def tracking_uri(tmp_path: Path) -> str:
    return new_database(tmp_path)
