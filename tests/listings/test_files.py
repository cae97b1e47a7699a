"""Files of listings, written and read back."""

from pathlib import Path

import pandas as pd
import pytest

from housing_assets.listings.files import write_listings

ADS = pd.DataFrame({"": [0, 1], "district": pd.Categorical(["şile", None]), "price": ["3,100,000TL", "150 m2"]})


@pytest.mark.parametrize("name", ["ads.csv", "ads.csv.gz", "ads.parquet"])
def test_written_ads_read_back_the_same(tmp_path: Path, name: str) -> None:
    write_listings(ADS, tmp_path / name)
    if name.endswith("parquet"):
        read = pd.read_parquet(tmp_path / name)
    else:
        read = pd.read_csv(tmp_path / name, dtype=str).rename(columns={"Unnamed: 0": ""})
    pd.testing.assert_frame_equal(read.astype(str), ADS.astype(str))


def test_the_same_ads_compress_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.csv.gz", "two.csv.gz"):
        write_listings(ADS, tmp_path / name)
    header = (tmp_path / "one.csv.gz").read_bytes()[4:8]
    assert header == bytes(4)  # the place of the time stamp


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a name ending in \.csv, \.csv\.gz or \.parquet"):
        write_listings(ADS, tmp_path / "ads.xlsx")
