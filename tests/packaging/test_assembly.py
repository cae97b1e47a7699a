"""What is put together with a model: golden rows and a rule, both of rows that tell nothing of a person."""

from pathlib import Path

import pandas as pd
import pytest

from housing_assets.features.split import HELD_OUT
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.origins import ORIGIN, ORIGINS
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.packaging.assembly import N_GOLDEN, draw_held_out
from housing_assets.packaging.batch import predict_frame
from tests.conftest import crossed_listings, small_model
from tests.other_markets import PARCELS, drawn_sales


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return RawListings.of_sample(MARKET, synthetic_listings(600, seed=4)).frame


@pytest.fixture(scope="module")
def crossed(raw: pd.DataFrame) -> pd.DataFrame:
    return crossed_listings(MARKET, raw)


def test_drawn_listings_are_held_out_and_have_neither_price_nor_what_leads_to_a_person(
    raw: pd.DataFrame, crossed: pd.DataFrame
) -> None:
    drawn = draw_held_out(MARKET, crossed, raw, 30)
    assert len(drawn) == 30
    assert {"price", "address"}.isdisjoint(drawn.columns)
    assert set(drawn.columns) == {column.raw for column in MARKET.inputs if not column.personal}
    held_out = raw.loc[crossed.loc[crossed[HELD_OUT], "row"], drawn.columns].astype(object)
    assert set(map(tuple, drawn.fillna("").to_numpy())) <= set(map(tuple, held_out.fillna("").to_numpy()))
    assert drawn["district"].notna().all()
    missing = [cell for cell in drawn.to_numpy().ravel() if cell is None or cell != cell]
    assert missing == [None] * len(missing)  # JSON knows no NaN


def test_the_same_listings_are_drawn_again_and_no_more_than_there_are(raw: pd.DataFrame, crossed: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(draw_held_out(MARKET, crossed, raw, 30), draw_held_out(MARKET, crossed, raw, 30))
    assert len(draw_held_out(MARKET, crossed, raw, 10_000)) == crossed[HELD_OUT].sum()


def test_what_production_taught_is_not_drawn(raw: pd.DataFrame, crossed: pd.DataFrame) -> None:
    # Its rows are numbered behind those of the source: they are no rows of it.
    behind = crossed.assign(row=crossed["row"] + len(raw))
    behind[ORIGIN] = pd.Categorical(["production"] * len(crossed), categories=ORIGINS)
    both = pd.concat([crossed, behind], ignore_index=True)
    assert len(draw_held_out(MARKET, both, raw, 10_000)) == crossed[HELD_OUT].sum()


def test_golden_rows_are_held_out_rows_with_the_answers_of_the_model(artifact: ModelArtifact) -> None:
    assert len(artifact.golden) == N_GOLDEN
    artifact.replay_golden()
    for row in artifact.golden:
        assert {"price", "address"}.isdisjoint(row.cells)
        assert None not in row.cells.values()
    answers = predict_frame(artifact, pd.DataFrame([dict(row.cells) for row in artifact.golden]))
    assert answers["reason"].isna().all()
    assert [tuple(each) for each in answers.filter(like="probability_").to_numpy().tolist()] == [
        pytest.approx(row.probabilities) for row in artifact.golden
    ]


def test_a_required_column_that_leads_to_a_person_has_its_example() -> None:
    raw = RawListings.of_sample(PARCELS, drawn_sales(PARCELS, 700, seed=2)).frame
    drawn = draw_held_out(PARCELS, crossed_listings(PARCELS, raw), raw, 30)
    assert drawn["id"].tolist() == ["7129300520"] * 30
    golden = small_model(PARCELS, raw).golden
    assert len(golden) == N_GOLDEN
    assert {row.cells["id"] for row in golden} == {"7129300520"}


def test_a_source_of_clean_numbers_and_days_makes_golden_rows_that_can_be_stored(tmp_path: Path) -> None:
    drawn = drawn_sales(PARCELS, 700, seed=2)
    drawn["date"] = pd.to_datetime(drawn["date"])
    drawn["bedrooms"] = drawn["bedrooms"].astype("int64")
    drawn["lat"] = drawn["lat"].astype(float)
    model = small_model(PARCELS, RawListings.of_sample(PARCELS, drawn).frame)
    model.save(tmp_path)
    assert ModelArtifact.load(tmp_path).golden == list(model.golden)
    assert {type(cell) for row in model.golden for cell in row.cells.values()} == {str, int, float}
