"""The declaration of Istanbul: what users and stored models rely on."""

from housing_assets.inference.declaration import Role
from housing_assets.markets.istanbul import MARKET


def test_district_price_and_gross_area_are_required() -> None:
    assert [column.raw for column in MARKET.columns if column.required] == ["district", "price", "GrossSquareMeters"]
    assert MARKET.required == ("district", "GrossSquareMeters")


def test_addresses_are_personal_by_both_names() -> None:
    assert MARKET.personal_names == {"address"}


def test_prices_are_in_three_bands_of_turkish_lira() -> None:
    assert (MARKET.categories, MARKET.currency) == (("low", "medium", "high"), "TRY")
    assert MARKET.target_value.name == "price"


def test_the_examples_leave_no_value_empty() -> None:
    cells = {column.raw: column.example for column in MARKET.columns}
    listing, reasons = MARKET.parse_listing(cells, with_target=True)
    assert reasons == {}
    assert None not in listing.values()


def test_the_number_of_features_is_what_models_are_grown_on() -> None:
    assert len(MARKET.columns) == 38
    assert len(MARKET.encoded_numbers) == len([*MARKET.values(Role.NUMERIC, Role.ORDINAL, Role.CLOCK)]) + 2
    assert len(MARKET.named_crosses) == 15
    assert MARKET.segments == ("district", "property_kind")
    assert MARKET.fallback == ("district", "gross_5")
