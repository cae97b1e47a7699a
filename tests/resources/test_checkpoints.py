from pathlib import Path

from resources.checkpoints import Checkpoints


def test_each_forest_has_a_folder_of_its_own_below_the_configured_one(tmp_path: Path) -> None:
    checkpoints = Checkpoints(folder=str(tmp_path))

    assert checkpoints.path_of("price_forest").parent == tmp_path
    assert checkpoints.path_of("price_forest") != checkpoints.path_of("other_forest")
