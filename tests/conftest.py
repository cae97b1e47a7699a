"""What tests of several packages need."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data_folder() -> Path:
    """Give the folder of the real listings, which are not part of the project."""
    folder = PROJECT / os.environ.get("HOUSING_REAL_DATA", "../shared/data")
    if not folder.is_dir():
        pytest.skip(f"no real listings: {folder} is no folder; HOUSING_REAL_DATA may name another")
    return folder
