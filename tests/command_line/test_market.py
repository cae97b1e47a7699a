"""The markets of the package, the draft of one's own, and what it reads."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.market_loading import load_market, market_names
from tests.command_line.conftest import Housing


def test_every_market_is_listed_with_its_categories(housing: Housing) -> None:
    lines = housing("market", "list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == market_names()
    assert "istanbul         Homes for sale in Istanbul: low, medium, high" in lines


ADS = "price,town,area,note\n" + "".join(
    f'"£{100 + number},000",{"ab"[number % 2]},{40 + number} m²,"said ""quiet"", twice"\n' for number in range(40)
)


def test_a_draft_can_be_checked_as_it_stands(housing: Housing, tmp_path: Path) -> None:
    ads, declared = tmp_path / "my_ads.csv", tmp_path / "my_ads.py"
    ads.write_text("\ufeff" + ADS + "1e99,,-3 m²,\n" + "ask us,a,50 acres,\n", encoding="utf-8")  # a byte-order mark

    drafted = housing("market", "draft", str(ads), "--out", str(declared))
    checked = housing("market", "check", str(declared), str(ads))

    assert drafted.stdout == f"{declared} declares my_ads: read it, then try `housing market check {declared} {ads}`\n"
    assert "My ads: 42 rows" in checked.stdout
    assert "40 listings, 2 quarantined, 0 exact duplicates" in checked.stdout
    assert "price: not a number of £" in checked.stdout
    assert "categories: low up to 115,000 GBP: 16" in checked.stdout


def test_a_draft_is_printed_where_no_file_is_named(housing: Housing, tmp_path: Path) -> None:
    ads = tmp_path / "My Ads 2022.csv.gz"
    ads.write_bytes(gzip.compress(ADS.encode()))

    printed = housing("market", "draft", str(ads)).stdout
    (tmp_path / "my_ads_2022.py").write_text(printed, encoding="utf-8")

    assert load_market(str(tmp_path / "my_ads_2022.py")).currency == "GBP"


def test_classes_are_drafted_from_the_target(housing: Housing, tmp_path: Path) -> None:
    ads = tmp_path / "ads.parquet"
    pd.DataFrame({"grade": ["good", "fair", "poor"] * 9, "area": range(27)}).to_parquet(ads)

    printed = housing("market", "draft", str(ads), "--target", "grade", "--classes").stdout

    assert 'target=Classes(categories=("fair", "good", "poor"))' in printed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "price;town\n1,5;a\n",
            "the header is 'price;town': expected fields separated by commas, not by ';'. In Python",
        ),
        ("price\ttown\n1\ta\n", "the header is 'price\\ttown': expected fields separated by commas"),
        ("price,town\n1,a\n2,b,c\n", "cannot be read: Error tokenizing data"),
        ("price,town\n", "no rows, only a header"),
        ("", "the file is empty; a header line with the columns was expected"),
        (
            "town,area\na,1\n",
            "target is no column, because none sounds like a price: expected one of town, area",
        ),
        ("price,price\n1,a\n", "more than one column is named price: rename them in the source"),
    ],
)
def test_a_file_that_cannot_be_drafted_from_is_refused_in_a_line(
    housing: Housing, tmp_path: Path, text: str, said: str
) -> None:
    ads = tmp_path / "ads.csv"
    ads.write_text(text, encoding="utf-8")

    ended = housing("market", "draft", str(ads))

    assert ended.exit_code == 1
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.csv"], "missing.csv: expected a file ending in .csv, .csv.gz, .parquet"),
        (["ads.csv", "--out", "ads.txt"], "--out is ads.txt: expected a name ending in .py"),
        (["ads.csv", "--out", "taken.py"], "--out is taken.py: is there already: choose another, or remove it"),
        (["ads.csv", "--out", "ads.py", "--name", "other"], "--name is 'other': expected that of the file, 'ads'"),
        (["ads.csv", "--out", "My-ads.py"], "the market's name is 'My-ads'"),
        (["ads.csv", "--classes"], "--target is missing: expected the header of the classes"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_in_a_line(
    housing: Housing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ads.csv").write_text(ADS, encoding="utf-8")
    Path("taken.py").touch()

    ended = housing("market", "draft", *arguments)

    assert ended.exit_code == 1
    assert said in ended.stderr
    assert not Path("ads.py").exists()


def test_cells_that_lead_to_a_person_are_not_shown(housing: Housing, tmp_path: Path) -> None:
    ads, declared = tmp_path / "ads.csv", tmp_path / "ads.py"
    ads.write_text(ADS.replace(",note", ",owner"), encoding="utf-8")
    housing("market", "draft", str(ads), "--out", str(declared))
    ads.write_text(ads.read_text(encoding="utf-8") + f"1,a,50,{'Jane Doe ' * 200}\n", encoding="utf-8")

    shown = housing("market", "check", str(declared), str(ads)).stdout

    assert "a cell that is not shown" in shown
    assert "Jane" not in shown


@pytest.mark.parametrize("cell", ["[sold]", "[/sold]"])
def test_brackets_in_a_cell_are_shown_as_they_are(housing: Housing, tmp_path: Path, cell: str) -> None:
    ads, declared = tmp_path / "ads.csv", tmp_path / "ads.py"
    ads.write_text(ADS, encoding="utf-8")
    housing("market", "draft", str(ads), "--out", str(declared))
    ads.write_text(f"{ADS}{cell},a,50,\n", encoding="utf-8")

    checked = housing("market", "check", str(declared), str(ads))

    assert checked.exit_code == 0
    assert f"'{cell}'" in checked.stdout


def test_a_source_without_a_declared_column_is_refused_in_a_line(housing: Housing, tmp_path: Path) -> None:
    ads = tmp_path / "ads.csv"
    ads.write_text(ADS, encoding="utf-8")

    ended = housing("market", "check", "istanbul", str(ads))

    assert ended.exit_code == 1
    assert "columns missing: district, address" in ended.stderr
