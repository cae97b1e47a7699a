"""Work in shards: the same results, to the last bit, whatever the number of shards."""

import math
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.listings.duplicates import find_duplicates, hash_rows
from housing_assets.listings.samples import load_sample
from housing_assets.listings.source import RawListings, read_listings
from resources.compute.engines import LOCAL, LocalEngine
from tests.compute.mapped_steps import mapped_digests
from tests.listings.ads import drawn_ads

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ads(market):
    drawn = pd.concat([load_sample(market).draw(900, seed=8), drawn_ads(300, seed=9)], ignore_index=True)
    return RawListings.of_sample(market, pd.concat([drawn, drawn[100:150]], ignore_index=True)).frame


@pytest.fixture(scope="module")
def whole(artifact, ads):
    return mapped_digests(LOCAL, artifact, ads)


@pytest.mark.parametrize("shard_rows", [97, 1_249])
def test_every_mapped_step_is_the_same_in_any_number_of_shards(artifact, ads, whole, shard_rows):
    engine = LocalEngine(shard_rows)
    assert mapped_digests(engine, artifact, ads) == whole
    assert engine.shards >= 2 * len(engine.blocks(len(ads)))


def test_the_digests_tell_results_apart(artifact, ads, whole):
    without_the_first = mapped_digests(LOCAL, artifact, ads[1:].reset_index(drop=True))
    assert set(without_the_first.values()).isdisjoint(whole.values())


@pytest.mark.real_data
@pytest.mark.trial
def test_every_mapped_step_is_the_same_for_real_ads(artifact, market, real_data_folder):
    real = read_listings(market, str(real_data_folder / "istanbul_listings.csv.gz")).frame
    assert mapped_digests(LocalEngine(1_000), artifact, real) == mapped_digests(LOCAL, artifact, real)


# -- duplicates --------------------------------------------------------------------------------------------------------

CELLS = (
    st.sampled_from(["", "kadikoy", "Kadıköy", "1", "1/1", "None", "\ud800", None]),
    st.sampled_from([0.0, -0.0, 1.0, 0.1, math.nan, math.inf, -math.inf, 1e300]),
    st.sampled_from([0, 1, 2**53, 2**53 + 1, -1]),
    st.sampled_from([date(2022, 2, 24), date(2022, 2, 25), None]),
    st.sampled_from([Decimal("1"), Decimal("1.0"), Decimal("0.1"), None]),
)


@given(st.lists(st.tuples(*CELLS), min_size=1, max_size=30), st.integers(1, 7))
def test_duplicates_are_those_of_pandas(rows, shard_rows):
    frame = pd.DataFrame(rows, columns=list("abcde"))
    frame = frame.assign(a=frame["a"].astype("category"), d=frame["d"].astype(object))
    for columns in (["a", "b", "c", "d", "e"], ["b"], ["a", "d"], ["e"]):
        cells = frame[columns]
        assert find_duplicates(cells, LocalEngine(shard_rows)).tolist() == cells.duplicated().tolist()


def test_rows_with_the_same_cells_in_other_columns_have_other_hashes():
    cells = pd.DataFrame({"a": ["x", "y", "", None], "b": ["y", "x", None, ""]})
    assert len(np.unique(hash_rows(cells), axis=0)) == 4


def test_an_engine_has_a_block_even_of_no_rows():
    assert LOCAL.blocks(0) == LocalEngine(10).blocks(0) == [slice(0, 0)]
    assert LocalEngine(10).blocks(25) == [slice(0, 10), slice(10, 20), slice(20, 25)]


def test_computing_locally_imports_no_cluster():
    script = (
        "import sys; from resources.compute.resource import Compute\n"
        "with Compute().open() as engine: assert list(engine.map_shards(abs, [-1])) == [1]\n"
        "assert not {'distributed', 'dask'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
