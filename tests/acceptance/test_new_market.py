"""A new market is one file: rentals that the platform has never heard of, in five bands of euros."""

import json

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import SendFeedbackRequest
from tests.acceptance.platform import Platform, days_ago, failed, why, write_rows
from tests.bento_service.serving import AUTHORIZED

pytestmark = pytest.mark.acceptance

LISBON = '''
"""Homes for rent in Lisbon: euros a month, with decimal commas."""

from housing_assets.inference.declaration import Bin, Column, Grid, LinearNumber, PriceBands, Role, Value
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Code, Coordinate, Day, Floor, Number, Text

MARKET = Market(
    name="lisbon",
    title="Homes for rent in Lisbon",
    target=PriceBands(("lowest", "low", "middle", "high", "highest"), (0.2, 0.4, 0.6, 0.8), "EUR", "asking"),
    columns=(
        Column(
            "Renda",
            "1.250,50 €",
            Number(units=("€", "eur"), of="euros (€)", decimal=","),
            (Value("rent", Role.PRICE, 50, 1e5, unit="EUR a month"),),
            required=True,
        ),
        Column(
            "Área",
            "75,5 m²",
            Number(units=("m2", "m²"), of="square metres (m²)", decimal=","),
            (Value("area", Role.NUMERIC, 5, 2_000, 30, "m²"),),
            required=True,
        ),
        Column("Tipologia", "T2", Text(), (Value("typology", Role.CATEGORY),)),
        Column(
            "Andar",
            "3. andar",
            Floor(storey="andar"),
            (Value("floor_text", Role.CATEGORY), Value("floor", Role.NUMERIC, -5, 50, 3)),
        ),
        Column("Código postal", "1200", Code(width=4), (Value("zip_code", Role.CATEGORY),), required=True),
        Column("Latitude", "38,7109", Coordinate("N", "S"), (Value("latitude", Role.NUMERIC, 38, 39, 0.02),)),
        Column("Longitude", "-9,1431", Coordinate("E", "W"), (Value("longitude", Role.NUMERIC, -10, -9, 0.02),)),
        Column("Publicado", "05/03/2026", Day(), (Value("published_on", Role.CLOCK),)),
    ),
    bins=(Bin("area_5", "area", per_log_unit=5), Bin("floor_exact", "floor")),
    grids=(Grid("cell", "latitude", "longitude", km=1), Grid("shifted", "latitude", "longitude", km=1, shift=0.5)),
    linear=(LinearNumber("area", log=True), LinearNumber("floor")),
    crosses=(("zip_code", "area_5"), ("cell", "typology"), ("zip_code", "typology", "area_5")),
    segments=("zip_code",),
    fallback=("zip_code", "area_5"),
)
'''

A_HOME = {"Área": "75,5 m²", "Tipologia": "T2", "Código postal": "1200", "Andar": "3. andar"}

N_ZIP_CODES = 12


def rentals(rows: int, *, seed: int) -> pd.DataFrame:
    """Invent rentals: rents grow with the area, to the north of a few streets and with the floor."""
    rng = np.random.default_rng(seed)
    zip_codes = rng.integers(0, N_ZIP_CODES, rows)
    area = rng.lognormal(4.2, 0.45, rows).round(1).clip(18, 400)
    floor = rng.integers(0, 8, rows)
    latitude = 38.70 + 0.008 * zip_codes + rng.uniform(0, 0.008, rows)
    longitude = -9.20 + rng.uniform(0, 0.08, rows)
    rent = 40 * area**0.8 * np.exp(0.12 * zip_codes + 0.02 * floor + rng.normal(0, 0.06, rows))
    return pd.DataFrame(
        {
            "Renda": [f"{amount:_.2f} €".replace(".", ",").replace("_", ".") for amount in rent],
            "Área": [f"{size:.1f} m²".replace(".", ",") for size in area],
            "Tipologia": [f"T{rooms}" for rooms in np.digitize(area, [35, 55, 80, 120])],
            "Andar": ["R/C" if number == 0 else f"{number}. andar" for number in floor],
            "Código postal": [str(1_000 + 50 * code) for code in zip_codes],
            "Latitude": [f"{degrees:.4f}".replace(".", ",") for degrees in latitude],
            "Longitude": [f"{degrees:.4f}".replace(".", ",") for degrees in longitude],
            "Publicado": [f"{day:02d}/03/2026" for day in rng.integers(1, 29, rows)],
        }
    )


@pytest.fixture(scope="module")
def platform(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    storage = tmp_path_factory.mktemp("lisbon")
    declaration = storage / "lisbon.py"
    declaration.write_text(LISBON)
    return Platform(str(declaration), write_rows(rentals(1_500, seed=1), storage / "rentals.csv"), storage, instance)


def test_a_market_of_one_file_is_trained_served_and_watched(platform: Platform) -> None:
    bands = platform.market.categories
    trained = platform.train()
    assert trained.success, why(trained)
    checks = trained.get_asset_check_evaluations()
    # Few of its rents are of one month: its index may not know the last one's level.
    assert {check.check_name for check in checks if not check.passed} <= {"last_month_known"}
    assert "no_training_serving_skew" in {check.check_name for check in checks}  # the bento was tried, too
    version = platform.production()
    assert (version.number, platform.registry.model_name) == (1, "HousingPriceClassifier_lisbon")

    day = days_ago(1)
    source = write_rows(rentals(500, seed=2), platform.storage / "yesterday.csv")
    with platform.served() as served:
        cheap = served.predict(A_HOME | {"Área": "20,0 m²", "Código postal": "1000"})
        dear = served.predict(A_HOME | {"Área": 250, "Código postal": 1550})
        assert (cheap["price_category"], dear["price_category"]) == (bands[0], bands[-1])
        assert cheap["band"]["above"] is dear["band"]["up_to"] is None
        assert (cheap["band"]["currency"], dear["band"]["currency"]) == ("EUR", "EUR")
        told = {"prediction_id": cheap["prediction_id"], "price": "612,50 €"}
        accepted = served.http.post("/feedback", json=told, headers=AUTHORIZED).json()
        assert accepted["price"] == 612.5
        message = SendFeedbackRequest(prediction_id=dear["prediction_id"], price={"text": "6.012,50 €"})
        assert served.grpc.SendFeedback(message, metadata=tuple(AUTHORIZED.items())).price == 6_012.5
        tally = served.day(source, day, 400, seed=3, label_share=1)
        assert set(tally.categories) == set(bands)
        assert tally.answered == tally.feedback[202] == 400

    judged = platform.judge(day)
    assert failed(judged) == {}
    assert {one.verdict.model_version for one in judged.values()} == {0, 1}  # traffic is of no version
    drift = json.loads((platform.report("drift_report", day) / "drift_report.json").read_text())
    assert drift["rows"] == 400
    assert {"zip_code", "area", "latitude"} <= {finding["column"] for finding in drift["findings"]}
    performance = json.loads((platform.report("performance_report", day) / "performance_report.json").read_text())
    assert performance["report"]["rows"] == 400
    assert performance["report"]["accuracy"] > 0.6
    assert platform.decide()[0].outcome == "nothing found"
