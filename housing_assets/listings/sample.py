"""The bundled generator of SYNTHETIC real-estate ads: nothing in it is a real ad.

Here belongs all that makes up an invented city and its ads, exactly as they would be scraped: 38 columns of raw texts
with the dirt of the real thing (price-drop badges, typos, copies, unusable rows), and the knobs that shift them for
drills. District names are facts, price levels rough; neighbourhoods, homes and prices are made up. Reading the texts,
the roles of the columns and the verdict on a row belong elsewhere.

The city is the same for every seed: a seed draws other ads, not other neighbourhoods or price levels. Every stage
draws from its own random stream, so that a knob changes what it names and leaves the rest of the ads untouched.
"""

from __future__ import annotations

import argparse
import functools
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Columns = dict[str, pd.Categorical]

# fmt: off
# The layout of the scraped file; its first header, of the row number, is empty.
_HEADERS = (
    "", "district", "price", "address", "AdUpdateDate", "Category", "GrossSquareMeters", "BuildingAge",
    "NumberFloorsofBuilding", "UsingStatus", "EligibilityForInvestment", "BuildStatus", "TitleStatus", "ItemStatus",
    "NumberOfBathrooms", "NumberOfWCs", "AdCreationDate", "Type", "NetSquareMeters", "NumberOfRooms", "FloorLocation",
    "HeatingType", "CreditEligibility", "InsideTheSite", "StructureType", "MortgageStatus", "Swap", "Balcony",
    "PriceStatus", "RentalIncome", "NumberOfBalconies", "BalconyType", "HallSquareMeters", "WCSquareMeters",
    "IsItVideoNavigable?", "Subscription", "BathroomSquareMeters", "BalconySquareMeters",
)
# District as written in its column: (Turkish spelling, TRY per net m2 in early 2022, share of the ads in %).
DISTRICTS: Mapping[str, tuple[str, int, float]] = {
    "adalar": ("Adalar", 16_000, .2), "arnavutkoy": ("Arnavutköy", 6_300, 1.1), "atasehir": ("Ataşehir", 14_000, 1.6),
    "avcilar": ("Avcılar", 8_000, 3.6), "bagcilar": ("Bağcılar", 11_500, 2.0), "bakirkoy": ("Bakırköy", 28_000, 2.7),
    "bahcelievler": ("Bahçelievler", 10_000, 5.4), "basaksehir": ("Başakşehir", 15_500, 2.7),
    "bayrampasa": ("Bayrampaşa", 10_200, .8), "besiktas": ("Beşiktaş", 35_000, 2.7), "beykoz": ("Beykoz", 16_500, .7),
    "beylikduzu": ("Beylikdüzü", 9_300, 3.6), "beyoglu": ("Beyoğlu", 14_500, 1.0), "catalca": ("Çatalca", 7_800, .4),
    "buyukcekmece": ("Büyükçekmece", 10_800, 3.0), "cekmekoy": ("Çekmeköy", 10_500, 3.7),
    "esenler": ("Esenler", 8_800, 1.1), "esenyurt": ("Esenyurt", 5_600, 5.6), "fatih": ("Fatih", 11_000, 2.0),
    "eyupsultan": ("Eyüpsultan", 11_300, 2.5), "gaziosmanpasa": ("Gaziosmanpaşa", 9_000, 2.8),
    "gungoren": ("Güngören", 9_600, .9), "kadikoy": ("Kadıköy", 38_000, 5.7), "kagithane": ("Kağıthane", 15_000, 3.0),
    "kartal": ("Kartal", 13_300, 2.5), "kucukcekmece": ("Küçükçekmece", 10_300, 5.2), "pendik": ("Pendik", 10_100, 2.7),
    "maltepe": ("Maltepe", 18_500, 4.7), "sancaktepe": ("Sancaktepe", 8_700, 3.6), "sariyer": ("Sarıyer", 44_000, 5.6),
    "silivri": ("Silivri", 8_500, 1.4), "sultanbeyli": ("Sultanbeyli", 8_200, 1.3), "sile": ("Şile", 12_500, .5),
    "sultangazi": ("Sultangazi", 7_000, 4.0), "sisli": ("Şişli", 21_000, 2.4), "tuzla": ("Tuzla", 13_000, 1.5),
    "umraniye": ("Ümraniye", 12_200, 2.8), "uskudar": ("Üsküdar", 19_000, 2.5),
    "zeytinburnu": ("Zeytinburnu", 24_000, .8),
}
# Invented districts, kept for `Shift.new_district_share`; the share is that among themselves.
_NEW_DISTRICTS: Mapping[str, tuple[str, int, float]] = {
    "alvinsu": ("Alvinsu", 12_000, 1), "korudere": ("Korudere", 21_000, 1), "tumsahil": ("Tümşahil", 8_000, 1),
}
# Parts of the invented neighbourhood names; the second list is kept for `Shift.new_address_share`.
_STEMS = ("Alvar", "Bersun", "Cendel", "Çalmır", "Darşen", "Elmiz", "Fersa", "Göniz", "Hısra", "İlbör", "Karzun",
          "Lemsi", "Mürdan", "Nevsa", "Orbel", "Pelgin", "Runa", "Sünbe", "Şermi", "Tolvan", "Uzmer", "Ünsel", "Vardın")
_NEW_STEMS = ("Abgün", "Erbüz", "Jalen", "Kınvar", "Zömre")
_ENDINGS = ("bağ", "bahçe", "çınar", "dere", "kaya", "konak", "kuyu", "pınar", "tepe", "yalı", "yurt")
# What a kind of home looks like: the columns of the weights below.
_FLAT, _TOWER, _HOUSE, _BUILDING = range(4)
# Kind: (share of the ads in %, looks like, size and price per m2 against a flat with as many rooms).
KINDS: Mapping[str, tuple[float, int, float, float]] = {
    "Daire": (85.5, _FLAT, 1.0, 1.0), "Residence": (7.0, _TOWER, 1.0, 1.45), "Villa": (3.6, _HOUSE, 1.6, 1.15),
    "Bina": (2.0, _BUILDING, 1.0, .9), "Müstakil Ev": (1.3, _HOUSE, .9, .95), "Köşk": (.17, _HOUSE, 1.4, 1.5),
    "Yalı (Komple)": (.17, _HOUSE, 1.8, 3.5), "Çiftlik Evi": (.15, _HOUSE, 1.2, .8),
    "Yalı Dairesi": (.09, _FLAT, 1.6, 3.0), "Yazlık": (.05, _HOUSE, .7, .9), "Devremülk": (.02, _TOWER, .8, .5),
    "Dağ Evi": (.01, _HOUSE, .9, .7), "Köy Evi": (.01, _HOUSE, .8, .5), "Kooperatif": (.01, _FLAT, .9, .8),
    "Prefabrik": (.01, _HOUSE, .5, .4),
}
# NumberOfRooms: (rooms, typical gross m2, weight in flats, towers, houses, buildings).
_ROOMS: Mapping[str, tuple[float, ...]] = {
    "Stüdyo": (1, 45, .4, 12, 0, 0), "1 Oda": (1, 60, .2, 1, .3, 29), "1+1": (1, 68, 6.6, 15, 1, 2),
    "1.5+1": (1.5, 80, .15, .1, .1, 0), "2+1": (2, 98, 42, 25, 6, 16), "2+2": (2, 108, .8, .3, .5, .5),
    "2.5+1": (2.5, 118, .2, .2, .1, 0), "3+1": (3, 133, 29, 33, 12, 12), "3+2": (3, 150, 3, 1, 2, 1),
    "3.5+1": (3.5, 165, .3, .8, .5, 0), "4+1": (4, 185, 8.5, 6, 14, 4), "4+2": (4, 205, 3, 1, 4, 1),
    "4.5+1": (4.5, 210, .2, .3, .6, 0), "5 Oda": (5, 220, .05, .1, 1, 2), "5+1": (5, 245, 2.6, 2.5, 23, 3),
    "5+2": (5, 265, 1.2, .4, 4, 1), "6+1": (6, 300, .9, .9, 16, 4), "7+1": (7, 350, .2, .1, 8, 1),
    "8+ Oda": (8, 450, .2, .4, 11, 24),
}
# Spread of the log of the gross area around the typical one, by look.
_SIZE_SPREAD = np.array([.16, .24, .45, .9])
# BuildingAge: (years, price effect, weights by look).
_AGES: Mapping[str, tuple[float, ...]] = {
    "0 (Yeni)": (0, 1.12, 31, 27, 14, 8), "1": (1, 1.08, 3, 7, 2, 1), "2": (2, 1.07, 4, 4, 2, 1),
    "3": (3, 1.06, 5, 6, 3, 2), "4": (4, 1.05, 9, 11, 3, 1), "5-10": (7, 1.0, 19, 39, 17, 5),
    "11-15": (13, .94, 8, 4, 22, 16), "16-20": (18, .9, 3, 1, 8, 6), "21 Ve Üzeri": (30, .86, 18, 1, 29, 60),
}
# HeatingType: (price effect, weights by look).
_HEATING: Mapping[str, tuple[float, ...]] = {
    "Kombi Doğalgaz": (1.0, 75.5, 5, 75, 58), "Merkezi (Pay Ölçer)": (1.06, 14.7, 75, 2, .5),
    "Merkezi Doğalgaz": (1.06, 5.6, 11, 3, 4), "Yerden Isıtma": (1.2, 2, 5, 6, .2), "Isıtma Yok": (.8, .3, 1.5, 4, 30),
    "Doğalgaz Sobalı": (.82, 1, .1, 1.2, 3), "Sobalı": (.78, .3, 0, 6, 2.3), "Klimalı": (.9, .1, 1.5, 1, 1.3),
    "Kat Kaloriferi": (.97, .2, .3, 1.2, .3), "Kombi Fueloil": (.97, .06, 0, .1, 0),
    "Güneş Enerjisi": (.95, .02, 0, .4, 0), "Jeotermal": (1.0, .01, .1, .4, 0), "Merkezi Fueloil": (.98, .02, 0, .1, 0),
    "Kombi Katı Yakıt": (.92, .01, 0, .2, 0), "Isı Pompası": (1.05, .01, .05, .1, 0),
}
# FloorLocation without a number, and "" for those with one: (price effect, weights by look).
_FLOORS: Mapping[str, tuple[float, ...]] = {
    "": (1.0, 73, 94.5, 1, 19), "Düz Giriş": (.95, 3.8, .6, 58, 53), "Bahçe Katı": (.93, 8, 3.6, .5, 0),
    "Yüksek Giriş": (.96, 7.2, .4, .3, .8), "Çatı Dubleks": (.9, 3.4, .1, .1, .8), "Çatı Katı": (.92, 1.3, .5, .1, 0),
    "Bahçe Dublex": (.95, .6, .2, 2, .8), "Müstakil": (1.0, .3, 0, 18, 25), "Villa Tipi": (1.02, .3, 0, 19.5, .8),
    "Kot 1 (-1). Kat": (.86, .9, .1, .2, .2), "Kot 2 (-2). Kat": (.83, .45, 0, 0, .2),
    "Kot 3 (-3). Kat": (.8, .2, 0, 0, .4), "Tam Bodrum": (.75, .2, 0, 0, 0), "Yarı Bodrum": (.8, .15, 0, 0, 0),
    "Yüksek Bodrum": (.84, .13, 0, 0, 0),
}
# Storeys of the building by look: median, spread of the log, most.
_STOREYS = np.array([[5, .42, 30], [19, .4, 55], [2.3, .3, 4], [3.6, .35, 9]])
# Numbered storeys are written out up to this one; above, and now and then above the tenth, as a range.
_LAST_STOREY, _STOREY_RANGES, _VAGUE_STOREY_SHARE = 37, ("10-20. Kat", "20-30. Kat", "30-40. Kat", "40+. Kat"), .04
# Columns that hang on nothing else: the weights of their texts.
_PLAIN: Mapping[str, Mapping[str, float]] = {
    "Category": {"Satılık": 1}, "Type": {"Konut": 1},
    "UsingStatus": {"Boş": 55, "Mülk Sahibi Oturuyor": 27, "Kiracı Oturuyor": 18},
    "EligibilityForInvestment": {"Yatırıma Uygun": 52, "Bilinmiyor": 48},
    "TitleStatus": {"Kat Mülkiyeti": 66, "Kat İrtifakı": 29, "Yok": 5}, "ItemStatus": {"Boş": 87, "Eşyalı": 13},
    "CreditEligibility": {"Krediye Uygun": 82, "Bilinmiyor": 12, "Krediye Uygun Değil": 6},
    "StructureType": {"Betonarme": 98.1, "Ahşap": .6, "Kagir": .4, "Çelik": .4, "Taş Bina": .3, "Yığma": .2},
    "MortgageStatus": {"Yok": 93, "Var": 7}, "Swap": {"Yok": 78, "Var": 22}, "Balcony": {"Var": 92, "Yok": 8},
    "PriceStatus": {"Genel Fiyat": 98, "Birim Fiyat": 2}, "IsItVideoNavigable?": {"Hayır": 58, "Evet": 42},
    "BalconyType": {"Açık Balkon": 60, "Kapalı Balkon": 22, "Açık Teras": 14, "Fransız Balkon": 4},
}
# Rooms measured on their own: share of the net area, spread of its log.
_ROOM_AREAS = {"HallSquareMeters": (.24, .3), "WCSquareMeters": (.03, .4), "BathroomSquareMeters": (.05, .35),
               "BalconySquareMeters": (.06, .6)}
# Share of the ads that leave a column empty; those of the balconies on top of homes without one.
_MISSING = {
    "EligibilityForInvestment": .25, "BuildStatus": .54, "TitleStatus": .71, "ItemStatus": .42, "NumberOfWCs": .62,
    "StructureType": .586, "MortgageStatus": .71, "Swap": .21, "Balcony": .58, "RentalIncome": .75,
    "HallSquareMeters": .88, "WCSquareMeters": .88, "IsItVideoNavigable?": .79, "Subscription": .82,
    "BathroomSquareMeters": .88, "NumberOfBalconies": .3, "BalconyType": .3, "BalconySquareMeters": .79,
}
# What makes an ad useless, by share of the ads: together about one in a hundred.
_FAULTS = {"no price": .003, "euro": .001, "dollar": .001, "free": .001, "no area": .0015, "negative area": .0005,
           "absurd area": .0005, "no district": .0015}
# People round: up to so many TRY to one of these steps, the finest the rarest.
_PRICE_STEPS = ((400_000, (1_000, 5_000, 5_000, 10_000)), (5_000_000, (1_000, 5_000, 10_000, 50_000)),
                (np.inf, (10_000, 50_000, 100_000, 500_000)))
_STEP_SHARES = (.04, .2, .28, .48)
_MONTHS = ("Ocak", "Şubat", "Mart", "Nisan", "Mayıs", "Haziran", "Temmuz", "Ağustos", "Eylül", "Ekim", "Kasım",
           "Aralık")
# fmt: on

_CITY_SEED = 34  # the one city all seeds share; 34 is the number plate of Istanbul
_NEIGHBOURHOODS = (15, 45)  # fewest and most in a district, as in most of Istanbul's
_NEW_NEIGHBOURHOODS = 10  # in every district, kept for `Shift.new_address_share`
_NEIGHBOURHOOD_SPREAD = 0.3  # of the log price around the district's level: about 5,000 to 60,000 TRY per m2 in all
_POPULARITY_SPREAD = 0.9  # of the log share of a neighbourhood: a few hold most ads, many a handful
_NOISE = 0.16  # of the log price: leaves a forest at about macro-F1 0.85 on three price classes, as real ads do
_SITE_SHARES = np.array([0.22, 0.85, 0.35, 0.02])  # in a gated estate, by look
_SITE_EFFECT = 1.07  # what the estate adds to the price
_STOREY_EFFECT = 0.004  # what a numbered storey adds to the log price: the view
_SIZE_EFFECT = -0.06  # elasticity of the price per m2: a large home is cheaper by the m2
_SMALLEST_HOME = 25  # gross m2
_WALLS = (0.04, 0.1, 0.5)  # share of the gross area that is not net: least, mean above it, most
_ROUND_AREA_SHARE = 0.75  # areas told in steps of 5 m2; the others to the m2
_MONTHS_OF_RENT = 270  # that buy a home, early 2022
_DUES = np.array([[60, 0.9], [600, 0.6], [250, 0.9], [60, 0.9]])  # TRY a month by look: median, spread of the log
_FREE_DUES_SHARE = 0.11  # of the ads that tell their dues
_DUES_OF_SITE = 0.3  # what the estate adds to the log of the dues
_RENT_SPREAD = 0.15  # of the log rent around a fair one
_AREA_PER_BATHROOM, _BATHROOM_SPREAD, _MOST_BATHROOMS = 95, 0.35, 6  # net m2 that call for another
_BALCONY_SHARES = (58, 30, 9, 3)  # homes with one to four or more, of those with any
_NO_BATHROOM_SHARE = 0.003  # ads that say the home has none
_NET_TYPO_SHARE = 0.002  # ads that say net 1 m2
_BADGE_SHARE, _DEEPEST_DROP = 0.10, 40  # ads with a price-drop badge; the most a badge boasts of, in %
_COPY_SHARE, _REPOST_SHARE = 0.03, 0.015  # exact double ads; the same home advertised anew, repriced and redated
_REPRICING = 0.06  # spread of the log price between two ads of one home
_LIRA_PER = {"euro": 15.4, "dollar": 14.0}  # exchange rates of early 2022
_ABSURD_AREA = 999_999  # m2, what a stuck key types
_FAR = 1_000  # factor that carries every number out of the ordinary range
_DILIGENCE = 0.6  # how often an advertiser who fills in one rare field fills in the next
_AD_AGE = 28  # mean days an ordinary ad has stood
_SLOWNESS = {"slow": (0.15, 5), "stale": (0.004, 10)}  # share of the ads that stand so many times as long
_TOUCHED_SHARE = 0.55  # ads updated after the day they appeared
_OLDEST_AD = 6_000  # days: the long tail ends 16 years back


def _require_range(knob: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{knob} is {value!r}: expected {low:g} to {high:g}")


def _require_known(knob: str, name: str, known: Iterable[str]) -> None:
    if name not in (names := list(known)):
        raise ValueError(f"{knob} names {name!r}: expected one of {', '.join(names)}")


def _require_suffix(path: str | Path) -> None:
    if not str(path).endswith((".csv", ".csv.gz", ".parquet")):
        raise ValueError(f"cannot write ads to {str(path)!r}: expected a name ending in .csv, .csv.gz or .parquet")


@dataclass(frozen=True)
class Shift:
    """How the ads differ from the ordinary ones; every default is neutral.

    Parameters
    ----------
    price_inflation : float
        Rise of all prices, -0.9 to 1000; 0.6 is +60 %.
    new_district_share : float
        Share of the rows, 0 to 1, in districts never generated otherwise.
    only_district : str or None
        All rows (but those in new districts) in this one of `DISTRICTS`.
    new_address_share : float
        Share of the rows, 0 to 1, in a known district and a neighbourhood never generated otherwise.
    missing : mapping of str to float
        Raw column to the share of its values, 0 to 1, that are blanked; the row number cannot be.
    gross_area_factor : float
        Factor, 0.001 to 1000, on the texts of GrossSquareMeters alone, as by an error of the unit.
    outside_range : bool
        Every number but the dates a thousand times too large; what has no number of its own (a studio, a garden floor,
        dues of 0) stays.
    concept_change : float
        0 to 1: how far the price levels of the districts are exchanged, dearest against cheapest. Changes prices alone.
    mix : mapping of str to float
        One of `KINDS` to the factor, 0 to 1e6, on its ordinary frequency; kinds not named keep theirs.

    Raises
    ------
    ValueError
        If a knob is out of its range, or names an unknown district, column or kind.
    """

    price_inflation: float = 0.0
    new_district_share: float = 0.0
    only_district: str | None = None
    new_address_share: float = 0.0
    missing: Mapping[str, float] = field(default_factory=dict)
    gross_area_factor: float = 1.0
    outside_range: bool = False
    concept_change: float = 0.0
    mix: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_range("price_inflation", self.price_inflation, -0.9, 1000)
        _require_range("gross_area_factor", self.gross_area_factor, 0.001, 1000)
        for knob in ("new_district_share", "new_address_share", "concept_change"):
            _require_range(knob, getattr(self, knob), 0, 1)
        if self.only_district is not None:
            _require_known("only_district", self.only_district, DISTRICTS)
        for column, share in self.missing.items():
            _require_known("missing", column, _HEADERS[1:])
            _require_range(f"missing[{column!r}]", share, 0, 1)
        for kind, factor in self.mix.items():
            _require_known("mix", kind, KINDS)
            _require_range(f"mix[{kind!r}]", factor, 0, 1e6)
        if not any(self.mix.get(kind, 1.0) for kind in KINDS):
            raise ValueError(f"mix is {dict(self.mix)!r}: at least one kind must keep a factor above 0")


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
    _require_range("rows", rows, 0, float("inf"))
    _require_range("seed", seed, 0, float("inf"))
    streams = _Streams(rows, seed)
    homes = _draw_homes(streams, shift)
    home, ad = streams.repeat("repost", _REPOST_SHARE), streams.repeat("copy", _COPY_SHARE)
    fault = np.array([*_FAULTS, ""])[streams.pick("fault", [[*_FAULTS.values(), 1 - sum(_FAULTS.values())]])]
    of_home = _place_columns(homes, fault) | _size_columns(streams, shift, homes, fault)
    of_home |= _building_columns(streams, shift, homes) | _fitting_columns(streams, shift, homes)
    of_home |= _left_empty(streams, of_home)
    of_ad = {"price": _price_column(streams, shift, homes, home, fault)} | _date_columns(streams, as_of)
    columns = {header: column[home][ad] for header, column in of_home.items()}
    columns |= {header: column[ad] for header, column in of_ad.items()}
    for header, share in shift.missing.items():
        columns[header] = _blanked(columns[header], (streams.uniform(f"missing {header}") < share)[home][ad])
    ads = {header: columns[header].remove_unused_categories() for header in _HEADERS[1:]}
    return pd.DataFrame({"": np.arange(rows, dtype=np.int64)} | ads)


def write_listings(frame: pd.DataFrame, path: str | Path) -> None:
    """Write ads to `path` as its suffix says: .csv, .csv.gz, or .parquet (the quick one for millions of rows).

    Raises
    ------
    ValueError
        If the suffix is another.
    """
    _require_suffix(path)
    path = Path(path)
    if path.name.endswith(".parquet"):
        frame.to_parquet(path, index=False)
    elif path.name.endswith(".csv.gz"):
        # No time stamp inside, so that the same ads give the same bytes.
        frame.to_csv(path, index=False, compression={"method": "gzip", "mtime": 0})
    else:
        frame.to_csv(path, index=False)


class _Streams(NamedTuple):
    """Independent random numbers by name, so that no stage shifts the draws of another."""

    rows: int
    seed: int

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def uniform(self, name: str) -> Floats:
        return self._generator(name).random(self.rows)

    def normal(self, name: str) -> Floats:
        return self._generator(name).standard_normal(self.rows)

    def pick(self, name: str, weights: ArrayLike, group: Ints | int = 0) -> Ints:
        """Draw one option a row by the weights, of shape (groups, options), of the row's group."""
        picked, draws = np.zeros(self.rows, dtype=np.int64), self.uniform(name)
        groups = np.broadcast_to(group, self.rows)
        for number, bounds in enumerate(np.cumsum(weights, axis=1, dtype=float)):
            members = groups == number
            picked[members] = np.searchsorted(bounds / bounds[-1], draws[members], side="right")
        return picked

    def empty(self, name: str, share: float) -> Flags:
        """Tell where a field stays empty; an ad that fills in one rare field mostly fills in the others."""
        alone = self.uniform(f"alone {name}") > _DILIGENCE
        return np.where(alone, self.uniform(f"empty {name}"), self.uniform("diligence")) < share

    def repeat(self, name: str, share: float) -> Ints:
        """Give each row its source: itself, or for a share of the rows another, as often the one above as any."""
        rows, repeats = np.arange(self.rows), self.uniform(name) < share
        repeats[:1] = False
        originals = np.flatnonzero(~repeats)
        above = np.maximum.accumulate(np.where(repeats, 0, rows))
        anywhere = originals[(self.uniform(f"source of {name}") * len(originals)).astype(np.int64)]
        return np.where(repeats, np.where(self.uniform(f"near {name}") < 0.5, above, anywhere), rows)


class _City(NamedTuple):
    """Districts, the invented ones last; neighbourhoods by district and slot, the new ones in the last slots."""

    districts: list[str]
    turkish: list[str]
    log_level: Floats
    neighbourhoods: list[list[str]]
    popularity: Floats
    log_factor: Floats


@functools.cache
def _city() -> _City:
    rng = np.random.default_rng(_CITY_SEED)
    table = {**DISTRICTS, **_NEW_DISTRICTS}
    fewest, most = _NEIGHBOURHOODS
    slots = np.arange(most + _NEW_NEIGHBOURHOODS)
    lived_in = (slots < rng.integers(fewest, most, (len(table), 1), endpoint=True)) | (slots >= most)
    known, new = ([stem + ending for stem in stems for ending in _ENDINGS] for stems in (_STEMS, _NEW_STEMS))
    names = [[*rng.permutation(known)[:most], *rng.permutation(new)[:_NEW_NEIGHBOURHOODS]] for _ in table]
    return _City(
        districts=list(table),
        turkish=[turkish for turkish, _, _ in table.values()],
        log_level=np.log([level for _, level, _ in table.values()]),
        neighbourhoods=names,
        popularity=np.where(lived_in, rng.lognormal(0, _POPULARITY_SPREAD, lived_in.shape), 0.0),
        log_factor=rng.normal(0, _NEIGHBOURHOOD_SPREAD, lived_in.shape),
    )


class _Homes(NamedTuple):
    """What is advertised, one value a row: entries of the tables as codes, areas in m2, worth in log TRY, unshifted."""

    district: Ints
    neighbourhood: Ints
    kind: Ints
    look: Ints
    rooms: Ints
    gross: Ints
    net: Ints
    age: Ints
    heating: Ints
    storeys: Ints
    floor: Ints
    storey: Ints
    in_site: Flags
    log_worth: Floats


def _draw_homes(streams: _Streams, shift: Shift) -> _Homes:
    district, neighbourhood = _draw_places(streams, shift)
    shares, looks, sizes, _ = np.array(list(KINDS.values())).T
    kind = streams.pick("kind", [[share * shift.mix.get(name, 1) for name, share in zip(KINDS, shares, strict=True)]])
    look = looks[kind].astype(np.int64)
    rooms = streams.pick("rooms", _weights(_ROOMS), look)
    gross, net = _draw_areas(streams, _effects(_ROOMS, 1)[rooms] * sizes[kind], look)
    median, spread, most = _STOREYS[look].T
    storeys = np.rint(median * np.exp(spread * streams.normal("storeys"))).clip(1, most).astype(np.int64)
    homes = _Homes(
        district=district,
        neighbourhood=neighbourhood,
        kind=kind,
        look=look,
        rooms=rooms,
        gross=gross,
        net=net,
        age=streams.pick("age", _weights(_AGES), look),
        heating=streams.pick("heating", _weights(_HEATING), look),
        storeys=storeys,
        floor=streams.pick("floor", _weights(_FLOORS), look),
        storey=1 + (streams.uniform("storey") * storeys).astype(np.int64),
        in_site=streams.uniform("site") < _SITE_SHARES[look],
        log_worth=_NOISE * streams.normal("noise"),
    )
    return homes._replace(log_worth=homes.log_worth + _log_value(homes))


def _draw_places(streams: _Streams, shift: Shift) -> tuple[Ints, Ints]:
    city, settled = _city(), _NEIGHBOURHOODS[1]
    district = streams.pick("district", [[share for _, _, share in DISTRICTS.values()]])
    if shift.only_district is not None:
        district[:] = city.districts.index(shift.only_district)
    moved = streams.uniform("moved") < shift.new_district_share
    new_district = streams.pick("new district", [[share for _, _, share in _NEW_DISTRICTS.values()]])
    district = np.where(moved, len(DISTRICTS) + new_district, district)
    fresh = ~moved & (streams.uniform("fresh") < shift.new_address_share)
    old = streams.pick("neighbourhood", city.popularity[:, :settled], district)
    new = settled + streams.pick("new neighbourhood", city.popularity[:, settled:], district)
    return district, np.where(fresh, new, old)


def _draw_areas(streams: _Streams, typical: Floats, look: Ints) -> tuple[Ints, Ints]:
    steps = np.where(streams.uniform("area step") < _ROUND_AREA_SHARE, 5, 1)
    gross = _rounded(typical * np.exp(_SIZE_SPREAD[look] * streams.normal("gross")), steps).clip(_SMALLEST_HOME)
    thinnest, mean, thickest = _WALLS
    walls = (thinnest - mean * np.log1p(-streams.uniform("walls"))).clip(max=thickest)
    return gross, np.minimum(_rounded(gross * (1 - walls), steps), gross - 1)


def _log_value(homes: _Homes) -> Floats:
    city = _city()
    logs = city.log_level[homes.district] + city.log_factor[homes.district, homes.neighbourhood]
    logs += np.log(homes.net) + _SIZE_EFFECT * np.log(homes.net / 100)
    effects = ((KINDS, 3, homes.kind), (_AGES, 1, homes.age), (_HEATING, 0, homes.heating), (_FLOORS, 0, homes.floor))
    for table, column, codes in effects:
        logs += np.log(_effects(table, column))[codes]
    logs += _STOREY_EFFECT * homes.storey * (homes.floor == 0) + np.log(_SITE_EFFECT) * homes.in_site
    return logs


def _place_columns(homes: _Homes, fault: NDArray[np.str_]) -> Columns:
    city, kinds = _city(), list(KINDS)

    def path(place: int) -> str:
        rest, kind = divmod(place, len(kinds))
        district, neighbourhood = divmod(rest, city.popularity.shape[1])
        name = f"{city.neighbourhoods[district][neighbourhood]} Mahallesi"
        steps = [f"{area} Satılık {kinds[kind]}".strip() for area in ("", "İstanbul", city.turkish[district], name)]
        return str(["Anasayfa", *steps])

    places = (homes.district * city.popularity.shape[1] + homes.neighbourhood) * len(kinds) + homes.kind
    district = _category(homes.district, city.districts)
    return {"district": _blanked(district, fault == "no district"), "address": _written(places, path)}


def _size_columns(streams: _Streams, shift: Shift, homes: _Homes, fault: NDArray[np.str_]) -> Columns:
    far = _FAR if shift.outside_range else 1
    gross = _rounded(homes.gross * shift.gross_area_factor, 1).clip(1) * far
    gross = np.select([fault == "negative area", fault == "absurd area"], [-gross, _ABSURD_AREA * far], gross)
    net = np.where(streams.uniform("net typo") < _NET_TYPO_SHARE, 1, homes.net) * far
    return {
        "GrossSquareMeters": _blanked(_written(gross, _area_text), fault == "no area"),
        "NetSquareMeters": _written(net, _area_text),
    }


def _building_columns(streams: _Streams, shift: Shift, homes: _Homes) -> Columns:
    far, ages, rooms = 1, list(_AGES), list(_ROOMS)
    if shift.outside_range:
        far, ages = _FAR, [f"{(years + 1) * _FAR:.0f}" for years, *_ in _AGES.values()]
        rooms = [re.sub(r"^[\d.]+", lambda number: f"{float(number[0]) * _FAR:.0f}", text) for text in rooms]
    return {
        "BuildingAge": _category(homes.age, ages),
        "BuildStatus": _category((homes.age > 0).astype(np.int64), ["Sıfır", "İkinci El"]),
        "NumberFloorsofBuilding": _written(homes.storeys * far, str),
        "NumberOfRooms": _category(homes.rooms, rooms),
        "FloorLocation": _floor_column(streams, homes, far),
        "HeatingType": _category(homes.heating, list(_HEATING)),
        "InsideTheSite": _category(homes.in_site.astype(np.int64), ["Hayır", "Evet"]),
    }


def _floor_column(streams: _Streams, homes: _Homes, far: int) -> pd.Categorical:
    numbered = [f"{storey * far}. Kat" for storey in range(1, _LAST_STOREY + 1)]
    vague = (homes.storey > 10) & (streams.uniform("vague storey") < _VAGUE_STOREY_SHARE)
    tens = np.minimum(homes.storey // 10, len(_STOREY_RANGES)) - 1
    storey = np.where(vague | (homes.storey > _LAST_STOREY), _LAST_STOREY + tens, homes.storey - 1)
    texts = [*_FLOORS, *numbered, *_STOREY_RANGES]
    return _category(np.where(homes.floor == 0, len(_FLOORS) + storey, homes.floor), texts)


def _fitting_columns(streams: _Streams, shift: Shift, homes: _Homes) -> Columns:
    far = _FAR if shift.outside_range else 1
    wanted = homes.net / _AREA_PER_BATHROOM + _BATHROOM_SPREAD * streams.normal("bathrooms")
    bathrooms = _rounded(wanted, 1).clip(1, _MOST_BATHROOMS)
    toilets = np.minimum(bathrooms, 1 + (3 * streams.uniform("toilets") ** 2).astype(np.int64))
    bathrooms[streams.uniform("no bathroom") < _NO_BATHROOM_SHARE] = 0
    balconies = (1 + streams.pick("balconies", [_BALCONY_SHARES])) * far
    most = len(_BALCONY_SHARES) * far
    columns = {
        "NumberOfBathrooms": _written(bathrooms * far, lambda count: str(count or "Yok")),
        "NumberOfWCs": _written(toilets * far, str),
        "NumberOfBalconies": _written(balconies, lambda count: f"{count} +" if count == most else str(count)),
    }
    for header, weights in _PLAIN.items():
        columns[header] = _category(streams.pick(header, [[*weights.values()]]), list(weights))
    for header, (share, spread) in _ROOM_AREAS.items():
        area = _rounded(homes.net * share * np.exp(spread * streams.normal(header)), 1).clip(1)
        columns[header] = _written(area * far, _area_text)
    return columns | _money_columns(streams, homes, far)


def _money_columns(streams: _Streams, homes: _Homes, far: int) -> Columns:
    median, spread = _DUES[homes.look].T
    asked = median * np.exp(spread * streams.normal("dues") + _DUES_OF_SITE * homes.in_site)
    dues = _rounded(asked, np.select([asked < 100, asked < 500], [10, 25], 50)).clip(10)
    dues[streams.uniform("free dues") < _FREE_DUES_SHARE] = 0
    fair = np.exp(homes.log_worth + _RENT_SPREAD * streams.normal("rent")) / _MONTHS_OF_RENT
    rent = _rounded(fair, np.where(fair < 5_000, 100, 500)).clip(300)
    return {"Subscription": _written(dues * far, _lira_text), "RentalIncome": _written(rent * far, _lira_text)}


def _left_empty(streams: _Streams, columns: Columns) -> Columns:
    """Blank what advertisers do not fill in, and the details of balconies that are not there."""
    sparse = {header: _blanked(columns[header], streams.empty(header, share)) for header, share in _MISSING.items()}
    without = np.asarray(sparse["Balcony"] != "Var")
    for header in ("NumberOfBalconies", "BalconyType", "BalconySquareMeters"):
        sparse[header] = _blanked(sparse[header], without)
    return sparse


def _price_column(
    streams: _Streams, shift: Shift, homes: _Homes, home: Ints, fault: NDArray[np.str_]
) -> pd.Categorical:
    reposted = home != np.arange(streams.rows)
    log_price = (homes.log_worth + shift.concept_change * _exchanged_levels()[homes.district])[home]
    log_price += np.log1p(shift.price_inflation) + reposted * _REPRICING * streams.normal("repricing")
    price = np.exp(log_price)
    step = streams.pick("price step", [_STEP_SHARES])
    for currency, rate in _LIRA_PER.items():
        price = np.where(fault == currency, price / rate, price)
    steps = np.array([steps for _, steps in _PRICE_STEPS])
    band = np.searchsorted([limit for limit, _ in _PRICE_STEPS], price)
    amount = _rounded(price, steps[band, step]).clip(1_000) * (_FAR if shift.outside_range else 1)
    amount[fault == "free"] = 0
    drop = _rounded(_DEEPEST_DROP * streams.uniform("drop") ** 2, 1).clip(1)
    drop[streams.uniform("badge") >= _BADGE_SHARE] = 0
    currency_code = np.select([fault == name for name in _LIRA_PER], [1, 2], 0)
    return _blanked(_written((amount * 3 + currency_code) * 100 + drop, _price_text), fault == "no price")


def _exchanged_levels() -> Floats:
    """Tell what each district gains in log price when the dearest takes the level of the cheapest, and so on."""
    levels = _city().log_level
    known = levels[: len(DISTRICTS)]
    gain = np.zeros_like(levels)
    gain[np.argsort(known)] = np.sort(known)[::-1] - np.sort(known)
    return gain


def _date_columns(streams: _Streams, as_of: date) -> Columns:
    days = -_AD_AGE * np.log1p(-streams.uniform("ad age"))
    for name, (share, factor) in _SLOWNESS.items():
        days *= np.where(streams.uniform(name) < share, factor, 1)
    created = np.minimum(days.astype(np.int64), _OLDEST_AD)
    touched = streams.uniform("touched") < _TOUCHED_SHARE
    updated = np.where(touched, (created * streams.uniform("updated")).astype(np.int64), created)

    def text(days_ago: int) -> str:
        day = as_of - timedelta(days=days_ago)
        return f"{day.day:02d} {_MONTHS[day.month - 1]} {day.year}"

    return {"AdCreationDate": _written(created, text), "AdUpdateDate": _written(updated, text)}


def _weights(table: Mapping[str, tuple[float, ...]]) -> Floats:
    """Weights of the entries of a table, its last four columns, of shape (looks, entries)."""
    return np.stack([np.array(entry[-4:], dtype=float) for entry in table.values()], axis=1)


def _effects(table: Mapping[str, tuple[float, ...]], column: int) -> Floats:
    return np.array([entry[column] for entry in table.values()], dtype=float)


def _rounded(values: NDArray[Any], step: int | NDArray[Any]) -> Ints:
    return (np.rint(values / step) * step).astype(np.int64)


def _written(values: Ints, write: Callable[[int], str]) -> pd.Categorical:
    """Write each distinct value once."""
    codes, distinct = pd.factorize(values)
    return _category(codes, [write(value) for value in distinct.tolist()])


def _category(codes: Ints, texts: Sequence[str]) -> pd.Categorical:
    dtype: pd.CategoricalDtype = pd.CategoricalDtype(list(texts))
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _blanked(column: pd.Categorical, blank: Flags) -> pd.Categorical:
    return _category(np.where(blank, -1, column.codes), column.categories.tolist())


def _area_text(area: int) -> str:
    return f"{area:,} m2".replace(",", ".")


def _lira_text(amount: int) -> str:
    return f"{amount:,} TL".replace(",", ".")


def _price_text(key: int) -> str:
    rest, drop = divmod(key, 100)
    amount, currency = divmod(rest, 3)
    price = (f"{amount:,}TL", f"{amount:,}EUR", f"${amount:,}")[currency]
    return f"{price}arrow_downward%{drop}" if drop else price


def _setting(text: str) -> tuple[str, float]:
    if not re.fullmatch(r".+=\d*\.?\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting such as NAME=0.5")
    name, _, number = text.rpartition("=")
    return name, float(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m housing_assets.listings.sample",
        description="Write SYNTHETIC real-estate ads in the raw layout of 38 columns; no ad in it is real.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", required=True, help="file to write: .csv, .csv.gz or .parquet")
    parser.add_argument("--rows", type=int, default=20_000, help="number of ads")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other ads of the same city")
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2022, 3, 4), help="day of the scrape")
    knobs = parser.add_argument_group("shifts, to see what notices them")
    knobs.add_argument("--price-inflation", type=float, default=0.0, help="rise of all prices; 0.6 is +60 %%")
    knobs.add_argument("--new-district-share", type=float, default=0.0, help="share of ads in unseen districts")
    knobs.add_argument("--only-district", metavar="DISTRICT", help="all ads in this district, such as kadikoy")
    knobs.add_argument("--new-address-share", type=float, default=0.0, help="share of ads in unseen neighbourhoods")
    knobs.add_argument(
        "--missing",
        type=_setting,
        action="append",
        default=[],
        metavar="COLUMN=SHARE",
        help="share of a column to blank; may be repeated",
    )
    knobs.add_argument("--gross-area-factor", type=float, default=1.0, help="factor on GrossSquareMeters alone")
    knobs.add_argument("--outside-range", action="store_true", help="every number a thousand times too large")
    knobs.add_argument("--concept-change", type=float, default=0.0, help="0 to 1: exchange of district price levels")
    knobs.add_argument(
        "--mix",
        type=_setting,
        action="append",
        default=[],
        metavar="KIND=FACTOR",
        help="factor on a kind's frequency; may be repeated",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write a file of synthetic ads, as the command line says.

    Raises
    ------
    SystemExit
        If an argument is out of its range.
    """
    parser = _parser()
    given = vars(parser.parse_args(argv))
    rows, seed, as_of, out = (given.pop(name) for name in ("rows", "seed", "as_of", "out"))
    try:
        _require_suffix(out)
        shift = Shift(**given | {"missing": dict(given["missing"]), "mix": dict(given["mix"])})
        write_listings(synthetic_listings(rows, seed=seed, shift=shift, as_of=as_of), out)
    except ValueError as error:
        parser.error(str(error))
    print(f"{rows:,} synthetic ads written to {out}")


if __name__ == "__main__":
    main()
