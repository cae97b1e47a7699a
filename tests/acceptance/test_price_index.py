"""The price index on real sales and a published index: what it carries on is what the later months turn out to be."""

from pathlib import Path

import numpy as np
import pytest

from housing_assets.features.crossing import cross_frame
from housing_assets.features.index_trend import extrapolate
from housing_assets.features.price_index_learning import learn_price_index, read_published
from housing_assets.inference.price_index import month_name, month_number
from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import read_listings
from housing_assets.market_loading import load_market

pytestmark = pytest.mark.acceptance


@pytest.mark.real_data
def test_six_months_of_king_county_carried_on_are_the_next_two(real_data_folder: Path) -> None:
    file = real_data_folder / "king_county_2014.csv.gz"
    if not file.is_file():
        pytest.skip(f"no sales of King County: {file} is no file")
    market = load_market("king_county")
    sales = cross_frame(market, clean(market, read_listings(market, str(file)).frame).listings)
    known = learn_price_index(market, sales[sales["sold_on"] < "2014-11-01"]).index
    later = learn_price_index(market, sales).index
    assert (month_name(known.base_month), month_name(later.base_month)) == ("2014-10", "2014-12")
    ahead = np.array([month_number("2014-11"), month_number("2014-12")])
    missed = known.level(ahead) - (later.level(ahead) - later.level(known.base_month))
    assert np.abs(missed).max() < 0.01
    assert later.errors[: later.n_known].max() < 0.01


def test_fourteen_springs_are_foreseen_without_bias_from_what_was_published_by_december() -> None:
    """Of December, October is published; asked is how the mean level of January to May compares with December's."""
    path = load_market("king_county").published_index
    assert path is not None
    published = read_published(path)
    errors, changes = [], []
    for year in range(2000, 2014):
        october = month_number(f"{year}-10")
        known, ahead = published.months <= october, 7
        exact = 1e-8 * np.eye(np.count_nonzero(known))
        foreseen = extrapolate(published.months[known], published.logs[known], exact, ahead)[0][-ahead:]
        came = published.logs[(published.months > october) & (published.months <= october + ahead)]
        spring = [float(course[2:].mean() - course[1]) for course in (foreseen, came)]
        errors.append(spring[0] - spring[1])
        changes.append(spring[1])
    print(f"bias {np.mean(errors):+.3f}, off by {np.abs(errors).mean():.3f}, no change by {np.abs(changes).mean():.3f}")
    assert abs(np.mean(errors)) < 0.01
    assert np.abs(errors).mean() < 0.8 * np.abs(changes).mean()
