"""The invented city: its districts and neighbourhoods with their price levels, and the kinds of homes in it.

District names are facts, price levels rough; neighbourhoods are made up. The city is the same for every seed: a seed
draws other homes (``homes.py``), not other neighbourhoods or price levels.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

# fmt: off
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
NEW_DISTRICTS: Mapping[str, tuple[str, int, float]] = {
    "alvinsu": ("Alvinsu", 12_000, 1), "korudere": ("Korudere", 21_000, 1), "tumsahil": ("Tümşahil", 8_000, 1),
}
# Parts of the invented neighbourhood names; the second list is kept for `Shift.new_address_share`.
_STEMS = ("Alvar", "Bersun", "Cendel", "Çalmır", "Darşen", "Elmiz", "Fersa", "Göniz", "Hısra", "İlbör", "Karzun",
          "Lemsi", "Mürdan", "Nevsa", "Orbel", "Pelgin", "Runa", "Sünbe", "Şermi", "Tolvan", "Uzmer", "Ünsel", "Vardın")
_NEW_STEMS = ("Abgün", "Erbüz", "Jalen", "Kınvar", "Zömre")
_ENDINGS = ("bağ", "bahçe", "çınar", "dere", "kaya", "konak", "kuyu", "pınar", "tepe", "yalı", "yurt")
# What a kind of home looks like: the columns of the weights in `homes`.
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
# fmt: on

_CITY_SEED = 34  # the one city all seeds share; 34 is the number plate of Istanbul
_FEWEST_NEIGHBOURHOODS, MOST_NEIGHBOURHOODS = 15, 45  # in a district, as in most of Istanbul's
_NEW_NEIGHBOURHOODS = 10  # in every district, kept for `Shift.new_address_share`
_NEIGHBOURHOOD_SPREAD = 0.3  # of the log price around the district's level: about 5,000 to 60,000 TRY per m2 in all
_POPULARITY_SPREAD = 0.9  # of the log share of a neighbourhood: a few hold most ads, many a handful


class City(NamedTuple):
    """Districts, the invented ones last; neighbourhoods by district and slot, the new ones in the last slots."""

    turkish: list[str]
    log_level: np.ndarray
    neighbourhoods: list[list[str]]
    popularity: np.ndarray
    log_factor: np.ndarray

    def exchanged_levels(self) -> np.ndarray:
        """Tell what each district gains in log price when the dearest takes the level of the cheapest, and so on."""
        gain = np.zeros_like(self.log_level)
        dearer = np.argsort(self.log_level[: len(DISTRICTS)])
        gain[dearer] = self.log_level[dearer[::-1]] - self.log_level[dearer]
        return gain


@functools.cache
def the_city() -> City:
    """Build the city, once a process."""
    rng = np.random.default_rng(_CITY_SEED)
    spellings, levels, _ = zip(*DISTRICTS.values(), *NEW_DISTRICTS.values(), strict=True)
    slots = np.arange(MOST_NEIGHBOURHOODS + _NEW_NEIGHBOURHOODS)
    numbers = rng.integers(_FEWEST_NEIGHBOURHOODS, MOST_NEIGHBOURHOODS, (len(levels), 1), endpoint=True)
    lived_in = (slots < numbers) | (slots >= MOST_NEIGHBOURHOODS)
    known, new = ([stem + ending for stem in stems for ending in _ENDINGS] for stems in (_STEMS, _NEW_STEMS))
    names = [
        [*rng.permutation(known)[:MOST_NEIGHBOURHOODS], *rng.permutation(new)[:_NEW_NEIGHBOURHOODS]] for _ in levels
    ]
    return City(
        turkish=list(spellings),
        log_level=np.log(levels),
        neighbourhoods=names,
        popularity=np.where(lived_in, rng.lognormal(0, _POPULARITY_SPREAD, lived_in.shape), 0.0),
        log_factor=rng.normal(0, _NEIGHBOURHOOD_SPREAD, lived_in.shape),
    )
