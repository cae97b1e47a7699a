from collections.abc import Iterable, Mapping
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.values.ancestry import IncoherentInputs, Provenance, StepInputs, StoredValue, find_stale, remedy


class Stored(dict[str, StoredValue]):
    """What is stored now, by name; ids are the minutes of the 1st of January 2026, in which each value was stored."""

    def __init__(self) -> None:
        super().__init__()
        self._minutes = count(29_453_760)  # since 1970

    def store(self, name: str, *inputs: str) -> StoredValue:
        loaded = StepInputs()
        for one in inputs:
            loaded.add(self[one])
        self[name] = StoredValue(name, f"{next(self._minutes) * 60 * 10**9}-1", loaded.provenance())
        return self[name]

    def load(self, *inputs: str) -> str:
        """Return why one step cannot load values, with what mends it; nothing if it can."""
        loaded = StepInputs()
        try:
            for one in inputs:
                loaded.add(self[one])
        except IncoherentInputs as fault:
            return f"{fault}: {remedy(fault.values, self.get)}"
        return ""


@pytest.fixture
def stored() -> Stored:
    values = Stored()
    values.store("listings")
    values.store("bands", "listings")
    values.store("crossed", "listings")
    values.store("features", "crossed", "bands")
    values.store("forest", "features")
    return values


def test_a_value_is_made_of_its_inputs_and_of_what_these_were_made_of(stored: Stored) -> None:
    made = stored["features"].provenance

    assert made.inputs == ("crossed", "bands")
    assert dict(made.made_of) == {name: stored[name].id for name in ("crossed", "bands", "listings")}
    assert made.input_ids() == {name: stored[name].id for name in ("crossed", "bands")}


def test_provenance_is_read_as_it_was_written(stored: Stored) -> None:
    made = stored["features"].provenance

    assert Provenance.from_json(made.to_json()) == made
    assert list(Provenance.from_json(made.to_json()).made_of) == ["crossed", "bands", "listings"]


@pytest.mark.parametrize("inputs", [("features", "forest"), ("forest", "features")])
def test_what_was_made_of_an_older_value_is_refused_in_any_order(stored: Stored, inputs: tuple[str, ...]) -> None:
    stored.store("features", "crossed", "bands")

    assert stored.load(*inputs) == (
        "forest was made of features of 2026-01-01 00:03:00.000 UTC, and now there is one of "
        "2026-01-01 00:05:00.000 UTC: materialize forest and all below it "
        "(dg launch --assets 'key:\"forest\"+')"
    )


def test_the_value_that_is_stored_is_the_newer_though_the_clock_was_set_back(stored: Stored) -> None:
    stored["features"] = StoredValue("features", "1000000000-1", Provenance())

    assert stored.load("features", "forest").startswith(
        "forest was made of features of 2026-01-01 00:03:00.000 UTC, and now there is one of 1970-01-01 00:00:01.000"
    )


@pytest.mark.parametrize("inputs", [("crossed", "bands"), ("bands", "crossed")])
def test_two_that_were_made_of_different_values_of_a_third_are_refused_and_the_older_is_to_be_made(
    stored: Stored, inputs: tuple[str, ...]
) -> None:
    stored.store("listings")
    stored.store("crossed", "listings")

    assert stored.load(*inputs) == (
        "bands was made of listings of 2026-01-01 00:00:00.000 UTC, and crossed of one of "
        "2026-01-01 00:05:00.000 UTC: materialize bands and all below it (dg launch --assets 'key:\"bands\"+')"
    )


def test_what_is_to_be_made_is_the_first_on_the_way_that_is_outdated(stored: Stored) -> None:
    stored.store("listings")

    assert stored.load("forest", "listings") == (
        "forest was made of listings of 2026-01-01 00:00:00.000 UTC, and now there is one of "
        "2026-01-01 00:05:00.000 UTC: materialize crossed, bands and all below them "
        '(dg launch --assets \'key:"crossed"+ or key:"bands"+\')'
    )


def test_what_is_outdated_further_up_is_made_anew_with_it(stored: Stored) -> None:
    stored.store("listings")
    stored.store("crossed", "listings")

    assert find_stale(["features", "crossed"], stored.get) == ["bands"]


def test_a_value_that_knows_of_nothing_fits_all(stored: Stored) -> None:
    stored["features"] = StoredValue("features", stored["features"].id, Provenance())
    stored.store("listings")
    stored.store("crossed", "listings")

    assert stored.load("bands", "crossed")
    assert not stored.load("features", "crossed")


def test_what_is_made_of_a_value_that_is_not_stored_any_more_is_outdated(stored: Stored) -> None:
    del stored["crossed"]

    assert find_stale(["forest"], stored.get) == ["features"]


def test_a_value_that_is_replaced_while_a_step_loads_asks_for_another_attempt(stored: Stored) -> None:
    loaded = StepInputs()
    loaded.add(stored["bands"])
    stored.store("listings")
    for name in ("crossed", "bands"):
        stored.store(name, "listings")

    with pytest.raises(IncoherentInputs) as refused:
        loaded.add(stored["crossed"])

    assert remedy(refused.value.values, stored.get).endswith("launch this run again when no other is running")


def test_partitions_are_made_one_by_one_with_what_is_below_each() -> None:
    stored = Stored()
    for day in ("a b", "c"):
        stored.store(f"requests|{day}")
        stored.store(f"profile|{day}", f"requests|{day}")
    days = ["profile|a b", "profile|c"]
    stored.store("window|c", *days)
    assert not stored.load("window|c", "requests|a b", "requests|c")

    stored.store("requests|a b")

    assert stored.load("window|c", "requests|a b") == (
        "window (partition c) was made of requests (partition a b) of 2026-01-01 00:00:00.000 UTC, and now there is "
        "one of 2026-01-01 00:05:00.000 UTC: materialize profile (partition a b), window (partition c) and all below "
        "them (dg launch --assets 'key:\"profile\"+' --partition 'a b'; "
        "dg launch --assets 'key:\"window\"+' --partition c)"
    )


def below(graph: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    found = set(names)
    for name, inputs in graph.items():
        if found.intersection(inputs):
            found.add(name)
    return found


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Draw the inputs of up to eight assets, upstream first."""
    names = "abcdefgh"[: draw(st.integers(2, 8))]
    return {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }


@given(graphs(), st.data())
def test_after_any_runs_what_is_named_mends_what_is_refused(graph: dict[str, list[str]], data: st.DataObject) -> None:
    stored = Stored()

    def materialize(names: Iterable[str]) -> None:
        for name in filter(set(names).__contains__, graph):
            if not stored.load(*graph[name]):
                stored.store(name, *graph[name])

    materialize(graph)
    for names in data.draw(st.lists(st.lists(st.sampled_from(list(graph)), min_size=1), max_size=8), label="runs"):
        materialize(names)
    inputs = data.draw(st.lists(st.sampled_from(list(graph)), min_size=2, unique=True), label="step")
    for _ in inputs:  # each time, two more of them are made to fit all that is stored
        loaded = StepInputs()
        try:
            for name in inputs:
                loaded.add(stored[name])
            break
        except IncoherentInputs as fault:
            stale = find_stale(fault.values, stored.get)
            assert stale
            materialize(below(graph, stale))
    assert not stored.load(*inputs)


@given(graphs(), st.data())
def test_a_step_is_refused_only_where_values_were_made_of_different_ones(
    graph: dict[str, list[str]], data: st.DataObject
) -> None:
    stored, made_of = Stored(), dict[str, set[tuple[str, str]]]()
    for names in [list(graph), *data.draw(st.lists(st.lists(st.sampled_from(list(graph)), min_size=1), max_size=8))]:
        for name in filter(names.__contains__, graph):
            known = set().union(*(made_of[one] for one in graph[name]))
            fits = len(known) == len(dict(known))
            assert fits is not bool(stored.load(*graph[name]))
            if fits:
                value = stored.store(name, *graph[name])
                made_of[name] = known | {(name, value.id)}
