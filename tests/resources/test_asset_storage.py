import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from resources.asset_storage import AssetStorage


@dataclass(frozen=True)
class Edges:
    low: float
    high: float

    def save(self, folder: Path) -> None:
        (folder / "edges.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(**json.loads((folder / "edges.json").read_text()))


class Broken(Edges):
    def save(self, folder: Path) -> None:
        super().save(folder)
        raise OSError("no space left on device")


def storage_in(folder: Path) -> dict[str, Any]:
    return {"io_manager": AssetStorage(folder=str(folder), values={"edges": f"{__name__}:Edges"})}


def materialize_edges(folder: Path, value: Edges, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    @dg.asset
    def edges() -> Edges:
        return value

    return dg.materialize([edges], resources=storage_in(folder), raise_on_error=raise_on_error)


def store_edges(folder: Path, value: Edges) -> None:
    """Store a value without a run, which takes its time."""
    AssetStorage(folder=str(folder)).handle_output(dg.build_output_context(asset_key="edges"), value)


def read_edges(folder: Path) -> Edges:
    """Return the value that a downstream asset gets."""
    storage = storage_in(folder)["io_manager"]
    return storage.load_input(dg.build_input_context(asset_key="edges"))


def stored_values(folder: Path) -> list[Edges]:
    """Return all that the storage holds of the asset, oldest first; it must be whole."""
    return sorted((Edges.load(value) for value in (folder / ".edges").iterdir()), key=lambda value: value.low)


def passed_on(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return what a downstream asset gets to see of a frame."""

    @dg.asset
    def upstream() -> pd.DataFrame:
        return frame

    @dg.asset
    def downstream(upstream: pd.DataFrame) -> None:
        seen.append(upstream)

    seen: list[pd.DataFrame] = []
    dg.materialize([upstream, downstream], resources=storage_in(folder))
    return seen[0]


FRAME = pd.DataFrame(
    {
        "price": [1.5, None, 3.0],
        "rooms": pd.array([1, 2, 3], dtype="int64"),
        "district": pd.Categorical(["kadıköy", None, "şile"]),
        "empty_category": pd.Categorical([None] * 3, categories=pd.Index([], dtype=object)),
        "updated_on": pd.to_datetime(["2022-02-24", None, "2022-03-01"]),
        "sold": [True, False, True],
        "text": ["a", None, "ç"],
    }
)


def test_a_frame_arrives_downstream_as_it_was(tmp_path: Path) -> None:
    kept = [name for name in FRAME if name != "empty_category"]

    assert_frame_equal(passed_on(FRAME[kept], tmp_path), FRAME[kept])


def test_a_column_of_texts_without_a_single_value_stays_one_of_texts(tmp_path: Path) -> None:
    seen = passed_on(FRAME, tmp_path)["empty_category"]

    assert seen.isna().all()
    assert isinstance(seen.dtype, pd.CategoricalDtype)
    assert seen.cat.categories.dtype == object


def test_a_frame_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    seen = passed_on(FRAME.head(0), tmp_path)

    assert list(seen) == list(FRAME)
    assert seen["price"].dtype == "float64"


def test_a_value_that_stores_itself_is_read_as_the_type_of_the_input(tmp_path: Path) -> None:
    materialize_edges(tmp_path, Edges(1.0, 2.0))

    @dg.asset
    def report(edges: Edges) -> None:
        seen.append(edges)

    seen: list[Edges] = []
    edges = dg.AssetSpec("edges")
    dg.materialize([report, edges], resources=storage_in(tmp_path), selection=[report])

    assert seen == [Edges(1.0, 2.0)]


def test_the_materialization_says_where_the_value_lies_and_how_large_it_is(tmp_path: Path) -> None:
    result = materialize_edges(tmp_path, Edges(1.0, 2.0))

    (materialization,) = result.asset_materializations_for_node("edges")
    assert materialization.metadata["path"].value == str(tmp_path / "edges")
    assert materialization.metadata["stored_bytes"].value == (tmp_path / "edges" / "edges.json").stat().st_size


def test_a_new_value_replaces_the_old_one_whole(tmp_path: Path) -> None:
    materialize_edges(tmp_path, Edges(1.0, 2.0))
    (tmp_path / "edges" / "of the old value").touch()

    materialize_edges(tmp_path, Edges(3.0, 4.0))

    assert [path.name for path in (tmp_path / "edges").iterdir()] == ["edges.json"]
    assert Edges.load(tmp_path / "edges") == Edges(3.0, 4.0)


def test_the_value_before_the_newest_is_kept_and_those_before_it_are_not(tmp_path: Path) -> None:
    for low in (1.0, 2.0, 3.0, 4.0):
        materialize_edges(tmp_path, Edges(low, 9.0))

    assert stored_values(tmp_path) == [Edges(3.0, 9.0), Edges(4.0, 9.0)]


def test_a_value_that_is_replaced_while_it_is_read_arrives_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialize_edges(tmp_path, Edges(1.0, 2.0))
    load = Edges.load

    def load_late(folder: Path) -> Edges:
        materialize_edges(tmp_path, Edges(3.0, 4.0))
        return load(folder)

    monkeypatch.setattr(Edges, "load", load_late)

    assert read_edges(tmp_path) == Edges(1.0, 2.0)


def test_the_storage_can_be_moved(tmp_path: Path) -> None:
    materialize_edges(tmp_path / "here", Edges(1.0, 2.0))
    (tmp_path / "here").rename(tmp_path / "there")

    assert read_edges(tmp_path / "there") == Edges(1.0, 2.0)


def store_as_before_there_were_links(folder: Path, value: Edges) -> None:
    (folder / "edges").mkdir(parents=True)
    value.save(folder / "edges")


def test_a_value_stored_before_there_were_links_is_read_replaced_and_one_day_removed(tmp_path: Path) -> None:
    store_as_before_there_were_links(tmp_path, Edges(1.0, 2.0))
    assert read_edges(tmp_path) == Edges(1.0, 2.0)

    materialize_edges(tmp_path, Edges(3.0, 4.0))
    assert read_edges(tmp_path) == Edges(3.0, 4.0)

    materialize_edges(tmp_path, Edges(5.0, 6.0))
    assert stored_values(tmp_path) == [Edges(3.0, 4.0), Edges(5.0, 6.0)]


CHANGES = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir"}


def store_but_be_killed(folder: Path, value: Edges, change: int) -> None:
    """Store a value in a process that is killed before it changes the disk for so many times."""
    changes = count()

    def die(event: str, arguments: tuple[Any, ...]) -> None:
        written = event == "open" and str(arguments[0]).startswith(str(folder)) and arguments[1] not in ("r", "rb")
        if (event in CHANGES or written) and next(changes) == change:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    store_edges(folder, value)


def store_in_a_process(folder: Path, value: Edges, killed_at: int) -> int | None:
    """Return the exit code of a process that stores a value; at -1 it is not killed."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "dagster._core.storage.event_log", "psutil"])
    writer = processes.Process(target=store_but_be_killed, args=(folder, value, killed_at))
    writer.start()
    writer.join()
    return writer.exitcode


@pytest.mark.parametrize("linked", [True, False], ids=["linked", "stored before there were links"])
def test_a_process_killed_at_any_change_leaves_a_whole_value_and_nothing_for_ever(tmp_path: Path, linked: bool) -> None:
    before = tmp_path / "before"
    if linked:
        for low in (0.0, 1.0):
            assert store_in_a_process(before, Edges(low, 9.0), killed_at=-1) == 0
    else:
        store_as_before_there_were_links(before, Edges(1.0, 9.0))
    for change in range(40):
        folder = shutil.copytree(before, tmp_path / str(change), symlinks=True)
        ended = store_in_a_process(folder, Edges(2.0, 9.0), killed_at=change)

        left = read_edges(folder)
        assert left in (Edges(1.0, 9.0), Edges(2.0, 9.0))
        store_edges(folder, Edges(3.0, 9.0))
        assert stored_values(folder) == [left, Edges(3.0, 9.0)]
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert left == Edges(2.0, 9.0)
    assert change > 4


def test_what_a_living_process_writes_is_left_alone_until_it_is_dead(tmp_path: Path) -> None:
    materialize_edges(tmp_path, Edges(1.0, 2.0))
    writer = subprocess.Popen(["sleep", "60"])
    unfinished = tmp_path / ".edges" / f"1-{writer.pid}"
    unfinished.mkdir()

    materialize_edges(tmp_path, Edges(3.0, 4.0))
    assert unfinished.exists()

    writer.kill()
    writer.wait()
    materialize_edges(tmp_path, Edges(5.0, 6.0))
    assert not unfinished.exists()


def test_a_save_that_fails_leaves_the_old_value(tmp_path: Path) -> None:
    materialize_edges(tmp_path, Edges(1.0, 2.0))

    assert not materialize_edges(tmp_path, Broken(3.0, 4.0), raise_on_error=False).success

    assert Edges.load(tmp_path / "edges") == Edges(1.0, 2.0)


def test_a_save_that_failed_leaves_nothing_behind_and_can_be_repeated(tmp_path: Path) -> None:
    materialize_edges(tmp_path, Broken(3.0, 4.0), raise_on_error=False)

    assert stored_values(tmp_path) == []
    assert materialize_edges(tmp_path, Edges(1.0, 2.0)).success


def test_a_retried_step_stores_its_value(tmp_path: Path) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def edges(context: dg.AssetExecutionContext) -> Edges:
        return (Edges if context.retry_number else Broken)(1.0, 2.0)

    assert dg.materialize([edges], resources=storage_in(tmp_path)).success
    assert Edges.load(tmp_path / "edges") == Edges(1.0, 2.0)


def test_a_missing_upstream_value_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    @dg.asset
    def report(edges: Edges) -> None: ...

    with pytest.raises(dg.Failure) as refused:
        dg.materialize(
            [report, dg.AssetSpec("edges")], resources=storage_in(tmp_path), selection=[report], raise_on_error=True
        )

    assert str(tmp_path / "edges") in str(refused.value.description)
    assert "dg launch --assets edges" in str(refused.value.description)


def test_a_value_that_cannot_be_stored_without_pickle_is_refused(tmp_path: Path) -> None:
    @dg.asset
    def anything() -> object:
        return object()

    assert not dg.materialize([anything], resources=storage_in(tmp_path), raise_on_error=False).success
    assert list((tmp_path / ".anything").iterdir()) == []


DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-05")


@dg.asset(partitions_def=DAYS)
def daily(context: dg.AssetExecutionContext) -> pd.DataFrame:
    return pd.DataFrame({"day": [context.partition_key]})


def materialize_day(folder: Path, day: str, *also: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    chosen = also or (daily,)
    return dg.materialize(
        [daily, *also], resources=storage_in(folder), partition_key=day, selection=list(chosen), raise_on_error=False
    )


def test_each_partition_has_a_folder_of_its_own_and_is_replaced_alone(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-02", "2026-01-02"):
        result = materialize_day(tmp_path, day)

    (stored,) = result.asset_materializations_for_node("daily")
    assert stored.metadata["path"].value == str(tmp_path / "daily" / "2026-01-02")
    assert sorted(path.name for path in (tmp_path / "daily").glob("[!.]*")) == ["2026-01-01", "2026-01-02"]


def test_a_partition_is_read_as_the_value_of_its_day(tmp_path: Path) -> None:
    seen: list[pd.DataFrame] = []

    @dg.asset(partitions_def=DAYS)
    def reader(daily: pd.DataFrame) -> None:
        seen.append(daily)

    for day in ("2026-01-01", "2026-01-02"):
        materialize_day(tmp_path, day)
    materialize_day(tmp_path, "2026-01-01", reader)

    assert [frame["day"].tolist() for frame in seen] == [["2026-01-01"]]


def test_several_partitions_are_read_as_those_that_are_stored_by_day(tmp_path: Path) -> None:
    seen: list[dict[str, pd.DataFrame]] = []

    @dg.asset(
        partitions_def=DAYS,
        ins={"daily": dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-2))},
        dagster_type=dg.Nothing,
    )
    def window(daily: Any) -> None:
        seen.append(daily)

    for day in ("2026-01-03", "2026-01-01"):
        materialize_day(tmp_path, day)
    assert materialize_day(tmp_path, "2026-01-03", window).success

    assert {day: frame["day"].tolist() for day, frame in seen[0].items()} == {
        "2026-01-01": ["2026-01-01"],
        "2026-01-03": ["2026-01-03"],
    }
    assert list(seen[0]) == sorted(seen[0])


def test_a_partition_that_is_not_stored_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    @dg.asset(partitions_def=DAYS)
    def reader(daily: pd.DataFrame) -> None: ...

    result = materialize_day(tmp_path, "2026-01-04", reader)

    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "dg launch --assets daily --partition 2026-01-04" in str(failure.event_specific_data)


def test_pages_of_a_value_are_named_in_the_metadata(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Told:
        def save(self, folder: Path) -> None:
            (folder / "told.html").write_text("<p>told</p>")

        @classmethod
        def load(cls, folder: Path) -> Self:
            return cls()

    @dg.asset(dagster_type=dg.Any)
    def page() -> Told:
        return Told()

    result = dg.materialize([page], resources=storage_in(tmp_path))

    (stored,) = result.asset_materializations_for_node("page")
    assert stored.metadata["told"].value == str(tmp_path / "page" / "told.html")


def test_a_folder_of_an_older_platform_is_replaced_though_there_was_one_before(tmp_path: Path) -> None:
    for low in (1.0, 2.0):
        shutil.rmtree(tmp_path / "edges", ignore_errors=True)
        (tmp_path / "edges").unlink(missing_ok=True)
        (tmp_path / "edges").mkdir()
        Edges(low, 9.0).save(tmp_path / "edges")
        store_edges(tmp_path, Edges(low + 0.5, 9.0))

    assert read_edges(tmp_path) == Edges(2.5, 9.0)


def test_a_value_that_cannot_be_read_says_what_to_materialize(tmp_path: Path) -> None:
    (tmp_path / "edges").mkdir()
    (tmp_path / "edges" / "edges.json").write_text("of another form")

    with pytest.raises(dg.Failure, match=r"materialize it anew \(dg launch --assets edges\)"):
        read_edges(tmp_path)
