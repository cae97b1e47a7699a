"""The ads, as scraped: 38 columns of raw texts with the dirt of the real thing.

Price-drop badges, typos, copies and unusable rows belong here. Reading the texts, the roles of the columns and the
verdict on a row belong elsewhere. Every stage draws from its own random streams, so that a shift changes what it names
and leaves the rest of the ads untouched.
"""

from datetime import date, timedelta

import numpy as np
import pandas as pd

from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample.city import the_city
from housing_assets.markets.istanbul_sample.details import home_columns, written
from housing_assets.markets.istanbul_sample.homes import Homes, draw_homes, rounded
from housing_assets.markets.istanbul_sample.shift import Shift
from housing_assets.markets.istanbul_sample.streams import Streams

# fmt: off
# Share of the ads that leave a column empty; those of the balconies on top of homes without one.
_MISSING = {
    "EligibilityForInvestment": .25, "BuildStatus": .54, "TitleStatus": .71, "ItemStatus": .42, "NumberOfWCs": .62,
    "StructureType": .586, "MortgageStatus": .71, "Swap": .21, "Balcony": .58, "RentalIncome": .75,
    "HallSquareMeters": .88, "WCSquareMeters": .88, "IsItVideoNavigable?": .79, "Subscription": .82,
    "BathroomSquareMeters": .88, "NumberOfBalconies": .3, "BalconyType": .3, "BalconySquareMeters": .79,
}
# Advertised as usual, or useless: together about one in a hundred.
_FAULTS = {"no price": .003, "euro": .001, "dollar": .001, "free": .001, "no area": .0015, "negative area": .0005,
           "absurd area": .0005, "no district": .0015, "none": .99}
# People round: up to so many TRY to one of these steps, the finest the rarest.
_PRICE_STEPS = ((400_000, (1_000, 5_000, 5_000, 10_000)), (5_000_000, (1_000, 5_000, 10_000, 50_000)),
                (np.inf, (10_000, 50_000, 100_000, 500_000)))
_STEP_SHARES = (.04, .2, .28, .48)
_MONTHS = ("Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim", "Kasım",
           "Aralık")
# fmt: on

_BADGE_SHARE, _DEEPEST_DROP = 0.10, 40  # ads with a price-drop badge; the most a badge boasts of, in %
_COPY_SHARE, _REPOST_SHARE = 0.03, 0.015  # exact double ads; the same home advertised anew, repriced and redated
_REPRICING = 0.06  # spread of the log price between two ads of one home
_LIRA_PER = np.array([1, 15.4, 14.0])  # lira, euro, dollar: exchange rates of early 2022
_AD_AGE = 28  # mean days an ordinary ad has stood
_SLOWNESS = {"slow": (0.15, 5), "stale": (0.004, 10)}  # share of the ads that stand so many times as long
_TOUCHED_SHARE = 0.55  # ads updated after the day they appeared
_OLDEST_AD = 6_000  # days: the long tail ends 16 years back

_ORDINARY = Shift()


def synthetic_listings(
    rows: int, *, seed: int = 0, shift: Shift = _ORDINARY, as_of: date = date(2022, 3, 4)
) -> pd.DataFrame:
    """Invent raw ads, the same for the same arguments.

    Parameters
    ----------
    rows : int
        Number of ads, 0 or more, copies and unusable ones included.
    seed : int
        0 or more; another seed gives other ads of the same city.
    shift : Shift
        How the ads differ from the ordinary ones.
    as_of : date
        Day of the scrape: no ad is newer, most are younger than two months. Changes the two date columns alone.

    Returns
    -------
    DataFrame of shape (rows, 38)
        The raw columns in the order of the scraped file. The first, with the empty header, is the row number
        (int64, 0 to rows - 1); all others are categories of str, missing values NaN.

    Raises
    ------
    ValueError
        If `rows` or `seed` is negative.

    Examples
    --------
    >>> synthetic_listings(1000, shift=Shift(only_district="kadikoy"))["district"].cat.categories.tolist()
    ['kadikoy']
    """
    for name, number in (("rows", rows), ("seed", seed)):
        if number < 0:
            raise ValueError(f"{name} is {number}: expected 0 or more")
    streams = Streams(rows, seed)
    homes = draw_homes(streams, shift)
    fault = np.array([*_FAULTS])[streams.pick("fault", [*_FAULTS.values()])]
    columns = home_columns(streams, shift, homes, fault)
    _leave_empty(streams, columns, fault)

    home = streams.repeat("repost", _REPOST_SHARE)
    ads = pd.DataFrame(columns).iloc[home].reset_index(drop=True)
    ads["price"] = _price_column(streams, shift, homes, home, fault)
    ads["AdCreationDate"], ads["AdUpdateDate"] = _date_columns(streams, as_of)
    for header, share in shift.missing.items():
        ads[header] = ads[header].mask((streams.uniform(f"missing {header}") < share)[home])
    ads = ads.iloc[streams.repeat("copy", _COPY_SHARE)].reset_index(drop=True)
    texts = {
        column.raw: ads[column.raw].cat.remove_unused_categories() for column in MARKET.columns if column.raw in ads
    }
    return pd.DataFrame({"": np.arange(rows, dtype=np.int64)} | texts)


def _leave_empty(streams: Streams, columns: dict[str, pd.Series], fault: np.ndarray) -> None:
    """Blank what advertisers do not fill in, and the details of balconies that are not there."""
    for header, share in _MISSING.items():
        columns[header] = columns[header].mask(streams.empty(header, share))
    for header in ("NumberOfBalconies", "BalconyType", "BalconySquareMeters"):
        columns[header] = columns[header].where(columns["Balcony"] == "Var")
    columns["district"] = columns["district"].mask(fault == "no district")
    columns["GrossSquareMeters"] = columns["GrossSquareMeters"].mask(fault == "no area")


def _price_column(streams: Streams, shift: Shift, homes: Homes, home: np.ndarray, fault: np.ndarray) -> pd.Series:
    log_price = homes["log_worth"] + shift.concept_change * the_city().exchanged_levels()[homes["district"]]
    reposted = home != np.arange(streams.rows)
    repricing = reposted * _REPRICING * streams.normal("repricing")
    currency = np.select([fault == "euro", fault == "dollar"], [1, 2], 0)
    price = np.exp(log_price[home] + np.log1p(shift.price_inflation) + repricing) / _LIRA_PER[currency]
    steps = np.array([steps for _, steps in _PRICE_STEPS])
    band = np.searchsorted([limit for limit, _ in _PRICE_STEPS], price)
    amount = rounded(price, steps[band, streams.pick("price step", _STEP_SHARES)]).clip(1_000)
    drop = rounded(_DEEPEST_DROP * streams.uniform("drop") ** 2).clip(1)

    def text(amount: int, currency: int, drop: int) -> str:
        price = (f"{amount:,}TL", f"{amount:,}EUR", f"${amount:,}")[currency]
        return f"{price}arrow_downward%{drop}" if drop else price

    amount = np.where(fault == "free", 0, amount * shift.far)
    drop = np.where(streams.uniform("badge") < _BADGE_SHARE, drop, 0)
    return written(text, amount, currency, drop).mask(fault == "no price")


def _date_columns(streams: Streams, as_of: date) -> tuple[pd.Series, pd.Series]:
    days = -_AD_AGE * np.log1p(-streams.uniform("ad age"))
    for name, (share, factor) in _SLOWNESS.items():
        days *= np.where(streams.uniform(name) < share, factor, 1)
    created = np.minimum(days.astype(np.int64), _OLDEST_AD)
    touched = streams.uniform("touched") < _TOUCHED_SHARE
    updated = np.where(touched, (created * streams.uniform("updated")).astype(np.int64), created)

    def text(days_ago: int) -> str:
        day = as_of - timedelta(days=days_ago)
        return f"{day.day:02d} {_MONTHS[day.month - 1]} {day.year}"

    return written(text, created), written(text, updated)
