"""The loop, end to end, with the processes of production: service, store, registry and Dagster's daemon."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.processes import PROJECT, ProcessError
from demo.story import Story, tell
from housing_assets.monitoring.checks import ESTIMATES_CHECK, PARTS_CHECK


def processes_of(storage: Path) -> list[str]:
    """Return the commands of the processes that were started with a storage."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOUSING_STORAGE") == str(storage):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "storage"


@pytest.fixture(scope="module")
def story(storage: Path) -> Story:
    return tell(storage, print)


@pytest.mark.acceptance
def test_an_ordinary_day_leads_to_nothing(story: Story) -> None:
    ordinary = story.days[0]
    assert [one.check for one in story.judgements[ordinary] if not one.passed] == []
    before = [one for one in story.decisions if ordinary.isoformat() in one.decision.evidence["windows_judged"]]
    assert before[0].decision.outcome == "nothing found"


@pytest.mark.acceptance
def test_a_shifted_day_leads_to_one_retraining_and_the_service_follows_without_a_failed_request(story: Story) -> None:
    shifted = story.days[1]
    failed = {one.check for one in story.judgements[shifted] if not one.passed}
    assert "performance_held" in failed
    assert [one.decision.outcome for one in story.decisions].count("retrain") == 1
    assert story.versions == [1, 2]
    assert sum(tally.answered for tally in story.meanwhile) > 0
    assert sum(tally.failed for tally in [*story.meanwhile, *story.traffic.values()]) == 0


@pytest.mark.acceptance
def test_the_day_after_the_retraining_calls_for_nothing(story: Story) -> None:
    after = story.days[2]
    assert set(story.traffic[after].versions) == {"production 2"}
    # The new version has learned a day of the new prices beside months of the old ones: a part that is still worse than
    # is expected from the holdout is told of, and calls for nothing.
    assert {one.check for one in story.judgements[after] if not one.passed} <= {PARTS_CHECK, ESTIMATES_CHECK}
    assert story.decisions[-1].decision.outcome == "nothing found"


@pytest.mark.acceptance
def test_the_failure_is_told_of(story: Story, storage: Path) -> None:
    assert f"performance_report of {story.days[1]}" in (storage / "alerts.log").read_text()


@pytest.mark.acceptance
def test_no_process_is_left_behind(story: Story, storage: Path) -> None:
    assert story.versions
    assert processes_of(storage) == []


def test_a_folder_that_is_not_of_a_demonstration_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "predictions.db").touch()

    with pytest.raises(ProcessError, match="left alone"):
        tell(tmp_path, print)

    assert [path.name for path in tmp_path.iterdir()] == ["predictions.db"]


@pytest.mark.acceptance
def test_a_demonstration_that_is_stopped_leaves_no_process_behind(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    demo = subprocess.Popen(
        [sys.executable, "-m", "demo", "--storage", str(storage)],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not processes_of(storage):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    demo.send_signal(signal.SIGINT)
    _, said = demo.communicate(timeout=60)

    assert "no process is left behind" in said
    assert demo.returncode == 130
    assert processes_of(storage) == []
