"""Raw ads for tests: one by hand, or many drawn from the texts that the rules know and from those they refuse."""

from typing import Any

import numpy as np
import pandas as pd

from housing_assets.markets.istanbul import MARKET

RAW = [column.raw for column in MARKET.columns]

PLAIN_AD = {
    "district": "kadikoy",
    "price": "3,100,000TL",
    "address": "['Anasayfa', 'Satılık Daire', 'Kadıköy Satılık Daire', 'Örnek Mahallesi Satılık Daire']",
    "AdUpdateDate": "24 Şubat 2022",
    "GrossSquareMeters": "160 m2",
    "BuildingAge": "5-10",
    "NumberOfBathrooms": "2",
    "AdCreationDate": "02 Ocak 2022",
    "NetSquareMeters": "120 m2",
    "NumberOfRooms": "3+1",
    "FloorLocation": "3. Kat",
    "HeatingType": "Kombi Doğalgaz",
    "Subscription": "50 TL",
}

_TEXTS: dict[str, list[Any]] = {
    "district": ["kadikoy", "adalar", "şile", ""],
    "price": ["3,100,000TL", "660,000TLarrow_downward%3", "1.250.000 TL", "650,000EUR", "", "Bilgi için arayınız"],
    "address": [PLAIN_AD["address"], "A > Satılık Villa > Ada Mahallesi Satılık Villa", "[]", "", "Kadıköy"],
    "AdUpdateDate": ["24 Şubat 2022", "2022-02-24", "", "31 Şubat 2022"],
    "GrossSquareMeters": ["160 m2", "2.250 m2", "95 m²", "-5 m2", "3 m2", ""],
    "BuildingAge": ["0 (Yeni)", "5-10", "21 Ve Üzeri", "4", "eski", ""],
    "NumberOfBathrooms": ["Yok", "1", "6+", "4 +", "?", ""],
    "NetSquareMeters": ["120 m2", "1 m2", "inf m2", ""],
    "NumberOfRooms": ["3+1", "2.5+1", "8+ Oda", "Stüdyo", "üç", ""],
    "FloorLocation": ["3. Kat", "10-20. Kat", "Kot 1 (-1). Kat", "Çatı Katı", "900. Kat", ""],
    "HeatingType": ["Kombi Doğalgaz", "  Klimalı ", "", "Sobal\\xfd"],
    "Subscription": ["50 TL", "1.250,50 TL", "elli lira", ""],
}


def ad(**cells: Any) -> dict[str, Any]:
    """Give a plain ad, with some cells replaced."""
    unknown = set(cells) - set(RAW)
    assert not unknown, unknown
    return dict.fromkeys(RAW, "") | PLAIN_AD | cells


def frame(*ads: dict[str, Any]) -> pd.DataFrame:
    """Give ads as a frame of texts, with all raw columns in order."""
    return pd.DataFrame(list(ads), columns=RAW)


def drawn_ads(rows: int, seed: int) -> pd.DataFrame:
    """Give ads whose first texts are common and whose last ones, mostly unusable, are rare."""
    generator = np.random.default_rng(seed)
    drawn = frame(*[ad()] * rows)
    for name, texts in _TEXTS.items():
        weights = 0.3 ** np.arange(len(texts))
        drawn[name] = generator.choice(np.array(texts, dtype=object), rows, p=weights / weights.sum())
    return drawn
