"""The homes that the ads are about: where they stand, what they are, and what each is worth."""

from collections.abc import Mapping

import numpy as np

from housing_assets.markets.istanbul_sample.city import DISTRICTS, KINDS, MOST_NEIGHBOURHOODS, NEW_DISTRICTS, the_city
from housing_assets.markets.istanbul_sample.shift import Shift
from housing_assets.markets.istanbul_sample.streams import Streams

# fmt: off
# The tables end in an effect and four weights, by what a home looks like (`city.KINDS`).
# NumberOfRooms: (typical gross m2, weights in flats, towers, houses, buildings).
ROOMS: Mapping[str, tuple[float, ...]] = {
    "Stüdyo": (45, .4, 12, 0, 0), "1 Oda": (60, .2, 1, .3, 29), "1+1": (68, 6.6, 15, 1, 2),
    "1.5+1": (80, .15, .1, .1, 0), "2+1": (98, 42, 25, 6, 16), "2+2": (108, .8, .3, .5, .5),
    "2.5+1": (118, .2, .2, .1, 0), "3+1": (133, 29, 33, 12, 12), "3+2": (150, 3, 1, 2, 1),
    "3.5+1": (165, .3, .8, .5, 0), "4+1": (185, 8.5, 6, 14, 4), "4+2": (205, 3, 1, 4, 1),
    "4.5+1": (210, .2, .3, .6, 0), "5 Oda": (220, .05, .1, 1, 2), "5+1": (245, 2.6, 2.5, 23, 3),
    "5+2": (265, 1.2, .4, 4, 1), "6+1": (300, .9, .9, 16, 4), "7+1": (350, .2, .1, 8, 1),
    "8+ Oda": (450, .2, .4, 11, 24),
}
# Spread of the log of the gross area around the typical one, by look.
_SIZE_SPREAD = np.array([.16, .24, .45, .9])
# BuildingAge: (years, price effect, weights by look).
AGES: Mapping[str, tuple[float, ...]] = {
    "0 (Yeni)": (0, 1.12, 31, 27, 14, 8), "1": (1, 1.08, 3, 7, 2, 1), "2": (2, 1.07, 4, 4, 2, 1),
    "3": (3, 1.06, 5, 6, 3, 2), "4": (4, 1.05, 9, 11, 3, 1), "5-10": (7, 1.0, 19, 39, 17, 5),
    "11-15": (13, .94, 8, 4, 22, 16), "16-20": (18, .9, 3, 1, 8, 6), "21 Ve Üzeri": (30, .86, 18, 1, 29, 60),
}
# HeatingType: (price effect, weights by look).
HEATING: Mapping[str, tuple[float, ...]] = {
    "Kombi Doğalgaz": (1.0, 75.5, 5, 75, 58), "Merkezi (Pay Ölçer)": (1.06, 14.7, 75, 2, .5),
    "Merkezi Doğalgaz": (1.06, 5.6, 11, 3, 4), "Yerden Isıtma": (1.2, 2, 5, 6, .2), "Isıtma Yok": (.8, .3, 1.5, 4, 30),
    "Doğalgaz Sobalı": (.82, 1, .1, 1.2, 3), "Sobalı": (.78, .3, 0, 6, 2.3), "Klimalı": (.9, .1, 1.5, 1, 1.3),
    "Kat Kaloriferi": (.97, .2, .3, 1.2, .3), "Kombi Fueloil": (.97, .06, 0, .1, 0),
    "Güneş Enerjisi": (.95, .02, 0, .4, 0), "Jeotermal": (1.0, .01, .1, .4, 0), "Merkezi Fueloil": (.98, .02, 0, .1, 0),
    "Kombi Katı Yakıt": (.92, .01, 0, .2, 0), "Isı Pompası": (1.05, .01, .05, .1, 0),
}
# FloorLocation without a number, and "" for those with one: (price effect, weights by look).
FLOORS: Mapping[str, tuple[float, ...]] = {
    "": (1.0, 73, 94.5, 1, 19), "Düz Giriş": (.95, 3.8, .6, 58, 53), "Bahçe Katı": (.93, 8, 3.6, .5, 0),
    "Yüksek Giriş": (.96, 7.2, .4, .3, .8), "Çatı Dubleks": (.9, 3.4, .1, .1, .8), "Çatı Katı": (.92, 1.3, .5, .1, 0),
    "Bahçe Dublex": (.95, .6, .2, 2, .8), "Müstakil": (1.0, .3, 0, 18, 25), "Villa Tipi": (1.02, .3, 0, 19.5, .8),
    "Kot 1 (-1). Kat": (.86, .9, .1, .2, .2), "Kot 2 (-2). Kat": (.83, .45, 0, 0, .2),
    "Kot 3 (-3). Kat": (.8, .2, 0, 0, .4), "Tam Bodrum": (.75, .2, 0, 0, 0), "Yarı Bodrum": (.8, .15, 0, 0, 0),
    "Yüksek Bodrum": (.84, .13, 0, 0, 0),
}
# Storeys of the building by look: median, spread of the log, most.
_STOREYS = np.array([[5, .42, 30], [19, .4, 55], [2.3, .3, 4], [3.6, .35, 9]])
# fmt: on

_NOISE = 0.16  # of the log price: leaves a forest at about macro-F1 0.85 on three price classes, as real ads do
_SITE_SHARES = np.array([0.22, 0.85, 0.35, 0.02])  # in a gated estate, by look
_SITE_EFFECT = 1.07  # what the estate adds to the price
_STOREY_EFFECT = 0.004  # what a numbered storey adds to the log price: the view
_SIZE_EFFECT = -0.06  # elasticity of the price per m2: a large home is cheaper by the m2
_SMALLEST_HOME = 25  # gross m2
_WALLS = (0.04, 0.1, 0.5)  # share of the gross area that is not net: least, mean above it, most
_ROUND_AREA_SHARE = 0.75  # areas told in steps of 5 m2; the others to the m2


Homes = dict[str, np.ndarray]
"""One value a row: entries of the tables as codes, areas in m2, ``log_worth`` in log TRY before any shift of prices."""


def draw_homes(streams: Streams, shift: Shift) -> Homes:
    """Draw homes, one a row, where and of the kinds that `shift` asks for."""
    city, homes = the_city(), Homes()
    homes["district"], homes["neighbourhood"] = district, neighbourhood = _draw_places(streams, shift)
    shares, looks, sizes, kind_effects = np.array(list(KINDS.values())).T
    homes["kind"] = kind = streams.pick("kind", shares * [shift.mix.get(name, 1) for name in KINDS])
    homes["look"] = look = looks[kind].astype(np.int64)
    homes["rooms"], typical = _draw_entry(streams, "rooms", ROOMS, look)
    homes["age"], age_effect = _draw_entry(streams, "age", AGES, look)
    homes["heating"], heating_effect = _draw_entry(streams, "heating", HEATING, look)
    homes["floor"], floor_effect = _draw_entry(streams, "floor", FLOORS, look)
    homes["gross"], homes["net"] = _draw_areas(streams, typical * sizes[kind], look)
    median, spread, most = _STOREYS[look].T
    homes["storeys"] = rounded(median * np.exp(spread * streams.normal("storeys"))).clip(1, most).astype(np.int64)
    homes["storey"] = 1 + (streams.uniform("storey") * homes["storeys"]).astype(np.int64)
    homes["in_site"] = streams.uniform("site") < _SITE_SHARES[look]
    effects = kind_effects[kind] * age_effect * heating_effect * floor_effect
    homes["log_worth"] = (
        city.log_level[district]
        + city.log_factor[district, neighbourhood]
        + np.log(effects * homes["net"])
        + _SIZE_EFFECT * np.log(homes["net"] / 100)
        + _STOREY_EFFECT * homes["storey"] * (homes["floor"] == 0)
        + np.log(_SITE_EFFECT) * homes["in_site"]
        + _NOISE * streams.normal("noise")
    )
    return homes


def rounded(values: np.ndarray, step: int | np.ndarray = 1) -> np.ndarray:
    """Round to the nearest multiple of a step, as whole numbers."""
    return (np.rint(values / step) * step).astype(np.int64)


def _draw_places(streams: Streams, shift: Shift) -> tuple[np.ndarray, np.ndarray]:
    popularity = the_city().popularity
    district = streams.pick("district", [share for _, _, share in DISTRICTS.values()])
    if shift.only_district is not None:
        district[:] = list(DISTRICTS).index(shift.only_district)
    moved = streams.uniform("moved") < shift.new_district_share
    new_district = streams.pick("new district", [share for _, _, share in NEW_DISTRICTS.values()])
    district = np.where(moved, len(DISTRICTS) + new_district, district)
    fresh = ~moved & (streams.uniform("fresh") < shift.new_address_share)
    old = streams.pick("neighbourhood", popularity[:, :MOST_NEIGHBOURHOODS], district)
    new = streams.pick("new neighbourhood", popularity[:, MOST_NEIGHBOURHOODS:], district)
    return district, np.where(fresh, MOST_NEIGHBOURHOODS + new, old)


def _draw_entry(
    streams: Streams, name: str, table: Mapping[str, tuple[float, ...]], look: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an entry of a table by its weights, as a code; give its effect, too."""
    effects, *weights = np.array([entry[-5:] for entry in table.values()]).T
    codes = streams.pick(name, weights, look)
    return codes, effects[codes]


def _draw_areas(streams: Streams, typical: np.ndarray, look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps = np.where(streams.uniform("area step") < _ROUND_AREA_SHARE, 5, 1)
    gross = rounded(typical * np.exp(_SIZE_SPREAD[look] * streams.normal("gross")), steps).clip(_SMALLEST_HOME)
    thinnest, mean, thickest = _WALLS
    walls = (thinnest - mean * np.log1p(-streams.uniform("walls"))).clip(max=thickest)
    return gross, np.minimum(rounded(gross * (1 - walls), steps), gross - 1)
