"""A market is found by its name or by the path of its file, and a wrong one is refused with what was expected."""

from dataclasses import replace
from pathlib import Path

import pytest

from housing_assets.drafting.writing import as_market_name
from housing_assets.inference.declaration import DeclarationError
from housing_assets.listings.samples import load_sample
from housing_assets.market_loading import RESERVED_NAMES, load_market, market_names
from housing_assets.markets.istanbul import MARKET
from resources.serving_settings import ServingSettings
from tests.other_markets import PARCELS

DECLARATION = """
from housing_assets.inference.declaration import Column, PriceBands, Role, Value
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Number

MARKET = Market(
    name="{name}",
    title="A market of one column",
    target=PriceBands(("low", "high"), (0.5,), "EUR", price_kind="asking"),
    columns=(Column("price", "5000", Number(), (Value("price", Role.PRICE, {minimum}),), required=True),),
)
"""


def declared(folder: Path, text: str, name: str = "oslo.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(named: str) -> str:
    with pytest.raises(DeclarationError) as refused:
        load_market(named)
    return str(refused.value)


def test_a_market_of_the_package_is_found_by_its_name() -> None:
    assert load_market("istanbul") is MARKET
    assert "istanbul" in market_names()


@pytest.mark.parametrize("name", market_names())
def test_every_market_of_the_package_is_named_as_its_file(name: str) -> None:
    assert load_market(name).name == name


def test_a_market_of_yours_is_found_by_the_path_of_its_file(tmp_path: Path) -> None:
    market = load_market(declared(tmp_path, DECLARATION.format(name="oslo", minimum=1)))
    assert (market.name, market.categories, market.currency) == ("oslo", ("low", "high"), "EUR")


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(tmp_path, DECLARATION.format(name="oslo", minimum=1))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_market("~/oslo.py").name == "oslo"


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    load_market(declared(tmp_path, DECLARATION.format(name="oslo", minimum=1)))
    again = load_market(declared(tmp_path, DECLARATION.format(name="oslo", minimum=2)))
    assert again.target_value.minimum == 2


@pytest.mark.parametrize("named", ["atlantis", "", "Istanbul", "istanbul_sample", "__init__", "os"])
def test_a_name_that_is_none_is_refused_with_those_that_are(named: str) -> None:
    message = refusal(named)
    assert message.startswith(f"HOUSING_MARKET is {named!r}: expected one of istanbul")
    assert message.endswith("or the path of a file.py that declares MARKET")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(f"{tmp_path}/none.py") == f"HOUSING_MARKET is '{tmp_path}/none.py': there is no such file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a Market named MARKET, found NoneType"),
        ("MARKET = 'oslo'", "expected a Market named MARKET, found str"),
        ("market = 1 / 0", "ZeroDivisionError: division by zero"),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("MARKET = (", "SyntaxError: '(' was never closed"),
        (DECLARATION.format(name="oslo", minimum=0), "minimum of price is 0: expected a price above 0"),
        (
            DECLARATION.format(name="bergen", minimum=1),
            "the market's name is 'bergen': expected that of its file, 'oslo'",
        ),
    ],
)
def test_a_file_that_declares_no_market_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(declared(tmp_path, text))


def test_a_generator_is_found_where_the_declaration_says() -> None:
    assert len(load_sample(MARKET).draw(5, seed=1)) == 5


def test_a_market_without_a_generator_says_what_to_set() -> None:
    with pytest.raises(DeclarationError, match="parcels has no synthetic sample: set HOUSING_SOURCE to your listings"):
        load_sample(PARCELS)


@pytest.mark.parametrize("sample", ["no.such.module:SAMPLE", "housing_assets.markets.istanbul:NOTHING", "json"])
def test_a_generator_that_is_not_where_the_declaration_says_is_refused(sample: str) -> None:
    with pytest.raises(DeclarationError, match=f"sample of parcels is '{sample}': expected module:name"):
        load_sample(replace(PARCELS, sample=sample))


def test_a_file_with_the_name_of_an_asset_is_refused_and_a_draft_is_not_named_so(tmp_path: Path) -> None:
    path = declared(tmp_path, DECLARATION.format(name="listings", minimum=1), "listings.py")

    assert refusal(path).startswith("the market's name is 'listings': the platform itself uses it")
    assert as_market_name(Path("listings.csv.gz")) == "my_listings"
    assert as_market_name(Path("ads.csv.gz")) == "ads"


def test_no_name_of_a_market_makes_one_file_or_one_setting_of_two() -> None:
    fields = ServingSettings.model_fields
    of_one = [field for field in fields if len(ServingSettings.variables(field, "oslo")) > 1]
    mixed_up = {name.removesuffix(f"_{field}") for name in fields for field in of_one if name.endswith(f"_{field}")}

    assert {"console", "exporter", "grpc"} <= mixed_up <= RESERVED_NAMES
    assert ServingSettings().keys_path.name in RESERVED_NAMES


def test_a_market_that_does_not_say_which_kind_its_prices_are_is_refused(tmp_path: Path) -> None:
    text = DECLARATION.format(name="oslo", minimum=1).replace(', price_kind="asking"', "")

    assert refusal(declared(tmp_path, text)) == (
        "price_kind of the target of oslo is not declared: expected asking or paid, or the name of the value that says "
        "it of each row"
    )
