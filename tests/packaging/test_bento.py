"""Bentos of the real service, built, served and removed in a BentoML store of their own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import pandas as pd
import pytest
import yaml

from housing_assets.inference.artifact import PROBABILITY_TOLERANCE, ModelArtifact
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.packaging import bento
from housing_assets.packaging.assembly import draw_held_out
from housing_assets.packaging.bento import PROJECT, BentoFailed, build_bento, remove_bento, serving, share_compiled
from housing_assets.packaging.registration import Registration
from housing_assets.packaging.skew import find_skew
from tests.conftest import crossed_listings
from tests.packaging.tampering import swap_low_and_high

LABELS = {"model_version": "1", "forest_digest": "f" * 64}
N_LISTINGS = 60
pytestmark = pytest.mark.acceptance

TRAINING_STACK = ("dagster", "mlflow", "sklearn", "imblearn", "pandas", "scipy", "pyarrow")


def bake(artifact: Path, version: str, home: Path, folder: Path) -> str:
    baked = folder / version
    shutil.copytree(artifact, baked)
    Registration(int(version[1]), True, "first version").save(baked)
    return build_bento(baked, version, LABELS, home)


@pytest.fixture(scope="module")
def held_out() -> pd.DataFrame:
    raw = RawListings.of_sample(MARKET, synthetic_listings(1_500, seed=3)).frame
    return draw_held_out(MARKET, crossed_listings(MARKET, raw), raw, N_LISTINGS)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bentoml")


@pytest.fixture(scope="module")
def tag(saved: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return bake(saved, "v1-aaaa", home, tmp_path_factory.mktemp("baked"))


def bento_folder(tag: str, home: Path) -> Path:
    return home / "bentos" / tag.replace(":", "/")


def compiled_walk(source: Path) -> dict[str, int]:
    found = (source / "housing_assets" / "inference" / "__pycache__").glob("walk.*.nbc")
    return {path.name: path.stat().st_mtime_ns for path in found}


def described(tag: str, home: Path) -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((bento_folder(tag, home) / "bento.yaml").read_text()))


def test_a_bento_tells_its_version_its_fingerprints_and_its_model(tag: str, home: Path) -> None:
    assert tag == "housing_price_classifier:v1-aaaa"
    found = described(tag, home)
    assert found["labels"] == LABELS
    assert [(model["tag"], model["alias"]) for model in found["models"]] == [
        ("housing_price_artifact:v1-aaaa", "housing_price_artifact")
    ]


def test_the_model_in_a_bento_is_the_artifact_with_its_registration(tag: str, home: Path, saved: Path) -> None:
    model = home / "models" / "housing_price_artifact" / "v1-aaaa"

    for path in saved.iterdir():
        assert (model / path.name).read_bytes() == path.read_bytes()
    assert Registration.load(model).version == 1


def test_a_bento_holds_neither_assets_nor_this_computers_paths(tag: str, home: Path) -> None:
    files = [path for path in bento_folder(tag, home).rglob("*") if path.is_file()]

    assert {"service.py", "artifact.py", "requirements.lock"} <= {path.name for path in files}
    assert not any(path.name == "assets.py" or "dagster" in path.parts for path in files)
    texts = [path.read_text(encoding="utf-8") for path in files]
    assert not any(str(PROJECT) in text or "index-url" in text for text in texts)


def test_every_module_in_a_bento_imports_with_what_is_in_it_and_without_the_training_stack(
    tag: str, home: Path
) -> None:
    source = bento_folder(tag, home) / "src"
    modules = [".".join(path.relative_to(source).with_suffix("").parts) for path in sorted(source.rglob("*.py"))]
    entered = [name for name in modules if ".migrations." not in name]  # alembic runs those, nobody imports
    program = f"""
import sys
for name in {TRAINING_STACK!r}:
    sys.modules[name] = None
import importlib
for name in {entered!r}:
    importlib.import_module(name.removesuffix(".__init__"))
assert sys.modules["resources.settings"].__file__.startswith({str(source)!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Give a checkout in which nothing was done but the environment."""
    made = shutil.ignore_patterns(".*", "__pycache__", "tests", "build", "dist")
    copied = shutil.copytree(PROJECT, tmp_path / "clone", ignore=made)
    (copied / ".venv" / "bin").mkdir(parents=True)
    (copied / ".venv" / "bin" / "bentoml").symlink_to(Path(sys.executable).parent / "bentoml")
    return copied


def run_as_the_readme_says(clone: Path) -> "subprocess.CompletedProcess[str]":
    line = next(each for each in (PROJECT / "README.md").read_text().splitlines() if "bentoml build" in each)
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(clone)}
    return subprocess.run(line, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.trial
def test_the_readmes_build_packs_the_model_that_was_baked_last(clone: Path, saved: Path, tmp_path: Path) -> None:
    home = clone / ".housing" / "bentoml"
    for version in ("v1-aaaa", "v2-bbbb"):
        bake(saved, version, home, tmp_path)

    ended = run_as_the_readme_says(clone)

    assert ended.returncode == 0, ended.stderr
    versions = {path.name for path in (home / "bentos" / "housing_price_classifier").iterdir() if path.is_dir()}
    (built,) = versions - {"v1-aaaa", "v2-bbbb"}
    found = described(f"housing_price_classifier:{built}", home)
    (model,) = found["models"]
    assert (model["tag"], model["alias"]) == ("housing_price_artifact:v2-bbbb", "housing_price_artifact")
    assert {route["route"] for route in found["schema"]["routes"]} == {
        "/predict",
        "/explain",
        "/predict_batch",
        "/feedback",
        "/model",
    }


def test_the_readmes_build_says_in_a_sentence_that_nothing_was_trained(clone: Path) -> None:
    ended = run_as_the_readme_says(clone)

    assert ended.returncode == 1
    said = (ended.stdout + ended.stderr).strip().splitlines()[-1]
    assert "Model housing_price_artifact:latest could not be found" in said
    assert "Traceback" not in ended.stdout + ended.stderr


def pinned(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), flags=re.MULTILINE))


def test_the_image_has_the_versions_that_the_platform_is_tested_with() -> None:
    image = pinned(PROJECT / "deploy" / "service" / "requirements.lock")

    assert len(image) > 50
    assert image.items() <= pinned(PROJECT / "requirements.lock").items()


def test_a_version_that_the_store_has_is_not_built_again(tag: str, home: Path, saved: Path) -> None:
    with pytest.raises(BentoFailed, match="already exists"):
        build_bento(saved, "v1-aaaa", LABELS, home)


def test_a_served_bento_answers_as_the_evaluated_model_predicts(
    tag: str, home: Path, artifact: ModelArtifact, held_out: pd.DataFrame
) -> None:
    skew = find_skew(tag, home, artifact, held_out)

    assert skew.fault is None
    assert skew.listings == N_LISTINGS
    assert skew.largest_difference <= PROBABILITY_TOLERANCE
    assert 0 < skew.start_seconds < 60
    known, shared = (compiled_walk(source) for source in (PROJECT, bento_folder(tag, home) / "src"))
    assert known == shared  # as old as this checkout's: none was compiled anew


LOOP = """
import numba

@numba.njit("int64(int64)", cache=True)
def double(number):
    return 2 * number

assert double(4) == 8
print(sum(double.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("elsewhere", [False, True], ids=["beside the source", "below NUMBA_CACHE_DIR"])
def test_what_numba_has_compiled_is_taken_from_where_it_keeps_it(
    elsewhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, copy = tmp_path / "checkout" / "loops", tmp_path / "bento" / "loops"
    for folder in (known, copy):
        folder.mkdir(parents=True)
        (folder / "loop.py").write_text(LOOP)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    if elsewhere:
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))

    def hits(folder: Path, environment: dict[str, str] | None = None) -> str:
        loop = [sys.executable, "loop.py"]
        ended = subprocess.run(loop, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        return ended.stdout.strip()

    assert hits(known) == "0"
    share_compiled(known, copy)
    assert hits(copy, bento._environment(tmp_path)) == "1"


@pytest.mark.trial
def test_a_model_that_was_changed_after_its_evaluation_is_found(
    saved: Path, home: Path, artifact: ModelArtifact, held_out: pd.DataFrame, tmp_path: Path
) -> None:
    shutil.copytree(saved, tmp_path / "changed")
    swap_low_and_high(tmp_path / "changed")
    changed = bake(tmp_path / "changed", "v2-bbbb", home, tmp_path)

    skew = find_skew(changed, home, artifact, held_out)

    assert skew.fault is not None
    assert skew.fault.endswith("are answered otherwise than the evaluated model predicts them")
    assert skew.largest_difference > 0.1


@pytest.mark.trial
def test_a_bento_serves_its_own_model_whatever_was_baked_since(
    saved: Path, tag: str, home: Path, artifact: ModelArtifact, held_out: pd.DataFrame, tmp_path: Path
) -> None:
    shutil.copytree(saved, tmp_path / "newer")
    swap_low_and_high(tmp_path / "newer")
    bake(tmp_path / "newer", "v3-cccc", home, tmp_path)

    assert find_skew(tag, home, artifact, held_out.head(5)).fault is None


@pytest.mark.trial
def test_a_bento_that_does_not_start_is_a_finding_with_the_end_of_its_log(
    saved: Path, home: Path, artifact: ModelArtifact, held_out: pd.DataFrame, tmp_path: Path
) -> None:
    broken = bake(saved, "v4-dddd", home, tmp_path)
    service = bento_folder(broken, home) / "src" / "bento_service" / "service.py"
    service.write_text("raise RuntimeError('broken on purpose')")

    skew = find_skew(broken, home, artifact, held_out)

    assert skew.fault == f"{broken} does not start"
    assert "broken on purpose" in skew.log


@pytest.mark.trial
def test_a_refused_listing_is_a_finding_that_says_why(tag: str, home: Path, artifact: ModelArtifact) -> None:
    skew = find_skew(tag, home, artifact, pd.DataFrame({"district": ["şile"], "GrossSquareMeters": ["large"]}))

    assert skew.fault is not None
    assert "422" in skew.fault
    assert "GrossSquareMeters" in skew.fault


@pytest.mark.trial
def test_trying_a_bento_out_leaves_the_metrics_of_a_running_server_alone(tag: str, home: Path) -> None:
    metrics = home / "prometheus_multiproc_dir" / "counter_1.db"
    metrics.parent.mkdir(exist_ok=True)
    metrics.write_bytes(b"counted")

    with serving(tag, home) as url, urlopen(f"{url}/readyz") as answer:
        assert answer.status == 200

    assert metrics.read_bytes() == b"counted"


def test_no_listing_to_compare_with_is_a_finding(tag: str, home: Path, artifact: ModelArtifact) -> None:
    assert find_skew(tag, home, artifact, pd.DataFrame()).fault == "there is no held-out listing to compare with"


@pytest.mark.trial
def test_a_removed_bento_takes_its_model_with_it(saved: Path, home: Path, tag: str, tmp_path: Path) -> None:
    removed = bake(saved, "v5-eeee", home, tmp_path)

    remove_bento(removed, home)

    assert not bento_folder(removed, home).exists()
    assert not (home / "models" / "housing_price_artifact" / "v5-eeee").exists()
    assert bento_folder(tag, home).is_dir()
    with pytest.raises(BentoFailed, match="not found"):
        remove_bento(removed, home)
