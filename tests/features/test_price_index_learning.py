"""The price index is found again in listings that were made by one, and goes on from there as far as it is known."""

from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.features.assets import price_index
from housing_assets.features.clock import market_clock
from housing_assets.features.index_report import (
    MONTH_ROWS,
    changes,
    implausible_steps,
    index_picture,
    last_month_unknown,
    thin_months,
)
from housing_assets.features.index_trend import extrapolate
from housing_assets.features.price_index_learning import (
    LearnedIndex,
    PublishedIndex,
    learn_again,
    learn_price_index,
    read_published,
)
from housing_assets.features.split import HELD_OUT, band_edges
from housing_assets.inference.declaration import PriceBands
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import AHEAD, PriceIndex, month_name, month_number
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from resources.compute.resource import Compute
from resources.external_index import ExternalIndex
from tests.conftest import crossed_listings
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales

JANUARY = month_number("2014-01")
TRUE_LOGS = np.array([0, 0.01, 0.03, 0.06, 0.08, 0.09, 0.09, 0.08, 0.08, 0.09, 0.11, 0.12])
"""Of the months of 2014."""


def crossed_of(market: Market, n_rows: int) -> pd.DataFrame:
    return crossed_listings(market, RawListings.of_sample(market, drawn_sales(market, n_rows, seed=7)).frame)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    """Give sales of 2014 whose prices follow the true index."""
    crossed = crossed_of(PARCELS, 2_400)
    months = crossed["sold_on"].dt.month.to_numpy() - 1
    return crossed.assign(price=crossed["price"] * np.exp(TRUE_LOGS[months]))


def learn(rows: pd.DataFrame, market: Market = PARCELS) -> PriceIndex:
    return learn_price_index(market, rows).index


# -- from listings -----------------------------------------------------------------------------------------------------


def test_the_index_that_prices_were_made_by_is_found_within_its_errors(sales: pd.DataFrame) -> None:
    index = learn(sales)
    assert (index.clock, index.source, index.first_month, index.n_known) == ("sold_on", "listings", JANUARY, 12)
    assert len(index.logs) == 12 + AHEAD
    deviations = (index.logs[:11] - (TRUE_LOGS - TRUE_LOGS[-1])[:11]) / index.errors[:11]
    assert np.abs(deviations).max() < 4
    assert index.errors[:11].max() < 0.02
    assert np.array_equal(index.rows, sales["sold_on"].dt.month.value_counts().sort_index())


def test_medians_of_prices_would_not_have_found_it(sales: pd.DataFrame) -> None:
    """The mix of homes moves more than prices do: what the regression is for."""
    medians = np.log(sales.groupby(sales["sold_on"].dt.month)["price"].median().to_numpy())
    index, truth = learn(sales), TRUE_LOGS - TRUE_LOGS[-1]
    assert np.abs(medians - medians[-1] - truth).mean() > 3 * np.abs(index.logs[:12] - truth).mean()


def test_prices_that_were_mistyped_move_no_month_by_a_percent(sales: pd.DataFrame) -> None:
    prices = sales["price"].to_numpy(copy=True)
    of_june = np.flatnonzero(sales["sold_on"].dt.month == 6)[::20]
    prices[of_june] *= 10
    moved = learn(sales.assign(price=prices)).logs[:12] - learn(sales).logs[:12]
    assert len(of_june) >= 10
    assert np.abs(moved).max() < 0.01


def test_a_thin_month_is_drawn_to_those_beside_it_and_says_so(sales: pd.DataFrame) -> None:
    of_august = np.flatnonzero(sales["sold_on"].dt.month == 8)
    thinned = sales.drop(index=sales.index[of_august[3:]])
    index = learn(thinned)
    assert index.rows[7] == 3
    assert index.errors[7] > 1.3 * index.errors[6]
    assert index.logs[7] == pytest.approx(TRUE_LOGS[7] - TRUE_LOGS[-1], abs=0.03)
    learned = learn_price_index(PARCELS, thinned)
    assert thin_months(learned) == ["2014-08 has 3"]
    assert thin_months(learn_price_index(PARCELS, sales)) == []


def test_one_date_that_was_mistyped_is_no_last_month(sales: pd.DataFrame) -> None:
    dates = sales["sold_on"].to_numpy(copy=True)
    dates[0] = np.datetime64("2041-01-01")
    assert month_name(learn(sales.assign(sold_on=dates)).base_month) == "2014-12"


def test_stand_ins_for_prices_teach_nothing(sales: pd.DataFrame) -> None:
    amounts = np.arange(len(sales)) % 2 == 0
    half = learn_price_index(PARCELS, sales, amounts=amounts).index
    spoilt = sales.assign(price=np.where(amounts, sales["price"], 1.0))
    assert learn_price_index(PARCELS, spoilt, amounts=amounts).index.to_dict() == half.to_dict()
    assert half.to_dict() == learn(sales[amounts]).to_dict()


def test_the_same_listings_give_the_same_index(sales: pd.DataFrame) -> None:
    assert learn(sales).to_dict() == learn(sales.copy()).to_dict()


def test_markets_without_prices_or_dates_have_none(sales: pd.DataFrame) -> None:
    assert not learn(crossed_of(THREE_GRADES, 200), THREE_GRADES).exists
    undated = learn_price_index(PARCELS, sales.assign(sold_on=np.datetime64("NaT", "s")))
    assert not undated.index.exists
    assert (thin_months(undated), last_month_unknown(undated), implausible_steps(undated)) == ([], [], [])
    assert changes(undated.index) == {}


def test_of_several_dates_the_one_that_most_listings_have_counts() -> None:
    dates = {"updated_on": [None, None, "2022-02-01"], "created_on": ["2022-01-01", "2022-01-01", None]}
    listings = pd.DataFrame({name: pd.to_datetime(pd.Series(found)) for name, found in dates.items()})
    assert market_clock(MARKET, listings) == "created_on"
    assert market_clock(MARKET, listings.fillna(pd.Timestamp("2022-01-01"))) == "updated_on"
    assert market_clock(MARKET, listings.assign(updated_on=None, created_on=None)) == ""


# -- beyond the last month ---------------------------------------------------------------------------------------------


def course(logs: np.ndarray, error: float = 0.003) -> tuple[np.ndarray, np.ndarray]:
    """Return levels and errors beyond the last of some months."""
    months = JANUARY + np.arange(len(logs))
    levels, errors = extrapolate(months, logs, error**2 * np.eye(len(logs)), AHEAD)
    return levels[len(logs) :], errors[len(logs) :]


def test_a_flat_market_stays_flat_and_is_less_sure_with_every_month() -> None:
    levels, errors = course(np.zeros(8))
    assert np.abs(levels).max() < 1e-6
    assert (np.diff(errors[:11]) > 0).all()
    assert errors[0] > 0.015  # eight months do not tell a season, which the next may bring


def test_a_rise_goes_on_and_fades() -> None:
    steps = np.diff(course(0.01 * np.arange(8))[0])
    assert 0.002 < steps[0] < 0.01
    assert (np.diff(steps) < 0).all()


def test_noise_is_no_trend() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 8)
    assert abs(course(noise, error=0.02)[0][5]) < 0.02


def test_ten_years_foresee_the_spring() -> None:
    months = np.arange(120)
    season = 0.03 * np.cos(2 * np.pi * (months % 12 - 6) / 12)  # January is lowest, July highest
    logs = 0.004 * months + season + np.random.default_rng(1).normal(0, 0.002, 120)
    levels, errors = course(logs)  # from January on, after a December
    expected = 0.004 * np.arange(1, 8) + 0.03 * np.cos(2 * np.pi * (np.arange(7) - 6) / 12) - season[-1]
    assert levels[:7] == pytest.approx(expected, abs=0.01)
    assert errors[0] < 0.01


def test_errors_hold_what_they_promise() -> None:
    """Nine in ten of the courses that the process draws lie within 1.64 of its errors, six months ahead."""
    rng, within = np.random.default_rng(2), []
    for _ in range(40):
        slopes = [rng.normal(0, 0.003)]
        for _ in range(41):
            slopes.append(0.9 * slopes[-1] + rng.normal(0, 0.003 * np.sqrt(1 - 0.81)))
        logs = np.cumsum(slopes) + np.cumsum(rng.normal(0, 0.004, 42))
        levels, errors = course(logs[:36] + rng.normal(0, 0.003, 36))
        within.append(abs(levels[5] - (logs[41] - logs[35])) < 1.64 * errors[5])
    assert np.mean(within) >= 0.75


# -- with a published index --------------------------------------------------------------------------------------------


def published(last: str = "2014-10") -> PublishedIndex:
    """Return ten years that each went as 2014 did, but for what nobody foresees, in another unit."""
    months = np.arange(month_number(last) - 119, month_number(last) + 1)
    years, of_year = np.divmod(months - JANUARY, 12)
    unforeseen = np.cumsum(np.random.default_rng(3).normal(0, 0.002, len(months)))
    return PublishedIndex(months, np.log(170) + TRUE_LOGS[of_year] + 0.125 * years + unforeseen)


def test_a_published_index_replaces_the_learned_one(sales: pd.DataFrame) -> None:
    learned = learn_price_index(PARCELS, sales, published=published(), replace=True)
    index = learned.index
    assert (index.source, month_name(index.base_month), learned.effects) == ("external", "2014-10", None)
    assert index.logs[: index.n_known] == pytest.approx(published().logs - published().logs[-1])
    assert last_month_unknown(learned) == []
    late = learn_price_index(PARCELS, sales, published=published(last="2014-06"), replace=True)
    assert last_month_unknown(late) == ["the index ends in 2014-06, listings in 2014-12"]


def test_a_published_index_completes_the_learned_one(sales: pd.DataFrame) -> None:
    alone, both = learn(sales), learn_price_index(PARCELS, sales, published=published()).index
    assert (both.source, month_name(both.base_month)) == ("both", "2014-12")
    this_year = np.arange(JANUARY, JANUARY + 12)
    missed, missed_alone = (np.abs(one.level(this_year) - TRUE_LOGS + TRUE_LOGS[-1]).mean() for one in (both, alone))
    assert missed < missed_alone
    assert both.level(JANUARY - 60) - both.level(JANUARY - 48) == pytest.approx(-0.125, abs=0.02)
    june = JANUARY + 17
    expected = TRUE_LOGS[5] + 0.125 - TRUE_LOGS[-1]
    assert abs(both.level(june) - expected) < 0.03 < abs(alone.level(june) - expected)
    assert both.errors[june - both.first_month] < alone.errors[june - alone.first_month]


def test_an_external_index_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "index.csv"
    file.write_text("index,month,note\n110.5,2014-02,x\n100,2014-01-31,\n121,2014-07,\n", encoding="utf-8")
    found = read_published(file)
    assert found.months.tolist() == [JANUARY, JANUARY + 1, JANUARY + 6]
    assert np.exp(found.logs) == pytest.approx([100, 110.5, 121])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("month,level\n2014-01,100\n", "has no column index"),
        ("month,index\n", "has no months"),
        ("month,index\n2014-01,100\nsoon,101\n", "line 3: 'soon' is no month"),
        ("month,index\n2014-01,many\n", "line 2: could not convert"),
        ("month,index\n2014-01\n", "line 2: could not convert"),
        ("month,index\n2014-01,-3\n", "line 2: the index is -3"),
        ("month,index\n2014-01,nan\n", "line 2: the index is nan"),
        ("month,index\n2014-01,1\n2014-01-05,2\n", "line 3: 2014-01 is there twice"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "index.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=fault):
        read_published(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere\.csv cannot be read"):
        read_published(tmp_path / "nowhere.csv")


# -- checks and the asset ----------------------------------------------------------------------------------------------


def of_logs(*logs: float, errors: float = 0.01, rows: int = 100) -> LearnedIndex:
    n_known = len(logs)
    course_of = np.concatenate([np.array(logs) - logs[-1], np.zeros(AHEAD)])
    sure = np.full(len(course_of), errors)
    index = PriceIndex("sold_on", "listings", JANUARY, n_known, course_of, sure, np.full(n_known, rows))
    return LearnedIndex(index, JANUARY + n_known - 1, None)


def test_a_step_that_no_market_makes_is_told() -> None:
    assert implausible_steps(of_logs(0, 0.1, 0.2)) == []
    assert implausible_steps(of_logs(0, 0.0, np.log(3.281))) == ["2014-03: +228%"]
    assert implausible_steps(of_logs(0, -0.5)) == ["2014-02: -39%"]


def test_a_last_month_that_is_not_known_is_told() -> None:
    assert last_month_unknown(of_logs(0, 0)) == []
    assert last_month_unknown(of_logs(0, 0, errors=0.05)) == ["the step to 2014-02 has a standard error of 5.0%"]
    assert last_month_unknown(of_logs(0)) == ["2014-01 is the only month"]


def test_months_with_too_few_listings_are_told() -> None:
    assert thin_months(of_logs(0, 0, rows=MONTH_ROWS)) == []
    assert thin_months(of_logs(0, 0, rows=MONTH_ROWS - 1)) == ["2014-01 has 19", "2014-02 has 19"]
    assert len(thin_months(of_logs(*np.zeros(30), rows=1))) == 6


@pytest.mark.pictures
def test_the_course_is_drawn(sales: pd.DataFrame) -> None:
    drawn = index_picture(learn(sales))
    assert drawn.startswith(b"\x89PNG")
    assert drawn != index_picture(of_logs(0, 0.1, 0.2).index)
    assert index_picture(PriceIndex.none()).startswith(b"\x89PNG")


def quantiles_of(crossed: pd.DataFrame, market: Market) -> tuple[float, ...]:
    target = market.target
    return band_edges(target, crossed["price"].to_numpy()) if isinstance(target, PriceBands) else ()


def materialized(
    crossed: pd.DataFrame, market: Market, location: str = "", edges: tuple[float, ...] | None = None
) -> dg.ExecuteInProcessResult:
    edges = quantiles_of(crossed, market) if edges is None else edges
    labels = LabelScheme("x", market.categories, edges, market.currency, 0)

    @dg.asset(name="crossed_features")
    def upstream() -> pd.DataFrame:
        return crossed

    @dg.asset
    def price_bands() -> LabelScheme:
        return labels

    return dg.materialize(
        [upstream, price_bands, price_index],
        resources={
            "market": market,
            "compute": Compute(),
            "external_index": ExternalIndex(location=location),
            "io_manager": dg.mem_io_manager,
        },
    )


def test_only_training_rows_teach_the_index(sales: pd.DataFrame) -> None:
    kept_out = sales[HELD_OUT].to_numpy()
    spoilt = sales.assign(price=np.where(kept_out, sales["price"] * 3, sales["price"]))
    ended = materialized(spoilt, PARCELS)
    index = ended.output_for_node("price_index")
    assert index.to_dict() == learn(sales[~kept_out]).to_dict()
    checks = {one.check_name: one.passed for one in ended.get_asset_check_evaluations()}
    assert checks == {
        "enough_listings_each_month": True,
        "last_month_known": True,
        "no_implausible_jump": True,
        "bands_fit_the_market": True,
    }


def test_bands_that_the_market_has_outgrown_are_told_and_new_ones_mend_it(sales: pd.DataFrame) -> None:
    training = sales[~sales[HELD_OUT]]
    new = quantiles_of(training, PARCELS)

    def judged(edges: tuple[float, ...]) -> dg.AssetCheckEvaluation:
        ended = materialized(sales, PARCELS, edges=edges)
        (told,) = [one for one in ended.get_asset_check_evaluations() if one.check_name == "bands_fit_the_market"]
        return told

    outgrown = judged(tuple(edge / 1.5 for edge in new))
    assert (outgrown.passed, outgrown.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "at the prices of 2014-12, listings are" in str(outgrown.description)
    assert "% by new bands)" in str(outgrown.description)
    assert str(outgrown.description).endswith("by materializing price_bands with reband: true in its config")
    assert judged(new).passed


def test_other_listings_teach_an_index_of_their_own_but_for_one_that_was_published(sales: pd.DataFrame) -> None:
    half = sales[np.arange(len(sales)) % 2 == 0]
    assert learn_again(learn(sales), PARCELS, half).to_dict() == learn(half).to_dict()
    with_both = learn_price_index(PARCELS, sales, published=published()).index
    of_half = learn_price_index(PARCELS, half, published=published()).index
    assert learn_again(with_both, PARCELS, half, published()).to_dict() == of_half.to_dict()
    assert of_half.to_dict() != learn(half).to_dict()
    with pytest.raises(ValueError, match="materialize it again"):
        learn_again(with_both, PARCELS, half)
    external = learn_price_index(PARCELS, sales, published=published(), replace=True).index
    assert learn_again(external, PARCELS, half) is external
    assert not learn_again(PriceIndex.none(), PARCELS, half).exists


def test_of_a_published_index_only_what_was_published_by_then_is_known() -> None:
    whole = published()
    known = whole.known_in(JANUARY + 5)
    assert known is not None
    assert (month_name(int(known.months[-1])), len(known.logs)) == ("2014-04", len(known.months))
    assert whole.known_in(whole.months[0]) is None


def test_the_asset_leaves_out_what_the_market_says_is_no_amount() -> None:
    raw = RawListings.of_sample(MARKET, synthetic_listings(800, seed=3)).frame
    crossed = crossed_listings(MARKET, raw)
    exact = np.arange(len(crossed)) % 3 > 0
    spoilt = crossed.assign(price_is_exact=exact.astype(float), price=np.where(exact, crossed["price"], 1_000.0))
    index = materialized(spoilt, MARKET).output_for_node("price_index")
    assert index.to_dict() == learn(crossed[exact & ~crossed[HELD_OUT]], MARKET).to_dict()


def test_the_asset_tells_of_months_that_are_too_thin_and_of_jumps(sales: pd.DataFrame) -> None:
    december = sales["sold_on"].dt.month == 12
    kept = ~december | (december.cumsum() <= 15)
    prices = np.where(december, sales["price"] * 3.281, sales["price"])
    ended = materialized(sales.assign(price=prices)[kept], PARCELS)
    told = {one.check_name: (one.passed, one.description) for one in ended.get_asset_check_evaluations()}
    assert told["enough_listings_each_month"][0] is False
    assert "2014-12 has" in str(told["enough_listings_each_month"][1])
    assert told["no_implausible_jump"][0] is False
    assert "2014-12: +" in str(told["no_implausible_jump"][1])


def test_the_asset_of_a_market_of_classes_says_that_there_is_none() -> None:
    ended = materialized(crossed_of(THREE_GRADES, 200), THREE_GRADES)
    assert not ended.output_for_node("price_index").exists
    assert all(one.passed for one in ended.get_asset_check_evaluations())


def test_the_asset_takes_an_external_index(sales: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "index.csv"
    lines = [
        f"{month_name(month)},{level}"
        for month, level in zip(published().months, np.exp(published().logs), strict=True)
    ]
    file.write_text("\n".join(["month,index", *lines]), encoding="utf-8")
    assert materialized(sales, PARCELS, str(file)).output_for_node("price_index").source == "both"
    with pytest.raises(dg.Failure, match="HOUSING_PRICE_INDEX"):
        materialized(sales, PARCELS, str(tmp_path / "nowhere.csv"))
