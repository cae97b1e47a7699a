"""What the workflows say: commands that there are, actions that cannot change, production behind its environment."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from housing_assets.command_line.app import app

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((PROJECT / ".github" / "actions").glob("*/action.yml"))
TARGETS = re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE)
ZIZMOR = Path(sys.executable).with_name("zizmor")


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in WORKFLOWS:
        for job in read(file)["jobs"].values():
            yield from ((file.name, step) for step in job["steps"])
    for file in ACTIONS:
        yield from ((f"{file.parent.name}/{file.name}", step) for step in read(file)["runs"]["steps"])


def test_the_linter_finds_nothing() -> None:
    ended = subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", ".github"], cwd=PROJECT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_linter_finds_what_is_dangerous(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(
        "on: pull_request_target\njobs: {a: {runs-on: ubuntu-24.04, steps: "
        "[{uses: actions/checkout@v4}, {run: 'echo ${{ github.event.pull_request.title }}'}]}}\n"
    )
    ended = subprocess.run([ZIZMOR, "--offline", "--no-progress", tmp_path / "bad.yml"], capture_output=True, text=True)
    assert ended.returncode != 0
    for rule in ("dangerous-triggers", "template-injection", "unpinned-uses"):
        assert rule in ended.stdout


def test_actions_are_pinned_by_the_hash_of_their_commit() -> None:
    lines = [line for file in (*WORKFLOWS, *ACTIONS) for line in file.read_text().splitlines() if "uses:" in line]
    assert len(lines) > 20
    for line in lines:
        assert re.search(r"uses: (\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\$/\.github/actions/\w+)$", line), line
    pins: dict[str, set[str]] = {}
    for name, pin in re.findall(r"uses: ([^@\s]+)@(.+)", "\n".join(lines)):
        pins.setdefault(name, set()).add(pin)
    assert {name for name, found in pins.items() if len(found) > 1} == set()


def test_what_steps_call_is_there() -> None:
    called = {command for _, step in steps() for command in step.get("run", "").splitlines()}
    modules = {found for line in called for found in re.findall(r"python -m ([\w.]+)", line)}
    assert modules == {"deploy.fleet", "deploy.scan"}
    for module in modules:
        assert importlib.util.find_spec(f"{module}.__main__")
    targets = {found for line in called for found in re.findall(r"\bmake (\w+)", line)}
    assert targets >= {"check", "test", "acceptance", "audit", "container", "setup"}
    assert targets <= set(TARGETS)
    commands = {found for line in called for found in re.findall(r"\.venv/bin/housing ([a-z]+)", line)}
    assert commands == {"materialize", "versions", "rollback"}
    known = get_command(app)
    for command in commands:
        assert known.get_command(None, command), command  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("workflow", "job"), [("build.yml", "production"), ("deploy.yml", "deploy"), ("rollback.yml", "rollback")]
)
def test_production_is_reached_through_its_environment_and_one_delivery_at_a_time(workflow: str, job: str) -> None:
    told = read(PROJECT / ".github" / "workflows" / workflow)
    environment = told["jobs"][job]["environment"]
    assert environment in ("production", "${{ inputs.environment }}")
    assert f"deliver-{environment}" in [
        told.get("concurrency", {}).get("group"),
        told["jobs"][job].get("concurrency", {}).get("group"),
    ]
    if workflow == "build.yml":
        assert set(told["jobs"][job]["needs"]) == {"image", "staging"}


def test_a_workflow_may_do_no_more_than_it_must() -> None:
    for file in WORKFLOWS:
        told = read(file)
        assert told["permissions"] == {"contents": "read"}
        for job in told["jobs"].values():
            assumes = "role" in yaml.safe_dump(job["steps"])
            assert job.get("permissions", {}) == ({"contents": "read", "id-token": "write"} if assumes else {})
            assert "timeout-minutes" in job
