import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

import dagster as dg
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from resources.values.asset_storage import AssetStorage


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
    """Return all that the storage holds of the asset, oldest first; it must be whole, with its provenance."""
    values = {path.name for path in (folder / ".edges").iterdir() if path.suffix != ".json"}
    assert {path.stem for path in (folder / ".edges").glob("*.json")} == values
    return sorted((Edges.load(folder / ".edges" / value) for value in values), key=lambda value: value.low)


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


@pytest.mark.parametrize("stored", ['{"low": 1.0}', '{"low": 1.0, "high": 2.0, "middle": 1.5}', "{"])
def test_a_value_that_another_version_stored_is_refused_with_the_command_that_stores_it_anew(
    tmp_path: Path, stored: str
) -> None:
    store_edges(tmp_path, Edges(1.0, 2.0))
    for file in tmp_path.glob("**/edges.json"):
        file.write_text(stored)
    with pytest.raises(dg.Failure, match=r"cannot be read .* \(dg launch --assets edges\)"):
        read_edges(tmp_path)


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


@pytest.mark.trial
def test_a_process_killed_at_any_change_leaves_a_whole_value_and_nothing_for_ever(tmp_path: Path) -> None:
    before = tmp_path / "before"
    for low in (0.0, 1.0):
        assert store_in_a_process(before, Edges(low, 9.0), killed_at=-1) == 0
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


def test_a_folder_in_the_place_of_a_partitions_link_is_refused_to_its_own_day_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[dict[str, pd.DataFrame]] = []

    @dg.asset(
        partitions_def=DAYS,
        ins={"daily": dg.AssetIn(partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-2))},
        dagster_type=dg.Nothing,
    )
    def window(daily: Any) -> None:
        seen.append(daily)

    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        materialize_day(tmp_path, day)
    link = tmp_path / "daily" / "2026-01-02"
    copied = link.resolve()
    link.unlink()
    shutil.copytree(copied, link)

    assert materialize_day(tmp_path, "2026-01-03", window).success
    assert list(seen[0]) == ["2026-01-01", "2026-01-03"]
    told = capfd.readouterr().err
    assert f"partition 2026-01-02 is left out: {link} is a folder, and a link to a stored value is expected" in told

    refused = materialize_day(tmp_path, "2026-01-02", window)
    failure = next(event for event in refused.all_events if event.is_step_failure)
    assert f"{link} is a folder" in str(failure.event_specific_data)
    assert "(dg launch --assets daily --partition 2026-01-02)" in str(failure.event_specific_data)


def test_values_beside_a_folder_in_the_place_of_their_link_can_be_removed(tmp_path: Path) -> None:
    materialize_day(tmp_path, "2026-01-02")
    link = tmp_path / "daily" / "2026-01-02"
    link.unlink()
    link.mkdir()
    store = AssetStorage(folder=str(tmp_path)).store

    (kept,) = store.kept("daily", partitioned=True)
    assert not kept.newest
    store.drop(kept)

    assert list(store.kept("daily", partitioned=True)) == []
    assert link.is_dir()


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


@pytest.mark.parametrize("access", [read_edges, lambda folder: store_edges(folder, Edges(1.0, 2.0))])
def test_a_folder_in_the_place_of_a_link_is_refused_and_left_alone(
    tmp_path: Path, access: Callable[[Path], object]
) -> None:
    (tmp_path / "edges").mkdir()

    with pytest.raises(dg.Failure, match=r"edges is a folder, and a link to a stored value is expected: move it away"):
        access(tmp_path)

    assert (tmp_path / "edges").is_dir()
    assert not (tmp_path / ".edges").exists()


def test_a_value_that_cannot_be_read_says_what_to_materialize(tmp_path: Path) -> None:
    store_edges(tmp_path, Edges(1.0, 2.0))
    (tmp_path / "edges" / "edges.json").write_text("of another form")

    with pytest.raises(dg.Failure, match=r"materialize it again \(dg launch --assets edges\)"):
        read_edges(tmp_path)


@dg.asset
def listings() -> pd.DataFrame:
    return FRAME[["price"]]


@dg.asset
def price_bands(listings: pd.DataFrame) -> pd.DataFrame:
    return listings


@dg.asset
def crossed_features(listings: pd.DataFrame) -> pd.DataFrame:
    return listings


@dg.asset
def hashed_features(crossed_features: pd.DataFrame, price_bands: pd.DataFrame) -> pd.DataFrame:
    return crossed_features


@dg.asset
def price_forest(hashed_features: pd.DataFrame) -> pd.DataFrame:
    return hashed_features


@dg.asset
def model_evaluation(price_forest: pd.DataFrame, hashed_features: pd.DataFrame, listings: pd.DataFrame) -> pd.DataFrame:
    return price_forest


TRAINING = [listings, price_bands, crossed_features, hashed_features, price_forest, model_evaluation]


def train(folder: Path, selection: str = 'key:"listings"+', *also: Any, **how: Any) -> dg.ExecuteInProcessResult:
    """Materialize some assets as ``dg launch --assets`` does."""
    assets = [*TRAINING, *also]
    return dg.materialize(assets, resources=storage_in(folder), selection=selection, raise_on_error=False, **how)


def refusal(result: dg.ExecuteInProcessResult) -> str:
    """Return why the step that failed did."""
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


def stored_by(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    stored = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {one.asset_key.to_user_string(): one for one in stored}


def ids(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return the ids of the values that a run stored, by asset."""
    return {name: one.metadata["value_id"].value for name, one in stored_by(result).items()}


def made_of(result: dg.ExecuteInProcessResult, asset: str) -> Any:
    return stored_by(result)[asset].metadata["made_of"].value


TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC"


def selections(text: str) -> list[str]:
    """Return what the commands of a refusal materialize."""
    return re.findall(r"dg launch --assets '([^']+)'", text)


def test_the_materialization_tells_of_which_values_its_step_made_it(tmp_path: Path) -> None:
    result = train(tmp_path)

    stored = ids(result)
    assert made_of(result, "listings") == {}
    assert made_of(result, "price_forest") == {"hashed_features": stored["hashed_features"]}
    assert made_of(result, "model_evaluation") == {
        name: stored[name] for name in ("price_forest", "hashed_features", "listings")
    }
    assert stored["listings"] == (tmp_path / "listings").resolve().name


def test_a_value_made_of_an_older_one_than_is_stored_is_refused_until_it_is_made_anew(tmp_path: Path) -> None:
    train(tmp_path)
    assert train(tmp_path, 'key:"hashed_features"').success

    refused = refusal(train(tmp_path, 'key:"model_evaluation"'))

    command = "dg launch --assets 'key:\"price_forest\"+'"
    assert re.fullmatch(
        f"price_forest was made of hashed_features of {TIME}, and now there is one of {TIME}: "
        rf"materialize price_forest and all below it \({re.escape(command)}\)",
        refused,
    )
    (selection,) = selections(refused)
    assert set(ids(train(tmp_path, selection))) == {"price_forest", "model_evaluation"}
    assert train(tmp_path, 'key:"model_evaluation"').success


def test_a_run_that_was_broken_off_leaves_inputs_that_are_refused_until_the_older_is_made_anew(tmp_path: Path) -> None:
    train(tmp_path)
    assert train(tmp_path, 'key:"listings" or key:"crossed_features"').success

    refused = refusal(train(tmp_path, 'key:"hashed_features"'))

    assert re.match(f"price_bands was made of listings of {TIME}, and crossed_features of one of {TIME}: ", refused)
    assert selections(refused) == ['key:"price_bands"+']
    assert train(tmp_path, 'key:"price_bands"+').success


def test_what_lies_between_the_newer_value_and_the_refused_one_is_made_anew_with_it(tmp_path: Path) -> None:
    train(tmp_path)
    assert train(tmp_path, 'key:"listings"').success

    refused = refusal(train(tmp_path, 'key:"model_evaluation"'))

    assert re.match(f"hashed_features was made of listings of {TIME}, and now there is one of {TIME}: ", refused)
    (selection,) = selections(refused)
    assert set(ids(train(tmp_path, selection))) == {asset.key.to_user_string() for asset in TRAINING[1:]}


def test_a_refused_step_is_not_tried_again(tmp_path: Path) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def report(price_forest: pd.DataFrame, hashed_features: pd.DataFrame) -> None: ...

    train(tmp_path)
    train(tmp_path, 'key:"hashed_features"')

    result = train(tmp_path, 'key:"report"', report)

    assert refusal(result).startswith("price_forest was made of hashed_features")
    assert not any(event.is_step_up_for_retry for event in result.all_events)


@pytest.mark.parametrize("broken", ["write_text", "symlink_to", "replace"])
def test_a_write_that_is_broken_off_leaves_the_old_value_with_its_own_provenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    before = ids(train(tmp_path))
    train(tmp_path, 'key:"hashed_features"')

    def lose_the_disk(path: Path, *_: object, **__: object) -> None:
        raise OSError(f"{path} is read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, broken, lose_the_disk)
        assert not train(tmp_path, 'key:"price_forest"').success

    assert (tmp_path / "price_forest").resolve().name == before["price_forest"]
    refused = train(tmp_path, 'key:"model_evaluation"')
    assert refusal(refused).startswith("price_forest was made of hashed_features")


def test_a_write_that_is_broken_off_after_the_switch_leaves_the_new_value_with_its_own_provenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(train(tmp_path))

    def lose_the_disk(path: Path) -> None:
        raise OSError(f"{path} is read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", lose_the_disk)
        assert not train(tmp_path, 'key:"price_forest"').success

    assert (tmp_path / "price_forest").resolve().name > before["price_forest"]
    assert train(tmp_path, 'key:"model_evaluation"').success
    train(tmp_path, 'key:"hashed_features"')
    assert refusal(train(tmp_path, 'key:"model_evaluation"')).startswith("price_forest was made of hashed_features")


def test_a_value_stored_before_there_was_provenance_is_taken_as_it_is_and_known_by_its_id_from_then_on(
    tmp_path: Path,
) -> None:
    stored = ids(train(tmp_path))
    train(tmp_path, 'key:"hashed_features"')
    assert not train(tmp_path, 'key:"model_evaluation"').success

    (tmp_path / ".price_forest" / f"{stored['price_forest']}.json").unlink()

    taken = train(tmp_path, 'key:"model_evaluation"')
    assert taken.success
    assert made_of(taken, "model_evaluation")["price_forest"] == stored["price_forest"]


def test_values_that_do_not_fit_together_are_refused_to_a_check(tmp_path: Path) -> None:
    @dg.asset_check(asset=price_forest, additional_ins={"hashed_features": dg.AssetIn("hashed_features")})
    def grown_on_what_is_stored(price_forest: pd.DataFrame, hashed_features: pd.DataFrame) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=price_forest.equals(hashed_features))

    def judge() -> dg.ExecuteInProcessResult:
        only = dg.AssetSelection.checks(grown_on_what_is_stored)
        assets = [*TRAINING, grown_on_what_is_stored]
        return dg.materialize(assets, resources=storage_in(tmp_path), selection=only, raise_on_error=False)

    train(tmp_path)
    (evaluation,) = judge().get_asset_check_evaluations()
    assert evaluation.passed

    train(tmp_path, 'key:"hashed_features"')
    assert refusal(judge()).startswith("price_forest was made of hashed_features")


def test_outside_of_a_step_each_value_is_read_for_itself(tmp_path: Path) -> None:
    train(tmp_path)
    train(tmp_path, 'key:"hashed_features"')
    assert not train(tmp_path, 'key:"model_evaluation"').success

    defs = dg.Definitions(assets=TRAINING, resources=storage_in(tmp_path))
    with defs.get_asset_value_loader() as loader:
        for asset in ("hashed_features", "price_forest"):
            assert_frame_equal(loader.load_asset_value(asset), FRAME[["price"]])


def test_every_output_of_a_step_is_made_of_all_that_it_loaded(tmp_path: Path) -> None:
    @dg.multi_asset(outs={name: dg.AssetOut(is_required=False) for name in ("sold", "unsold")}, can_subset=True)
    def split(context: dg.AssetExecutionContext, listings: pd.DataFrame, price_bands: pd.DataFrame) -> Any:
        for name in sorted(context.op_execution_context.selected_output_names):
            yield dg.Output(listings, output_name=name)

    @dg.asset
    def counted(unsold: pd.DataFrame, listings: pd.DataFrame) -> None: ...

    result = train(tmp_path, 'key:"listings" or key:"price_bands" or key:"sold" or key:"unsold"', split)

    stored = ids(result)
    inputs = {name: stored[name] for name in ("listings", "price_bands")}
    assert made_of(result, "sold") == made_of(result, "unsold") == inputs

    train(tmp_path, 'key:"listings"')
    train(tmp_path, 'key:"price_bands"')
    assert train(tmp_path, 'key:"sold"', split).success
    refused = refusal(train(tmp_path, 'key:"counted"', split, counted))
    assert refused.startswith("unsold was made of listings")
    assert selections(refused) == ['key:"unsold"+']


def test_what_one_run_has_loaded_is_nothing_to_the_next_of_the_process(tmp_path: Path) -> None:
    first, second = train(tmp_path), train(tmp_path)

    assert second.success
    stored = ids(second)
    assert stored["hashed_features"] != ids(first)["hashed_features"]
    assert made_of(second, "price_forest") == {"hashed_features": stored["hashed_features"]}


def test_a_step_that_is_tried_again_is_made_of_what_its_last_attempt_loaded(tmp_path: Path) -> None:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def report(context: dg.AssetExecutionContext, hashed_features: pd.DataFrame) -> pd.DataFrame:
        if not context.retry_number:
            later.update(ids(train(tmp_path)))
            raise OSError("connection lost")
        return hashed_features

    later: dict[str, str] = {}
    train(tmp_path)

    result = train(tmp_path, 'key:"report"', report)

    assert result.success
    assert made_of(result, "report") == {"hashed_features": later["hashed_features"]}


@dg.asset(partitions_def=DAYS)
def profile(daily: pd.DataFrame) -> pd.DataFrame:
    return daily


LAST_DAYS = dg.TimeWindowPartitionMapping(start_offset=-1)


@dg.asset(
    partitions_def=DAYS,
    ins={name: dg.AssetIn(partition_mapping=LAST_DAYS) for name in ("daily", "profile")},
    dagster_type=dg.Any,
)
def drift(daily: Any, profile: Any) -> pd.DataFrame:
    return pd.DataFrame({"days": [len(profile)]})


def watch(folder: Path, day: str, selection: str) -> dg.ExecuteInProcessResult:
    assets = [daily, profile, drift]
    return dg.materialize(
        assets, resources=storage_in(folder), selection=selection, partition_key=day, raise_on_error=False
    )


def test_each_partition_is_known_by_its_own_id(tmp_path: Path) -> None:
    first, second = (watch(tmp_path, f"2026-01-0{day}", 'key:"daily" or key:"profile"') for day in (1, 2))

    result = watch(tmp_path, "2026-01-02", 'key:"drift"')

    assert made_of(result, "drift") == {
        f"{name}|2026-01-0{day}": stored
        for day, run in enumerate((first, second), start=1)
        for name, stored in ids(run).items()
    }


def test_a_partition_made_of_an_older_one_is_refused_to_a_window_until_it_is_made_anew(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        watch(tmp_path, day, 'key:"daily" or key:"profile"')
    watch(tmp_path, "2026-01-01", 'key:"daily"')

    refused = refusal(watch(tmp_path, "2026-01-02", 'key:"drift"'))

    assert re.match(
        rf"profile \(partition 2026-01-01\) was made of daily \(partition 2026-01-01\) of {TIME}, "
        f"and now there is one of {TIME}: materialize profile ",
        refused,
    )
    assert refused.endswith("(dg launch --assets 'key:\"profile\"+' --partition 2026-01-01)")
    assert watch(tmp_path, "2026-01-01", 'key:"profile"+').success
    assert watch(tmp_path, "2026-01-02", 'key:"drift"').success


def test_an_asset_with_a_prefix_is_named_with_it_in_the_command(tmp_path: Path) -> None:
    @dg.asset(key_prefix="istanbul")
    def ads() -> pd.DataFrame:
        return FRAME[["price"]]

    @dg.asset(key_prefix="istanbul")
    def cleaned(ads: pd.DataFrame) -> pd.DataFrame:
        return ads

    @dg.asset(key_prefix="istanbul")
    def compared(ads: pd.DataFrame, cleaned: pd.DataFrame) -> None: ...

    def run(selection: str) -> dg.ExecuteInProcessResult:
        assets = [ads, cleaned, compared]
        return dg.materialize(assets, resources=storage_in(tmp_path), selection=selection, raise_on_error=False)

    run('key:"istanbul/cleaned" or key:"istanbul/ads"')
    run('key:"istanbul/ads"')

    assert selections(refusal(run('key:"istanbul/compared"'))) == ['key:"istanbul/cleaned"+']


def test_a_value_that_another_declaration_made_is_refused_with_what_to_rematerialize(tmp_path: Path) -> None:
    @dg.asset
    def ads() -> pd.DataFrame:
        return pd.DataFrame({"price": [1.0]})

    @dg.asset
    def typed(ads: pd.DataFrame) -> pd.DataFrame:
        return ads

    @dg.asset
    def trained(typed: pd.DataFrame) -> pd.DataFrame:
        return typed

    def run(declaration: str, *names: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [ads, typed, trained],
            selection=list(names),
            resources={"io_manager": AssetStorage(folder=str(tmp_path), declaration=declaration)},
            raise_on_error=False,
        )

    assert run("before", "ads", "typed", "trained").success
    assert run("before", "trained").success

    refused = run("after", "trained")

    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    told = str(failure.step_failure_data.user_failure_data.description)
    assert "typed was not made with the present declaration of the market" in told
    assert """dg launch --assets 'key:"ads"+'""" in told
    assert run("after", "ads", "typed", "trained").success
    assert run("", "trained").success
