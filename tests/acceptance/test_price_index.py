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


def test_fourteen_springs_are_foreseen_better_than_by_no_change() -> None:
    """Of December, October is published; asked is how the mean level of January to May compares with December's."""
    path = load_market("king_county").published_index
    assert path is not None
    published, ahead = read_published(path), 7
    errors, changes = [], []
    for year in range(2000, 2014):
        known = published.known_in(month_number(f"{year}-12"))
        assert known is not None
        exact = 1e-8 * np.eye(len(known.months))
        foreseen = extrapolate(known.months, known.logs, exact, ahead)[0][-ahead:]
        last = known.months[-1]
        came = published.logs[(published.months > last) & (published.months <= last + ahead)]
        spring = [float(course[2:].mean() - course[1]) for course in (foreseen, came)]
        errors.append(spring[0] - spring[1])
        changes.append(spring[1])
    print(
        f"foreseen with a bias of {np.mean(errors):+.3f} and off by {np.abs(errors).mean():.3f}, "
        f"no change with {-np.mean(changes):+.3f} and by {np.abs(changes).mean():.3f}"
    )
    assert np.abs(errors).mean() < 0.8 * np.abs(changes).mean()
    assert abs(np.mean(errors)) < 0.01
