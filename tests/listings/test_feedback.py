import pandas as pd
import pytest

from housing_assets.listings.cleaning import account_rows, clean
from housing_assets.listings.columns import COLUMNS
from housing_assets.listings.feedback import SOURCE, append_labelled
from housing_assets.listings.source import SOURCE_FILE, SOURCE_ROW, RawListings
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
