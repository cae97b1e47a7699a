"""A forest whose training goes on on another machine, from the bucket."""

from pathlib import Path

import numpy as np
import pytest

from housing_assets.training.balancing import TrainingSet
from housing_assets.training.forest import Grown, grow_forest
from housing_assets.training.parameters import ForestParameters
from resources.checkpoints import FOREST, Checkpoints
from resources.object_store import ObjectStore

LOCATION = "s3://forests/istanbul"


class Stopped(Exception):
    """The machine is gone."""


def grow(training: TrainingSet, machine: Path, n_trees: int, *, stop_after: int = 0) -> Grown:
    checkpoints = Checkpoints(folder=str(machine), mirror=LOCATION)
    saved = 0

    def mirror() -> None:
        nonlocal saved
        checkpoints.push(FOREST)
        saved += 1
        if saved == stop_after:
            raise Stopped

    checkpoints.fetch(FOREST)
    parameters = ForestParameters(n_trees=n_trees, checkpoint_every=5, n_jobs=1)
    return grow_forest(training, parameters, checkpoints.path_of(FOREST), saved=mirror)


@pytest.fixture
def bucket(s3_endpoint: str) -> None:
    region = {"LocationConstraint": "eu-central-1"}
    ObjectStore().client().create_bucket(Bucket="forests", CreateBucketConfiguration=region)


@pytest.mark.usefixtures("bucket")
def test_it_grows_to_the_very_same_forest(training: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        grow(training, tmp_path / "one", 20, stop_after=2)

    resumed = grow(training, tmp_path / "other", 20)

    assert resumed.n_resumed == 10
    assert resumed.refusals == []
    alone = grow_forest(training, ForestParameters(n_trees=20, n_jobs=1), tmp_path / "alone")
    assert resumed.flatten().digest() == alone.flatten().digest()


@pytest.mark.usefixtures("bucket")
def test_a_damaged_part_in_the_bucket_is_refused_as_on_the_disk(training: TrainingSet, tmp_path: Path) -> None:
    grow(training, tmp_path / "one", 10)
    client = ObjectStore().client()
    parts = [entry["Key"] for entry in client.list_objects_v2(Bucket="forests")["Contents"] if "trees-" in entry["Key"]]
    client.put_object(Bucket="forests", Key=parts[-1], Body=np.random.default_rng(0).bytes(100))

    resumed = grow(training, tmp_path / "other", 10)

    assert resumed.n_resumed == 5  # of the checkpoint before
    assert "is damaged: its checksum differs" in resumed.refusals[0]
