"""What an ad tells of its home: the texts of all columns but the price and the dates."""

import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from housing_assets.markets.istanbul_sample.city import DISTRICTS, KINDS, NEW_DISTRICTS, the_city
from housing_assets.markets.istanbul_sample.homes import AGES, FLOORS, HEATING, ROOMS, Homes, rounded
from housing_assets.markets.istanbul_sample.shift import Shift
from housing_assets.markets.istanbul_sample.streams import Streams

# fmt: off
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
# fmt: on

_MONTHS_OF_RENT = 270  # that buy a home, early 2022
_DUES = np.array([[60, 0.9], [600, 0.6], [250, 0.9], [60, 0.9]])  # TRY a month by look: median, spread of the log
_FREE_DUES_SHARE = 0.11  # of the ads that tell their dues
_DUES_OF_SITE = 0.3  # what the estate adds to the log of the dues
_RENT_SPREAD = 0.15  # of the log rent around a fair one
_AREA_PER_BATHROOM, _BATHROOM_SPREAD, _MOST_BATHROOMS = 95, 0.35, 6  # net m2 that call for another
_BALCONY_SHARES = (58, 30, 9, 3)  # homes with one to four or more, of those with any
_NO_BATHROOM_SHARE = 0.003  # ads that say the home has none
_NET_TYPO_SHARE = 0.002  # ads that say net 1 m2
_ABSURD_AREA = 999_999  # m2, what a stuck key types


def home_columns(streams: Streams, shift: Shift, homes: Homes, fault: np.ndarray) -> dict[str, pd.Series]:
    """Write what the ads tell of the homes, by raw column."""
    columns = _place_columns(homes) | _building_columns(streams, shift, homes) | _fitting_columns(streams, shift, homes)
    return columns | _area_columns(streams, shift, homes, fault) | _money_columns(streams, shift, homes)


def written(write: Callable[..., str], *values: np.ndarray) -> pd.Series:
    """Write each distinct combination of values once, as a category."""
    factorized = [pd.factorize(each) for each in values]
    sizes = [max(len(distinct), 1) for _, distinct in factorized]
    codes, combined = pd.factorize(np.ravel_multi_index([each for each, _ in factorized], sizes))
    places = np.unravel_index(combined, sizes)
    combinations = [distinct[place].tolist() for (_, distinct), place in zip(factorized, places, strict=True)]
    texts = [write(*combination) for combination in zip(*combinations, strict=True)]
    return pd.Series(pd.Categorical(texts)[codes])


def _place_columns(homes: Homes) -> dict[str, pd.Series]:
    city, kinds, districts = the_city(), list(KINDS), [*DISTRICTS, *NEW_DISTRICTS]

    def path(district: int, neighbourhood: int, kind: int) -> str:
        name = city.neighbourhoods[district][neighbourhood]
        areas = ("", "İstanbul ", f"{city.turkish[district]} ", f"{name} Mahallesi ")
        return str(["Anasayfa", *(f"{area}Satılık {kinds[kind]}" for area in areas)])

    return {
        "district": written(districts.__getitem__, homes["district"]),
        "address": written(path, homes["district"], homes["neighbourhood"], homes["kind"]),
    }


def _building_columns(streams: Streams, shift: Shift, homes: Homes) -> dict[str, pd.Series]:
    ages, rooms, floors, far = list(AGES), list(ROOMS), list(FLOORS), shift.far
    if shift.outside_range:
        ages = [f"{(years + 1) * far}" for years, *_ in AGES.values()]
        rooms = [re.sub(r"^[\d.]+", lambda number: f"{float(number[0]) * far:.0f}", text) for text in rooms]

    def floor(code: int, storey: int, vague: bool) -> str:
        if floors[code]:
            return floors[code]
        if storey > _LAST_STOREY or (storey > 10 and vague):
            return _STOREY_RANGES[min(storey // 10, len(_STOREY_RANGES)) - 1]
        return f"{storey * far}. Kat"

    vague = streams.uniform("vague storey") < _VAGUE_STOREY_SHARE
    return {
        "BuildingAge": written(ages.__getitem__, homes["age"]),
        "BuildStatus": written(lambda age: "İkinci El" if age else "Sıfır", homes["age"]),
        "NumberFloorsofBuilding": written(str, homes["storeys"] * far),
        "NumberOfRooms": written(rooms.__getitem__, homes["rooms"]),
        "FloorLocation": written(floor, homes["floor"], homes["storey"], vague),
        "HeatingType": written(list(HEATING).__getitem__, homes["heating"]),
        "InsideTheSite": written(lambda inside: "Evet" if inside else "Hayır", homes["in_site"]),
    }


def _fitting_columns(streams: Streams, shift: Shift, homes: Homes) -> dict[str, pd.Series]:
    wanted = homes["net"] / _AREA_PER_BATHROOM + _BATHROOM_SPREAD * streams.normal("bathrooms")
    bathrooms = rounded(wanted).clip(1, _MOST_BATHROOMS)
    toilets = np.minimum(bathrooms, 1 + (3 * streams.uniform("toilets") ** 2).astype(np.int64))
    bathrooms = np.where(streams.uniform("no bathroom") < _NO_BATHROOM_SHARE, 0, bathrooms)
    balconies, most = 1 + streams.pick("balconies", _BALCONY_SHARES), len(_BALCONY_SHARES) * shift.far
    columns = {
        "NumberOfBathrooms": written(lambda count: str(count or "Yok"), bathrooms * shift.far),
        "NumberOfWCs": written(str, toilets * shift.far),
        "NumberOfBalconies": written(
            lambda count: f"{count} +" if count == most else str(count), balconies * shift.far
        ),
    }
    for header, weights in _PLAIN.items():
        columns[header] = written(list(weights).__getitem__, streams.pick(header, [*weights.values()]))
    return columns


def _area_columns(streams: Streams, shift: Shift, homes: Homes, fault: np.ndarray) -> dict[str, pd.Series]:
    gross = rounded(homes["gross"] * shift.gross_area_factor).clip(1)
    gross = np.select([fault == "negative area", fault == "absurd area"], [-gross, _ABSURD_AREA], gross)
    net = np.where(streams.uniform("net typo") < _NET_TYPO_SHARE, 1, homes["net"])
    areas = {"GrossSquareMeters": gross, "NetSquareMeters": net}
    for header, (share, spread) in _ROOM_AREAS.items():
        areas[header] = rounded(homes["net"] * share * np.exp(spread * streams.normal(header))).clip(1)
    return {header: _amounts(area * shift.far, "m2") for header, area in areas.items()}


def _money_columns(streams: Streams, shift: Shift, homes: Homes) -> dict[str, pd.Series]:
    median, spread = _DUES[homes["look"]].T
    asked = median * np.exp(spread * streams.normal("dues") + _DUES_OF_SITE * homes["in_site"])
    dues = rounded(asked, np.select([asked < 100, asked < 500], [10, 25], 50)).clip(10)
    dues = np.where(streams.uniform("free dues") < _FREE_DUES_SHARE, 0, dues)
    fair = np.exp(homes["log_worth"] + _RENT_SPREAD * streams.normal("rent")) / _MONTHS_OF_RENT
    rent = rounded(fair, np.where(fair < 5_000, 100, 500)).clip(300)
    return {"Subscription": _amounts(dues * shift.far, "TL"), "RentalIncome": _amounts(rent * shift.far, "TL")}


def _amounts(values: np.ndarray, unit: str) -> pd.Series:
    return written(lambda amount: f"{amount:,} {unit}".replace(",", "."), values)
