"""What docs/markets.md says and prints holds, and its commands work in their order."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from housing_assets.inference import rules
from housing_assets.inference.cells import Unusable
from housing_assets.inference.declaration import Role
from housing_assets.inference.stored_rules import RULES as RULES_BY_KIND
from housing_assets.market_loading import load_market, market_names
from resources.ports import free_port

PROJECT = Path(__file__).parents[1]
PAGE = (PROJECT / "docs" / "markets.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for command in block.replace("\\\n", " ").strip().splitlines()
]
RULES = [
    (rule, reads, refuses)
    for rule, reads, refuses in re.findall(r"^\| `(\w+\(.*\))` \| (.*?) \| (?:`(.*?)`)? ?\|$", PAGE, re.MULTILINE)
    if rule.partition("(")[0] in vars(rules)
]
TRAINED_WITHIN, READY_WITHIN = 600, 120


def run(command: str, folder: Path, **environment: str) -> str:
    words = shlex.split(command.replace(".venv/bin/housing", f"{sys.executable} -m housing_assets.command_line"))
    ended = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=TRAINED_WITHIN,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return "nothing" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the page's commands were run up to the check."""
    folder = tmp_path_factory.mktemp("markets")
    for command in COMMANDS:
        if command.startswith(".venv/bin/housing"):
            (folder / "said.txt").write_text(run(command, folder), encoding="utf-8")
    return folder


@pytest.mark.acceptance
def test_the_commands_up_to_the_check_work_as_printed(folder: Path) -> None:
    declared = load_market(str(folder / "my_ads.py"))

    assert declared.name == "my_ads"
    assert declared.currency == "TRY"
    assert set(declared.required) == {"district", "GrossSquareMeters"}
    assert not load_market(str(folder / "build_status.py")).has_price
    said = (folder / "said.txt").read_text(encoding="utf-8")
    assert "My ads: 3,000 rows" in said
    quarantined = re.search(r"([\d,]+) quarantined", said)
    assert quarantined is not None
    assert int(quarantined[1]) < 60


@pytest.mark.acceptance
def test_the_excerpt_is_of_the_draft(folder: Path) -> None:
    excerpt = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert excerpt is not None

    assert excerpt[1] in (folder / "my_ads.py").read_text(encoding="utf-8")


@pytest.mark.acceptance
def test_the_listing_that_is_asked_for_can_be_read(folder: Path) -> None:
    asked = re.search(r"-d '(\{.*?\})'", PAGE)
    assert asked is not None

    assert load_market(str(folder / "my_ads.py")).parse_listing(json.loads(asked[1]), with_target=False)[1] == {}


@pytest.mark.parametrize(("rule", "reads", "refuses"), RULES, ids=[rule for rule, _, _ in RULES])
def test_every_rule_reads_its_examples(rule: str, reads: str, refuses: str) -> None:
    read = eval(rule, vars(rules))
    examples = re.findall(r"`([^`]+)` → `([^`]+)`", reads)

    assert examples
    assert [(cell, shown(read(cell))) for cell, _ in examples] == examples
    if refuses:
        with pytest.raises(Unusable):
            read(refuses)


def test_every_rule_and_role_is_on_the_page() -> None:
    assert {rule.partition("(")[0] for rule, _, _ in RULES} == {rule.__name__ for rule in RULES_BY_KIND.values()}
    assert set(re.findall(r"`Role\.(\w+)`", PAGE)) == {role.name for role in Role}


def test_every_market_of_the_package_is_on_the_page() -> None:
    assert set(re.findall(r"^\| `(\w+)`(?: \(default\))? \| (?:homes|house)", PAGE, re.MULTILINE)) == set(
        market_names()
    )


def test_the_workspace_names_markets_of_the_package() -> None:
    printed = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert printed is not None
    entries = [entry["python_module"] for entry in yaml.safe_load(printed[1])["load_from"]]

    assert [entry["attribute"] for entry in entries] == market_names()
    assert {entry["module_name"] for entry in entries} == {"housing_assets.definitions"}


@pytest.mark.trial
def test_what_was_declared_is_trained_served_and_answers(folder: Path) -> None:
    port = free_port()
    environment = {
        "HOUSING_STORAGE": str(folder / "storage"),
        "HOUSING_PORT": str(port),
        "HOUSING_GRPC_PORT": "0",
        "MLFLOW_PORT": str(free_port()),
    }
    for name in ("HOUSING_MARKET", "HOUSING_SOURCE"):  # of the page, but from the project's folder
        environment[name] = str(folder / {"HOUSING_MARKET": "my_ads.py", "HOUSING_SOURCE": "ads.csv"}[name])
    train, serve = (command.split(" make ")[1] for command in COMMANDS if " make " in command)
    assert "my_ads/registered_model" in run(f".venv/bin/housing {train}", PROJECT, **environment)

    service = subprocess.Popen(
        [sys.executable, "-m", "housing_assets.command_line", serve],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, verify=False).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        asked = next(command for command in COMMANDS if command.startswith("curl"))
        answer = json.loads(run(asked.replace("localhost:3100", f"127.0.0.1:{port}"), folder))
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=60)

    assert answer["price_category"] in ("low", "medium", "high")
    assert answer["band"]["currency"] == "TRY"
