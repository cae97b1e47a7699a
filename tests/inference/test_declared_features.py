"""Bins, grids and numbers that a market declares: what they make of a listing's values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.declaration import Bin, Grid, LinearNumber
from housing_assets.inference.declaration.features import KM_PER_DEGREE


@pytest.mark.parametrize(
    ("bin_", "number", "text"),
    [
        (Bin("name", "of", width=250), 0.0, "0"),
        (Bin("name", "of", width=250), 249.9, "0"),
        (Bin("name", "of", width=250), 250.0, "1"),
        (Bin("name", "of", width=250), -0.5, "-1"),
        (Bin("name", "of", width=0.5), 1.75, "3"),
        (Bin("name", "of"), 7.5, "7.5"),
        (Bin("name", "of"), 100.0, "100"),
        (Bin("name", "of"), 123_456.0, "123456"),
        (Bin("name", "of"), 1_234_567.0, "1.23457e+06"),
        (Bin("name", "of", 10), 0.0, "0"),
        (Bin("name", "of", 10), 100.0, "46"),
        (Bin("name", "of", 10), None, None),
    ],
)
def test_a_bin_is_a_text(bin_: Bin, number: float | None, text: str | None) -> None:
    assert bin_.text(number) == text


KM = Grid("cell", "latitude", "longitude", km=1)


@pytest.mark.parametrize("place", [(None, -122.3), (47.6, None), (None, None)])
def test_a_place_without_a_coordinate_is_in_no_cell(place: tuple[float | None, float | None]) -> None:
    assert KM.text(*place) is None


def cell_of(grid: Grid, latitude: float, longitude: float) -> tuple[int, int]:
    row, column = str(grid.text(latitude, longitude)).split("/")
    return int(row), int(column)


@pytest.mark.parametrize("latitude", [-41.3, 0.0, 41.0, 47.6, 64.1])
@pytest.mark.parametrize("grid", [KM, Grid("cell", "a", "b", km=2, shift=0.5)], ids=["1 km", "2 km, shifted"])
def test_the_cells_of_a_grid_are_as_wide_as_they_are_high_wherever_they_lie(grid: Grid, latitude: float) -> None:
    row, column = cell_of(grid, latitude, -122.3)
    middle = (row + 0.5 - grid.shift) * grid.km / KM_PER_DEGREE
    a_row = grid.km / KM_PER_DEGREE
    a_column = a_row / math.cos(math.radians(middle))
    for steps in (1, 2, 30):
        assert cell_of(grid, latitude + steps * a_row, -122.3)[0] == row + steps
        assert cell_of(grid, latitude, -122.3 + steps * a_column) == (row, column + steps)


def test_a_kilometre_is_one_of_the_earths_surface() -> None:
    assert pytest.approx(math.pi / 180 * 6_371.0, rel=1e-5) == KM_PER_DEGREE


def test_a_grid_shifted_by_half_a_cell_puts_together_what_a_line_of_the_other_parts() -> None:
    shifted = Grid("cell", "latitude", "longitude", km=1, shift=0.5)
    line = 5_300 / KM_PER_DEGREE
    south, north = line - 1e-6, line + 1e-6
    assert KM.text(south, 10.0) != KM.text(north, 10.0)
    assert shifted.text(south, 10.0) == shifted.text(north, 10.0)


def test_cells_around_zero_are_no_wider_than_others() -> None:
    degree = Grid("cell", "latitude", "longitude", km=KM_PER_DEGREE)
    assert [degree.text(degrees, degrees) for degrees in (-0.5, -0.0, 0.5, 1.5)] == ["-1/-1", "0/0", "0/0", "1/1"]


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), km=st.floats(0.01, 1_000), shift=st.floats(0, 0.99))
def test_every_place_is_in_a_cell(latitude: float, longitude: float, km: float, shift: float) -> None:
    row, _ = cell_of(Grid("cell", "latitude", "longitude", km, shift), latitude, longitude)
    south = (row - shift) * km / KM_PER_DEGREE
    assert south - 1e-6 <= latitude <= south + km / KM_PER_DEGREE + 1e-6


@pytest.mark.parametrize(("number", "log", "weighed"), [(7.0, False, 7.0), (0.0, True, 0.0), (math.e - 1, True, 1.0)])
def test_a_linear_number_is_weighed_as_it_is_or_by_its_log(number: float, log: bool, weighed: float) -> None:
    assert LinearNumber("of", log).value(number) == pytest.approx(weighed)
