from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from housing_assets.listings.cleaning import account_rows, clean
from housing_assets.listings.columns import COLUMNS
from housing_assets.listings.feedback import SOURCE, append_labelled
from housing_assets.listings.source import SOURCE_FILE, SOURCE_ROW, RawListings, read_listings
from resources.asset_storage import AssetStorage
from tests.listings.ads import ad, frame

RAW = RawListings.of_sample(frame(ad(), ad(price="650,000TL"))).frame


def labelled(*rows: dict[str, object]) -> pd.DataFrame:
    names = [column.raw for column in COLUMNS]
    cells = [{name: cell for name, cell in ad().items() if cell != ""} | row for row in rows]
    return pd.DataFrame(cells, columns=names).astype(object)


def test_labelled_rows_stand_behind_the_others_with_a_file_of_their_own() -> None:
    appended = append_labelled(RAW, labelled({"price": 3_100_000.0}, {"price": 700_000.0, "district": "yeni"}))

    assert (appended.labelled, appended.left_out) == (2, 0)
    assert appended.frame[SOURCE_FILE].tolist() == [*RAW[SOURCE_FILE], SOURCE, SOURCE]
    assert appended.frame[SOURCE_ROW].tolist() == [1, 2, 1, 2]
    assert appended.frame["district"].tolist()[-1] == "yeni"
    assert [str(dtype) for dtype in appended.frame.dtypes] == [str(dtype) for dtype in RAW.dtypes]


@pytest.mark.parametrize("price", [3_100_000.0, 1_234_567.5, 1_000.125])
def test_a_reported_price_is_read_as_it_was_reported(price: float) -> None:
    appended = append_labelled(RAW, labelled({"price": price, "district": "yeni"}))

    assert clean(appended.frame).listings["price"].tolist()[-1] == price


def test_clean_numbers_are_written_as_texts_that_say_the_same() -> None:
    sent = {"price": 900_000.0, "GrossSquareMeters": 120.125, "NumberOfRooms": 4, "BuildingAge": 7.5}

    appended = append_labelled(RAW, labelled(sent))

    assert appended.left_out == 0
    listing = clean(appended.frame).listings.iloc[-1]
    assert (listing["gross_m2"], listing["rooms"], listing["building_age"]) == (120.125, 4, 7.5)


def test_texts_are_written_as_numbers_where_the_source_has_numbers() -> None:
    raw = RAW.assign(GrossSquareMeters=[100.0, 90.0], price=[1e6, 2e6])

    appended = append_labelled(raw, labelled({"price": 900_000.0, "GrossSquareMeters": "2.250 m2"}))

    assert appended.left_out == 0
    assert appended.frame["GrossSquareMeters"].tolist() == [100.0, 90.0, 2_250.0]
    assert appended.frame["price"].tolist()[-1] == 900_000.0


def test_texts_are_written_as_days_where_the_source_has_days() -> None:
    raw = RAW.assign(AdCreationDate=pd.to_datetime(["2022-02-24", None]))

    appended = append_labelled(raw, labelled({"price": 900_000.0, "AdCreationDate": "01 Mart 2022"}))

    assert appended.frame["AdCreationDate"].tolist()[-1] == pd.Timestamp("2022-03-01")


def test_what_cannot_be_written_as_the_source_has_it_is_left_out_and_counted() -> None:
    raw = RAW.assign(NumberOfRooms=[3.0, 4.0])  # where «3+1» would lose its living room

    appended = append_labelled(
        raw, labelled({"price": 9e5, "NumberOfRooms": "3+1"}, {"price": 9e5, "NumberOfRooms": 3})
    )

    assert (appended.labelled, appended.left_out) == (1, 1)


def test_numbers_behind_categories_of_whole_numbers_keep_their_fractions() -> None:
    raw = RAW.assign(NumberOfRooms=pd.Categorical([3, 4]))

    appended = append_labelled(raw, labelled({"price": 9e5, "NumberOfRooms": 2}, {"price": 9e5, "NumberOfRooms": 2.5}))

    assert appended.frame["NumberOfRooms"].tolist() == [3.0, 4.0, 2.0, 2.5]


GAPS_IN = {
    "days": ("AdCreationDate", pa.date32(), date(2022, 2, 24), "01 Mart 2022", date(2022, 3, 1)),
    "decimals": ("NetSquareMeters", pa.decimal128(12, 2), Decimal("120.50"), "2.250,125 m2", Decimal("2250.125")),
    "booleans": ("Swap", pa.bool_(), True, "False", False),
}
"""A raw column, the type that a source has it in, a cell of that, what is sent, and what is to be stored."""


def typed_source(path: Path, column: str, cells: pa.Array) -> pd.DataFrame:
    table = pa.Table.from_pandas(frame(ad(), ad(price="650,000TL")))
    parquet.write_table(table.set_column(table.column_names.index(column), column, cells), path)
    return read_listings(str(path)).frame


def through_storage(folder: Path, listings: pd.DataFrame) -> pd.DataFrame:
    key = dg.AssetKey("raw_listings")
    AssetStorage(folder=str(folder)).handle_output(dg.build_output_context(asset_key=key), listings)
    return pd.read_parquet(folder / "raw_listings" / "table.parquet")


@pytest.mark.parametrize("gap", [True, False], ids=["with a gap", "without"])
@pytest.mark.parametrize(("column", "kind", "cell", "sent", "expected"), GAPS_IN.values(), ids=GAPS_IN)
def test_rows_behind_a_typed_source_are_stored_and_read_in_its_type(
    tmp_path: Path, column: str, kind: pa.DataType, cell: Any, sent: str, expected: Any, gap: bool
) -> None:
    raw = typed_source(tmp_path / "ads.parquet", column, pa.array([cell, None if gap else cell], kind))
    rows = labelled(
        {"price": 9e5, column: sent}, {"price": 8e5, column: None}, {"price": 7e5, column: "of another kind"}
    )

    appended = append_labelled(raw, rows)
    stored = through_storage(tmp_path, appended.frame)

    assert (appended.labelled, appended.left_out) == (2, 1)
    assert stored[column].tolist()[:3] == [cell, None if gap else cell, expected]
    assert pd.isna(stored[column].tolist()[3])
    assert not len(clean(stored).quarantined)


def test_a_boolean_is_written_as_text_where_the_source_has_texts() -> None:
    assert append_labelled(RAW, labelled({"price": 9e5, "Swap": True})).frame["Swap"].tolist()[-1] == "True"


def test_a_number_too_fine_for_the_decimals_of_a_source_is_left_out(tmp_path: Path) -> None:
    cells = pa.array([Decimal("5.00"), None], pa.decimal128(12, 2))
    raw = typed_source(tmp_path / "ads.parquet", "Subscription", cells)

    appended = append_labelled(raw, labelled({"price": 9e5, "Subscription": 1e-300}))

    assert (appended.labelled, appended.left_out) == (0, 1)


def test_a_day_that_the_dates_of_a_source_cannot_hold_is_left_out() -> None:
    raw = RAW.assign(AdCreationDate=pd.to_datetime(["2022-02-24", None]).astype("datetime64[ns]"))

    appended = append_labelled(raw, labelled({"price": 9e5, "AdCreationDate": "1500-01-01"}))

    assert (appended.labelled, appended.left_out) == (0, 1)


def test_nothing_labelled_changes_nothing() -> None:
    appended = append_labelled(RAW, labelled().reindex(columns=[column.raw for column in COLUMNS]))

    assert appended.frame is RAW
    assert (appended.labelled, appended.left_out) == (0, 0)


def test_every_appended_row_has_its_fate_too() -> None:
    appended = append_labelled(RAW, labelled({"price": 5e5}, {"price": 5e5}, {"price": 1.0}))

    cleaned = clean(appended.frame)

    fault = account_rows(len(appended.frame), cleaned.listings, cleaned.quarantined, cleaned.duplicates)
    assert fault is None
    assert len(cleaned.duplicates) == 1
