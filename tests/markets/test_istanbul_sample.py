"""The synthetic ads: raw layout, dirt at its shares, and shifts that change what they name and nothing else."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import Shift, synthetic_listings
from housing_assets.markets.istanbul_sample.city import DISTRICTS, KINDS

ROWS = 20_000
# fmt: off
HEADERS = [
    "", "district", "price", "address", "AdUpdateDate", "Category", "GrossSquareMeters", "BuildingAge",
    "NumberFloorsofBuilding", "UsingStatus", "EligibilityForInvestment", "BuildStatus", "TitleStatus", "ItemStatus",
    "NumberOfBathrooms", "NumberOfWCs", "AdCreationDate", "Type", "NetSquareMeters", "NumberOfRooms",
    "FloorLocation", "HeatingType", "CreditEligibility", "InsideTheSite", "StructureType", "MortgageStatus", "Swap",
    "Balcony", "PriceStatus", "RentalIncome", "NumberOfBalconies", "BalconyType", "HallSquareMeters",
    "WCSquareMeters", "IsItVideoNavigable?", "Subscription", "BathroomSquareMeters", "BalconySquareMeters",
]
MONTHS = [
    "Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim", "Kasım", "Aralık",
]
# fmt: on
AS_OF = date(2022, 3, 4)


def texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the ads without the row number, as plain objects that compare by their text."""
    return frame.drop(columns="").astype(object)


def changed_columns(ordinary: pd.DataFrame, shifted: pd.DataFrame) -> set[str]:
    before, after = texts(ordinary), texts(shifted)
    differs = (before != after) & ~(before.isna() & after.isna())
    return set(differs.columns[differs.any()])


def prices(frame: pd.DataFrame) -> pd.Series:
    """Read the price texts in TRY; NaN for missing ones and other currencies."""
    return frame["price"].astype(object).str.extract(r"^([\d,]+)TL")[0].str.replace(",", "").astype(float)


def areas(column: pd.Series) -> pd.Series:
    return column.astype(object).str.removesuffix(" m2").str.replace(".", "").astype(float)


def kinds(frame: pd.DataFrame) -> pd.Series:
    return frame["address"].astype(object).str.extract(r"'Satılık ([^']*)'")[0]


def dates(column: pd.Series) -> pd.Series:
    parts = column.astype(object).str.split(" ", expand=True)
    months = parts[1].map({name: number for number, name in enumerate(MONTHS, start=1)})
    return pd.to_datetime(pd.DataFrame({"year": parts[2].astype(int), "month": months, "day": parts[0].astype(int)}))


def level_by_district(frame: pd.DataFrame) -> pd.Series:
    per_m2 = prices(frame) / areas(frame["NetSquareMeters"])
    return per_m2.groupby(frame["district"].astype(object)).median()


@pytest.fixture(scope="module")
def ordinary() -> pd.DataFrame:
    return synthetic_listings(ROWS)


@pytest.fixture(scope="module")
def far() -> pd.DataFrame:
    return synthetic_listings(ROWS, shift=Shift(outside_range=True))


def test_the_frame_has_the_38_raw_columns_in_the_order_of_the_file(ordinary: pd.DataFrame) -> None:
    assert ordinary.columns.tolist() == HEADERS
    assert len(HEADERS) == 38


def test_every_value_is_a_text_or_missing_but_the_row_number(ordinary: pd.DataFrame) -> None:
    assert ordinary[""].tolist() == list(range(ROWS))
    assert all(isinstance(dtype, pd.CategoricalDtype) for dtype in ordinary.dtypes.iloc[1:])
    assert all(isinstance(text, str) for header in HEADERS[1:] for text in ordinary[header].cat.categories)


def test_the_same_arguments_give_the_same_ads_and_another_seed_gives_others(ordinary: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(synthetic_listings(ROWS), ordinary)
    other = synthetic_listings(ROWS, seed=1)["price"].astype(object)
    assert (other != ordinary["price"].astype(object)).mean() > 0.9


def test_all_seeds_draw_from_one_city() -> None:
    levels = [level_by_district(synthetic_listings(ROWS, seed=seed)) for seed in (0, 1)]
    assert np.log(levels[0]).corr(np.log(levels[1])) > 0.98


@given(rows=st.integers(0, 40), seed=st.integers(0, 2**40))
def test_any_number_of_rows_from_any_seed_keeps_the_layout(rows: int, seed: int) -> None:
    frame = synthetic_listings(rows, seed=seed, shift=Shift(new_district_share=0.5, missing={"price": 0.5}))
    assert frame.shape == (rows, 38)
    assert frame.columns.tolist() == HEADERS


@pytest.mark.parametrize(("rows", "seed", "culprit"), [(-1, 0, "rows"), (1, -1, "seed")])
def test_negative_rows_and_seeds_are_refused_by_name(rows: int, seed: int, culprit: str) -> None:
    with pytest.raises(ValueError, match=f"{culprit} is -1: expected 0"):
        synthetic_listings(rows, seed=seed)


@pytest.mark.parametrize(
    ("column", "pattern", "low", "high"),
    [
        ("price", r"[\d,]+(TL|EUR)arrow_downward%[1-9]\d?|\$[\d,]+arrow_downward%[1-9]\d?", 0.08, 0.12),
        ("price", r"[\d,]+EUR.*|\$[\d,]+.*", 0.0005, 0.005),
        ("price", r"0TL.*", 0.0003, 0.003),
        ("GrossSquareMeters", r"\d{1,3}\.\d{3} m2", 0.002, 0.02),
        ("GrossSquareMeters", r"-[\d.]+ m2|999\.999 m2", 0.0003, 0.003),
        ("NetSquareMeters", r"1 m2", 0.001, 0.003),
        ("NumberOfRooms", r"8\+ Oda", 0.005, 0.03),
        ("NumberOfRooms", r"Stüdyo", 0.005, 0.03),
        ("NumberOfRooms", r"[15] Oda", 0.003, 0.03),
        ("NumberOfRooms", r"\d\.5\+1", 0.001, 0.03),
        ("NumberOfBalconies", r"4 \+", 0.003, 0.03),
        ("NumberOfBathrooms", r"Yok", 0.001, 0.006),
        ("FloorLocation", r"Kot \d \(-\d\)\. Kat", 0.005, 0.03),
        ("FloorLocation", r"(10-20|20-30|30-40|40\+)\. Kat", 0.002, 0.02),
        ("RentalIncome", r"\d+\.\d{3} TL", 0.15, 0.25),
    ],
)
def test_the_dirt_is_there_at_its_share(
    ordinary: pd.DataFrame, column: str, pattern: str, low: float, high: float
) -> None:
    share = ordinary[column].astype(object).fillna("").str.fullmatch(pattern).mean()
    assert low <= share <= high


@pytest.mark.parametrize(
    ("column", "share"),
    [
        ("district", 0.0015),
        ("price", 0.003),
        ("GrossSquareMeters", 0.0015),
        ("Subscription", 0.82),
        ("StructureType", 0.586),
        ("HallSquareMeters", 0.88),
        ("RentalIncome", 0.75),
        ("NumberOfRooms", 0.0),
    ],
)
def test_values_are_missing_at_their_share(ordinary: pd.DataFrame, column: str, share: float) -> None:
    assert ordinary[column].isna().mean() == pytest.approx(share, rel=0.1, abs=0.001)


def test_about_one_row_in_a_hundred_cannot_be_used(ordinary: pd.DataFrame) -> None:
    gross = areas(ordinary["GrossSquareMeters"])
    usable = (prices(ordinary) > 0) & gross.between(1, 100_000) & ordinary["district"].notna()
    assert (~usable).mean() == pytest.approx(0.01, abs=0.004)


def test_three_rows_in_a_hundred_are_exact_copies_some_of_them_of_a_row_far_away(ordinary: pd.DataFrame) -> None:
    ads = texts(ordinary)
    copied = ads.duplicated()
    assert copied.mean() == pytest.approx(0.03, abs=0.005)
    next_to_it = (ads.fillna("") == ads.fillna("").shift()).all(axis=1)
    assert 0.3 < next_to_it[copied].mean() < 0.7


def test_some_homes_are_advertised_again_at_another_price_or_date(ordinary: pd.DataFrame) -> None:
    distinct = texts(ordinary).drop_duplicates()
    home = distinct.drop(columns=["price", "AdCreationDate", "AdUpdateDate"])
    assert home.duplicated().mean() == pytest.approx(0.015, abs=0.004)


def test_ads_are_dated_in_turkish_and_mostly_within_two_months_before_the_scrape(ordinary: pd.DataFrame) -> None:
    created, updated = dates(ordinary["AdCreationDate"]), dates(ordinary["AdUpdateDate"])
    assert (created <= updated).all()
    assert updated.max() <= pd.Timestamp(AS_OF)
    age = (pd.Timestamp(AS_OF) - created).dt.days
    assert 0.6 < (age <= 61).mean() < 0.95
    assert age.max() > 365


def test_the_net_area_is_below_the_gross_area(ordinary: pd.DataFrame) -> None:
    gross, net = areas(ordinary["GrossSquareMeters"]), areas(ordinary["NetSquareMeters"])
    assert (net < gross)[gross > 0].all()


@pytest.mark.trial
def test_neighbourhoods_number_15_to_45_in_each_of_39_districts() -> None:
    place = synthetic_listings(100_000)[["district", "address"]].dropna().astype(object)
    place["neighbourhood"] = place["address"].str.extract(r"'([^']*) Mahallesi Satılık [^']*'\]$")[0]
    counts = place.groupby("district")["neighbourhood"].nunique()
    assert set(counts.index) == set(DISTRICTS)
    assert len(counts) == 39
    assert counts.between(13, 45).all()  # the rarest neighbourhoods of a small district may have no ad
    assert counts.median() > 20


def test_the_price_follows_district_and_area_but_not_the_order_of_rows(ordinary: pd.DataFrame) -> None:
    log_price = np.log(prices(ordinary).where(lambda price: price > 0))
    log_net = np.log(areas(ordinary["NetSquareMeters"]))
    level = np.log(ordinary["district"].astype(object).map({name: entry[1] for name, entry in DISTRICTS.items()}))
    explained = (log_net + level).corr(log_price) ** 2
    assert 0.6 < explained < 0.95
    assert abs(log_price.corr(pd.Series(range(ROWS), dtype=float))) < 0.05


def test_prices_are_round(ordinary: pd.DataFrame) -> None:
    price = prices(ordinary).dropna()
    assert (price % 5_000 == 0).mean() > 0.9
    assert (price % 50_000 == 0).mean() > 0.4


@pytest.mark.parametrize(
    ("shift", "columns"),
    [
        (Shift(), set()),
        (Shift(price_inflation=0.6), {"price"}),
        (Shift(concept_change=1.0), {"price"}),
        (Shift(concept_change=0.3), {"price"}),
        (Shift(gross_area_factor=10), {"GrossSquareMeters"}),
        (Shift(missing={"HeatingType": 0.3, "BuildingAge": 1.0}), {"HeatingType", "BuildingAge"}),
        (Shift(new_address_share=0.3), {"address", "price", "RentalIncome"}),
        (Shift(new_district_share=0.3), {"district", "address", "price", "RentalIncome"}),
        (Shift(only_district="kadikoy"), {"district", "address", "price", "RentalIncome"}),
    ],
    ids=lambda value: repr(value) if isinstance(value, Shift) else "",
)
def test_a_shift_changes_the_columns_it_names_and_no_other(
    ordinary: pd.DataFrame, shift: Shift, columns: set[str]
) -> None:
    assert changed_columns(ordinary, synthetic_listings(ROWS, shift=shift)) == columns


def test_the_day_of_the_scrape_changes_the_dates_alone(ordinary: pd.DataFrame) -> None:
    later = synthetic_listings(ROWS, as_of=date(2023, 1, 31))
    assert changed_columns(ordinary, later) == {"AdCreationDate", "AdUpdateDate"}
    assert dates(later["AdUpdateDate"]).max() == pd.Timestamp(2023, 1, 31)


def test_inflation_raises_the_prices_by_its_rate(ordinary: pd.DataFrame) -> None:
    ratio = prices(synthetic_listings(ROWS, shift=Shift(price_inflation=0.6))) / prices(ordinary)
    assert ratio.median() == pytest.approx(1.6, abs=0.02)


def test_concept_change_reverses_the_ranks_of_the_districts(ordinary: pd.DataFrame) -> None:
    before = level_by_district(ordinary)
    half, whole = (
        level_by_district(synthetic_listings(ROWS, shift=Shift(concept_change=share))) for share in (0.5, 1.0)
    )
    assert before.corr(whole, method="spearman") < -0.7
    assert half.std() < before.std() / 2


def test_the_gross_area_factor_multiplies_the_gross_area(ordinary: pd.DataFrame) -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(gross_area_factor=10))
    ratio = areas(shifted["GrossSquareMeters"]) / areas(ordinary["GrossSquareMeters"])
    assert (ratio.dropna() == 10).mean() > 0.99


def test_new_districts_take_their_share_of_the_rows_and_leave_the_others(ordinary: pd.DataFrame) -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(new_district_share=0.3))
    new = ~shifted["district"].isin([*DISTRICTS, np.nan])
    assert new.mean() == pytest.approx(0.3, abs=0.02)
    known = ~new & shifted["district"].notna()
    assert changed_columns(ordinary[known], shifted[known]) == set()


def test_new_addresses_take_their_share_of_the_rows_in_known_districts(ordinary: pd.DataFrame) -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(new_address_share=0.3))
    names = shifted["address"].astype(object).str.extract(r"'([^']*) Mahallesi")[0]
    known = synthetic_listings(60_000, seed=5)["address"].astype(object).str.extract(r"'([^']*) Mahallesi")[0]
    assert (~names.isin(known)).mean() == pytest.approx(0.3, abs=0.02)
    assert set(shifted["district"].dropna()) == set(ordinary["district"].dropna())


def test_only_one_district_can_be_asked_for() -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(only_district="besiktas"))
    assert shifted["district"].cat.categories.tolist() == ["besiktas"]
    assert shifted["address"].astype(object).str.contains("'Beşiktaş Satılık ").all()


def test_missing_blanks_its_share_of_the_values(ordinary: pd.DataFrame) -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(missing={"HeatingType": 0.3, "Subscription": 0.5}))
    assert shifted["HeatingType"].isna().mean() == pytest.approx(0.3, abs=0.02)
    kept = shifted["Subscription"].notna().sum() / ordinary["Subscription"].notna().sum()
    assert kept == pytest.approx(0.5, abs=0.05)
    assert texts(shifted).duplicated().mean() == pytest.approx(0.03, abs=0.005)


@pytest.mark.trial
def test_the_mix_makes_a_kind_common(ordinary: pd.DataFrame) -> None:
    shifted = synthetic_listings(ROWS, shift=Shift(mix={"Villa": 20, "Bina": 0}))
    assert (kinds(ordinary) == "Villa").mean() == pytest.approx(0.036, abs=0.005)
    assert (kinds(shifted) == "Villa").mean() == pytest.approx(0.72 / (0.72 + 0.944), abs=0.02)
    assert not (kinds(shifted) == "Bina").any()
    assert set(kinds(shifted)) <= set(KINDS)


@pytest.mark.parametrize(
    "column",
    [
        "price",
        "GrossSquareMeters",
        "NetSquareMeters",
        "HallSquareMeters",
        "WCSquareMeters",
        "BathroomSquareMeters",
        "BalconySquareMeters",
        "BuildingAge",
        "NumberFloorsofBuilding",
        "NumberOfBathrooms",
        "NumberOfWCs",
        "NumberOfRooms",
        "NumberOfBalconies",
        "RentalIncome",
        "Subscription",
        "FloorLocation",
    ],
)
def test_outside_range_carries_every_number_beyond_the_ordinary_ones(
    ordinary: pd.DataFrame, far: pd.DataFrame, column: str
) -> None:
    before, after = (first_numbers(frame[column]) for frame in (ordinary, far))
    assert after[after > 0].quantile(0.2) > 10 * before.quantile(0.9)


def first_numbers(column: pd.Series) -> pd.Series:
    """Read the number a text begins with; `.` and `,` set groups of three digits apart."""
    groups = column.astype(object).str.extract(r"^(\d+(?:[.,]\d{3})*)")[0]
    return groups.str.replace(re.compile("[.,]"), "", regex=True).astype(float).dropna()


def test_outside_range_leaves_places_words_and_dates(ordinary: pd.DataFrame, far: pd.DataFrame) -> None:
    untouched = {"district", "address", "AdCreationDate", "AdUpdateDate", "HeatingType", "StructureType", "Swap"}
    assert not untouched & changed_columns(ordinary, far)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"price_inflation": -1.0}, r"price_inflation is -1.0: expected -0.9 to 1000"),
        ({"new_district_share": 1.5}, r"new_district_share is 1.5: expected 0 to 1"),
        ({"new_address_share": -0.1}, r"new_address_share is -0.1: expected 0 to 1"),
        ({"concept_change": float("nan")}, r"concept_change is nan: expected 0 to 1"),
        ({"gross_area_factor": 0.0}, r"gross_area_factor is 0.0: expected 0.001 to 1000"),
        ({"only_district": "ankara"}, r"only_district names 'ankara': expected one of adalar"),
        ({"missing": {"Prize": 0.1}}, r"missing names 'Prize': expected one of district, price"),
        ({"missing": {"": 0.1}}, r"missing names ''"),
        ({"missing": {"price": 2}}, r"missing\['price'\] is 2: expected 0 to 1"),
        ({"mix": {"Castle": 1}}, r"mix names 'Castle': expected one of Daire"),
        ({"mix": {"Villa": -1}}, r"mix\['Villa'\] is -1: expected 0 to"),
        ({"mix": dict.fromkeys(KINDS, 0)}, r"mix is .*: at least one kind must keep a factor above 0"),
    ],
)
def test_a_knob_out_of_range_is_refused_by_its_name(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Shift(**knobs)  # type: ignore[arg-type]


def test_the_sample_is_the_one_that_the_market_declares() -> None:
    pd.testing.assert_frame_equal(load_sample(MARKET).draw(300, seed=3), synthetic_listings(300, seed=3))


def test_every_knob_is_reached_by_its_name_as_a_text() -> None:
    given = {
        "price_inflation": "0.6",
        "new_district_share": "0.1",
        "only_district": "sile",
        "new_address_share": "0.2",
        "missing.price": "0.1",
        "missing.Subscription": "1",
        "gross_area_factor": "10",
        "outside_range": "true",
        "concept_change": "0.5",
        "mix.Villa": "20",
    }
    shift = Shift(
        price_inflation=0.6,
        new_district_share=0.1,
        only_district="sile",
        new_address_share=0.2,
        missing={"price": 0.1, "Subscription": 1},
        gross_area_factor=10,
        outside_range=True,
        concept_change=0.5,
        mix={"Villa": 20},
    )

    drawn = load_sample(MARKET).draw(300, seed=3, as_of=date(2022, 6, 1), shift=given)

    pd.testing.assert_frame_equal(drawn, synthetic_listings(300, seed=3, shift=shift, as_of=date(2022, 6, 1)))
    assert {name.partition(".")[0] for name in load_sample(MARKET).shifts} == {name.partition(".")[0] for name in given}


def test_knobs_are_taken_as_values_too() -> None:
    given = {"price_inflation": 0.6, "missing": {"price": 0.1}, "outside_range": False}
    expected = synthetic_listings(300, shift=Shift(price_inflation=0.6, missing={"price": 0.1}))

    pd.testing.assert_frame_equal(load_sample(MARKET).draw(300, shift=given), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prices": "0.6"}, "there is no shift 'prices': expected one of price_inflation"),
        ({"price_inflation": "much"}, "price_inflation is 'much': expected a number"),
        ({"price_inflation.price": "1"}, "there is no shift 'price_inflation.price'"),
        ({"missing": "0.5"}, "missing is '0.5': expected missing.NAME=NUMBER"),
        ({"missing.": "0.5"}, "there is no shift 'missing.'"),
        ({"missing.Prize": "0.5"}, "missing names 'Prize': expected one of district, price"),
        ({"outside_range": "perhaps"}, "outside_range is 'perhaps': expected true or false"),
    ],
)
def test_a_wrong_knob_is_refused_by_its_name(given: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_sample(MARKET).draw(1, shift=given)
