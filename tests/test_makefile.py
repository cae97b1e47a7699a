"""What ``make`` does beyond calling the other commands."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_link_to_the_configuration_is_mended_after_the_checkout_was_moved(tmp_path: Path) -> None:
    link = tmp_path / "home" / "dagster.yaml"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "where the checkout was" / "dagster.yaml")

    subprocess.run(["make", "-C", ROOT, f"DAGSTER_HOME={link.parent}", str(link)], check=True, capture_output=True)

    assert link.resolve() == ROOT / "dagster.yaml"
