"""What ``make`` does beyond calling the other commands."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_link_to_the_configuration_is_mended_after_the_checkout_was_moved(tmp_path: Path) -> None:
    link = tmp_path / "home" / "dagster.yaml"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "where the checkout was" / "dagster.yaml")

    subprocess.run(["make", "-C", ROOT, f"DAGSTER_HOME={link.parent}", str(link)], check=True, capture_output=True)

    assert link.resolve() == ROOT / "dagster.yaml"


def test_production_has_a_home_and_a_configuration_of_its_own(tmp_path: Path) -> None:
    link = tmp_path / "dagster-production" / "dagster.yaml"
    chosen = ["HOUSING_DEPLOYMENT=production", f"HOUSING_STORAGE={tmp_path}"]
    environment = {
        name: text for name, text in os.environ.items() if name not in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")
    }

    subprocess.run(["make", "-C", ROOT, *chosen, str(link)], check=True, capture_output=True, env=environment)

    assert link.resolve() == ROOT / "deploy" / "dagster.yaml"


def test_the_image_that_make_builds_is_the_one_that_compose_starts_and_kubernetes_runs() -> None:
    dry = ["make", "-C", ROOT, "--dry-run", "images"]
    commands = subprocess.run(dry, check=True, capture_output=True, text=True).stdout
    (built,) = re.findall(r"docker build .*--tag (\S+)", commands)
    compose = (ROOT / "deploy" / "compose.yaml").read_text()
    objects = "".join(file.read_text() for file in (ROOT / "deploy" / "kubernetes" / "base" / "dagster").glob("*.yaml"))

    assert set(re.findall(r"PLATFORM_IMAGE:-([^}]+)}", compose)) == {built}
    assert set(re.findall(r"image: (\S+)", objects)) == {built.removesuffix(":latest")}


def test_help_lists_every_target() -> None:
    phony = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    shown = subprocess.run(["make", "-C", ROOT, "help"], check=True, capture_output=True, text=True).stdout

    listed = {line.split()[0] for line in shown.splitlines() if line and "\t" not in line}
    assert set(phony.split()[1:]) <= listed
    assert "HOUSING_MARKET" in shown


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (["materialize"], "housing materialize"),
        (["judge", "DAY=2026-03-01"], "housing judge 2026-03-01"),
        (["rollback", "TO=3", "REASON=too many complaints"], 'housing rollback --to 3 --reason "too many complaints"'),
        (["versions"], "housing versions"),
        (["decisions"], "housing decisions"),
        (["dev"], "housing dev"),
        (["serve"], "housing serve"),
        (["console"], "housing console"),
        (["exporter"], "housing exporter"),
    ],
)
def test_targets_call_the_command(target: list[str], command: str) -> None:
    shown = subprocess.run(["make", "-C", ROOT, "-n", *target], check=True, capture_output=True, text=True).stdout
    assert f".venv/bin/{command}" in shown.splitlines()
