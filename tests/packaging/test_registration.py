import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.encoded import EncodedListings
from housing_assets.inference.declaration import Column, PriceBands, Role, Value
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Number, Text
from housing_assets.packaging import registration
from housing_assets.packaging.batch import answer_columns
from housing_assets.packaging.registration import Registration, git_commit, provenance, requirements
from tests.other_markets import PARCELS, THREE_GRADES

TINY = Market(
    "tiny",
    "Two columns",
    (
        Column("district", "a", Text(), (Value("district", Role.CATEGORY),)),
        Column("price", "5", Number(), (Value("price", Role.PRICE, 1),), required=True),
    ),
    PriceBands(("low", "high"), (0.5,), "EUR"),
)
LISTINGS = pd.DataFrame({"district": pd.Categorical(["şile", "fatih", None]), "price": [1.0, 2.0, 3.0]})


def provenance_of(listings: pd.DataFrame) -> dict[str, str]:
    forest = cast(FlatForest, SimpleNamespace(digest=lambda: "forest"))
    encoded = SimpleNamespace(
        encoder=SimpleNamespace(market=TINY),
        labels=SimpleNamespace(lineage="first"),
        columns_fingerprint=lambda: "columns",
    )
    return provenance(listings, forest, cast(EncodedListings, encoded))


def test_a_registration_reads_back_what_it_wrote(tmp_path: Path) -> None:
    registered = Registration(3, False, "may be worse than the champion")
    registered.save(tmp_path)

    assert Registration.load(tmp_path) == registered


def test_the_data_fingerprint_names_the_rows_whatever_their_order() -> None:
    fingerprint = provenance_of(LISTINGS)["data_fingerprint"]

    assert provenance_of(LISTINGS.iloc[::-1].reset_index(drop=True))["data_fingerprint"] == fingerprint


@pytest.mark.parametrize(
    "other",
    [
        LISTINGS.assign(price=[1.0, 2.0, 3.5]),
        LISTINGS.head(2),
        pd.concat([LISTINGS, LISTINGS.head(1)]),
        LISTINGS.assign(district=pd.Categorical(["şile", "fatih", "şile"])),
    ],
    ids=["another price", "a row less", "a row twice", "a value where there was none"],
)
def test_other_rows_have_another_data_fingerprint(other: pd.DataFrame) -> None:
    assert provenance_of(other)["data_fingerprint"] != provenance_of(LISTINGS)["data_fingerprint"]


def test_provenance_names_what_the_model_was_made_from() -> None:
    found = provenance_of(LISTINGS)

    assert found["lineage"] == "first"
    assert found["listings"] == "3"
    assert found["forest_digest"] == "forest"
    assert found["columns_fingerprint"] == "columns"
    assert set(map(type, found.values())) == {str}  # tags


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "code.py").write_text("a = 1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "tag", "v1")
    commit = git(tmp_path, "rev-parse", "HEAD")

    assert git_commit(tmp_path) == commit
    (tmp_path / "code.py").write_text("a = 2")
    assert git_commit(tmp_path) == f"{commit}-dirty"


def test_outside_of_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == "not a git checkout"


def test_a_computer_without_git_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert git_commit(tmp_path) == "unknown: there is no git"


def test_an_installed_distribution_is_all_that_a_model_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "version", {"housing-price-platform": "1.2.3"}.__getitem__)

    assert requirements() == ["housing-price-platform==1.2.3"]


def test_from_a_bare_checkout_a_model_requires_the_libraries_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "housing-price-platform":
            raise registration.PackageNotFoundError(name)
        return original(name)

    original = registration.version
    monkeypatch.setattr(registration, "version", version)

    assert f"numpy=={np.__version__}" in requirements()
    assert f"pandas=={pd.__version__}" in requirements()


def test_columns_beside_the_declared_values_are_no_part_of_the_data_fingerprint() -> None:
    beside = LISTINGS.assign(row=[7, 8, 9], held_out=[True, False, True])
    assert provenance_of(beside)["data_fingerprint"] == provenance_of(LISTINGS)["data_fingerprint"]


def test_answers_have_a_probability_for_each_category_of_the_market() -> None:
    assert answer_columns(THREE_GRADES) == {
        "price_category": "string",
        "probability_C": "double",
        "probability_A": "double",
        "probability_B": "double",
        "reason": "string",
    }
    assert len(answer_columns(PARCELS)) == 14
