"""Checkpoints on a disk, and their mirror in a real S3 server's bucket."""

import shutil
from pathlib import Path

import pytest

from resources.checkpoints import FOREST, MANIFEST, Checkpoints
from resources.object_store import ObjectStore

LOCATION = "s3://values/housing/checkpoints/istanbul"


def test_each_forest_has_a_folder_of_its_own_below_the_configured_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(folder=str(tmp_path))

    assert checkpoints.path_of("price_forest").parent == tmp_path
    assert checkpoints.path_of("price_forest") != checkpoints.path_of("other_forest")


def test_without_a_mirror_nothing_is_asked_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(folder=str(tmp_path))
    save(checkpoints, trees=20)

    checkpoints.fetch(FOREST)
    checkpoints.push(FOREST)

    assert files(checkpoints) == {"checkpoint.json": "20", "trees-00000-00020-a.npz": "20"}


@pytest.fixture
def bucket(s3_endpoint: str) -> None:
    region = {"LocationConstraint": "eu-central-1"}
    ObjectStore().client().create_bucket(Bucket="values", CreateBucketConfiguration=region)


def machine(folder: Path) -> Checkpoints:
    return Checkpoints(folder=str(folder), mirror=LOCATION)


def save(checkpoints: Checkpoints, trees: int) -> None:
    """Write what ``CheckpointFolder.save`` leaves after so many trees."""
    folder = checkpoints.path_of(FOREST)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"trees-{trees - 20:05d}-{trees:05d}-a.npz").write_text(str(trees))
    if (folder / MANIFEST).exists():
        shutil.copy(folder / MANIFEST, folder / "checkpoint.previous.json")
    (folder / MANIFEST).write_text(str(trees))


def files(checkpoints: Checkpoints) -> dict[str, str]:
    return {path.name: path.read_text() for path in checkpoints.path_of(FOREST).glob("[!.]*")}


def uploaded() -> set[str]:
    """Return the names in the mirror, and forget who has written them."""
    found = ObjectStore().client().list_objects_v2(Bucket="values").get("Contents", [])
    return {entry["Key"].rpartition("/")[2] for entry in found}


@pytest.mark.usefixtures("bucket")
def test_a_machine_that_has_none_goes_on_where_another_stopped(tmp_path: Path) -> None:
    one, other = machine(tmp_path / "one"), machine(tmp_path / "other")
    for trees in (20, 40):
        save(one, trees)
        one.push(FOREST)

    other.fetch(FOREST)

    assert files(other) == files(one)
    assert set(files(one)) == uploaded()


@pytest.mark.usefixtures("bucket")
def test_only_new_trees_are_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = machine(tmp_path)
    save(checkpoints, 20)
    checkpoints.push(FOREST)
    put = []
    client = ObjectStore().client()
    client.meta.events.register("before-call.s3.PutObject", lambda params, **_: put.append(params["url_path"]))
    monkeypatch.setattr(ObjectStore, "client", lambda self: client)

    save(checkpoints, 40)
    checkpoints.push(FOREST)

    sent = [path.rpartition("/")[2] for path in put]
    assert sent == ["trees-00020-00040-a.npz", "checkpoint.previous.json", "checkpoint.json"]


@pytest.mark.usefixtures("bucket")
def test_what_another_machine_has_done_since_replaces_what_lies_here(tmp_path: Path) -> None:
    one, other = machine(tmp_path / "one"), machine(tmp_path / "other")
    save(one, 20)
    one.push(FOREST)
    other.fetch(FOREST)
    save(other, 40)
    other.push(FOREST)

    one.fetch(FOREST)

    assert files(one) == files(other)


@pytest.mark.usefixtures("bucket")
def test_what_the_mirror_has_not_got_yet_is_gone_on_from_and_not_overwritten(tmp_path: Path) -> None:
    checkpoints = machine(tmp_path)
    save(checkpoints, 20)
    checkpoints.push(FOREST)
    save(checkpoints, 40)  # while the object store was away

    checkpoints.fetch(FOREST)
    assert files(checkpoints)[MANIFEST] == "40"
    checkpoints.push(FOREST)

    assert set(files(checkpoints)) == uploaded()


@pytest.mark.usefixtures("bucket")
def test_what_no_manifest_names_any_more_leaves_the_mirror(tmp_path: Path) -> None:
    checkpoints = machine(tmp_path)
    save(checkpoints, 20)
    checkpoints.push(FOREST)
    (checkpoints.path_of(FOREST) / "trees-00000-00020-a.npz").rename(
        checkpoints.path_of(FOREST) / "trees-00000-00020-b.npz"
    )

    checkpoints.push(FOREST)

    assert uploaded() == {MANIFEST, "trees-00000-00020-b.npz"}


@pytest.mark.usefixtures("bucket")
def test_removed_checkpoints_do_not_come_back(tmp_path: Path) -> None:
    checkpoints = machine(tmp_path)
    save(checkpoints, 20)
    checkpoints.push(FOREST)
    assert checkpoints.stored_bytes(FOREST) > 0

    checkpoints.remove(FOREST)
    checkpoints.fetch(FOREST)

    assert uploaded() == set()
    assert checkpoints.stored_bytes(FOREST) == 0
