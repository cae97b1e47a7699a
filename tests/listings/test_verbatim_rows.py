"""Ads exactly as scraped, against what a person reads in them."""

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.cleaning import account_rows, clean
from housing_assets.listings.source import read_listings
from housing_assets.markets.istanbul import MARKET

pytestmark = pytest.mark.real_data

NAMES = (
    "price", "gross_m2", "net_m2", "building_age", "building_floors", "rooms", "living_rooms", "floor_location",
    "floor", "created_on", "property_kind", "neighbourhood", "bathrooms", "wcs", "balconies", "rental_income", "dues",
)  # fmt: skip
_ = None
# fmt: off
READ = {
    0: (3_100_000, 160, 120, 21, 3, 3, 1, "Çatı Katı", _, "2022-02-24", "Daire", "Maden", 2, _, _, _, _),
    1: (1_600_000, 120, 100, 7.5, 3, 2, 1, "Bahçe Katı", _, "2022-02-21", "Daire", "Maden", 1, 1, _, _, _),
    2: (9_500_000, 550, 540, 13, 3, 8, _, "Düz Giriş", _, "2022-02-03", "Bina", "Maden", 4, _, _, _, _),
    3: (25_000_000, 840, 700, 21, 4, 8, _, "Düz Giriş", _, "2022-01-19", "Köşk", "Maden", 3, _, _, _, _),
    4: (3_250_000, 400, 370, 21, 3, 8, _, "Bahçe Dublex", _, "2022-01-12", "Daire", "Heybeliada", 5, _, _, 12_000, _),
    5: (10_800_000, 180, 140, 21, 2, 5, _, "Düz Giriş", _, "2021-12-16", "Köşk", "Burgazada", 1, _, _, _, _),
    6: (34_550_000, 430, 350, 21, 3, 8, _, "Villa Tipi", _, "2021-11-12", "Villa", "Heybeliada", 3, 2, _, _, _),
    7: (3_100_000, 250, 249, 21, 3, 1, _, "Düz Giriş", _, "2021-10-19", "Bina", "Maden", 0, _, _, _, _),
    8: (4_200_000, 682, 150, 21, 2, 6, 1, "Müstakil", _, "2021-09-24", "Villa", "Maden", 3, 4, 4, _, _),
    9: (21_000_000, 2_250, 2_000, 21, 3, 8, _, "Düz Giriş", _, "2021-07-22", "Villa", "Maden", 4, _, _, _, _),
    10: (1_000_000, 200, 180, 0, 5, 4, 2, "Çatı Dubleks", _, "2022-02-23", "Daire", "Arnavutköy Merkez", 2, 2, 1, _, _),
    11: (660_000, 90, 80, 7.5, 4, 2, 1, "1. Kat", 1, "2022-02-03", "Daire", "Anadolu", 1, _, _, _, _),
    12: (1_250_000, 260, 250, 0, 5, 5, 2, "Çatı Dubleks", _, "2022-01-04", "Daire", "Anadolu", 2, _, _, _, _),
    13: (765_000, 180, 165, 0, 2, 4, 1, "2. Kat", 2, "2022-01-02", "Daire", "İslambey", 2, _, _, _, _),
    15: (660_000, 105, 95, 7.5, 5, 2, 1, "5. Kat", 5, "2022-03-01", "Daire", "Hastane", 1, 1, 1, 2_500, 50),
    16: (850_000, 90, 1, 7.5, 6, 2, 1, "Bahçe Dublex", _, "2022-02-27", "Daire", "Arnavutköy Merkez", 1, _, _, _, _),
    17: (1_460_000, 140, 110, 7.5, 5, 3, 2, "5. Kat", 5, "2022-01-17", "Daire", "Karlıktepe", 2, 1, 2, _, 50),
    18: (2_700_000, 194, 105, 1, 29, 2, 1, "9. Kat", 9, "2022-01-17", "Residence", "Topselvi", 2, 2, 2, 7_000, _),
    19: (1_450_000, 145, 135, 7.5, 11, 3, 1, "9. Kat", 9, "2022-01-13", "Daire", "Yakacık Çarşı", 2, 2, 1, 5_000, 300),
    20: (950_000, 80, 70, 0, 5, 2, 1, "Yüksek Giriş", _, "2022-01-13", "Daire", "Esentepe", 1, _, _, 3_500, _),
    21: (65_000_000, 1_050, 850, 0, 40, 8, _, "30-40. Kat", 35, "2022-01-12", "Residence", "Kordonboyu", 5, _, 4, _, _),
    22: (750_000, 46, 35, 3, 27, 1, 0, "16. Kat", 16, "2022-01-12", "Residence", "Cevizli", 1, _, _, _, _),
    23: (550_000, 110, 95, 21, 7, 3, 1, "Yüksek Giriş", _, "2022-01-06", "Daire", "Yukarı", 1, 1, 1, 2_200, 40),
}
# fmt: on


@pytest.fixture(scope="module")
def raw(real_data_folder):
    return read_listings(MARKET, str(real_data_folder / "verbatim_rows.csv")).frame


@pytest.fixture(scope="module")
def cleaned(raw):
    return clean(MARKET, raw)


@pytest.mark.parametrize("row", READ)
def test_a_scraped_ad_is_read_as_a_person_reads_it(cleaned, row):
    found = cleaned.listings.set_index("row").loc[row, list(NAMES)].to_dict()
    found = {name: None if value != value else value for name, value in found.items()}
    found["created_on"] = str(found["created_on"].date())
    found["neighbourhood"] = found["neighbourhood"].removesuffix(" Mahallesi")
    assert found == dict(zip(NAMES, READ[row], strict=True))


def test_the_one_exact_double_ad_is_removed_and_nothing_else(raw, cleaned):
    assert cleaned.duplicates.tolist() == [14]
    assert cleaned.quarantined.empty
    assert cleaned.listings["row"].tolist() == list(READ)
    assert account_rows(24, cleaned.listings, cleaned.quarantined, cleaned.duplicates) is None


def test_small_areas_of_the_fittings_are_read(cleaned):
    fitted = cleaned.listings.set_index("row").loc[[15, 18, 23], ["hall_m2", "wc_m2", "bathroom_m2", "balcony_m2"]]
    np.testing.assert_array_equal(fitted, [[20, 2, 4, 3], [24, 4, 5, 30], [25, 8, 8, 6]])


def test_categories_are_kept_as_written_and_empty_ones_are_missing(cleaned):
    listings = cleaned.listings.set_index("row")
    assert listings.loc[18, "heating_type"] == "Merkezi (Pay Ölçer)"
    assert listings.loc[3, "structure_type"] == "Ahşap"
    assert listings.loc[15, "video"] == "Evet"
    assert pd.isna(listings.loc[0, "structure_type"])
    assert listings.loc[0, "updated_on"] == pd.Timestamp("2022-02-24")


def test_the_whole_of_the_real_listings_is_accounted_for(real_data_folder):
    raw = read_listings(MARKET, str(real_data_folder / "istanbul_listings.csv.gz"))
    cleaned = clean(MARKET, raw.frame)
    assert len(raw.frame) == 20_124
    assert account_rows(20_124, cleaned.listings, cleaned.quarantined, cleaned.duplicates) is None
    assert len(cleaned.listings) > 19_000
    assert 400 < len(cleaned.duplicates) < 800
