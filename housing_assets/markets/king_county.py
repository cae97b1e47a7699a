"""House sales in King County, Washington, USA: prices paid in US dollars, areas in square feet, places as coordinates.

The layout of the public records of 2014 and 2015; a row is a sale, ``id`` the parcel, which may be sold again.
"""

from pathlib import Path

from housing_assets.inference.declaration import (
    Bin,
    Column,
    Grid,
    LinearNumber,
    LocalKernel,
    PriceBands,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Code, Coordinate, Day, Number

_DOLLARS = Number(units=("$", "usd"), of="US dollars", decimal=".")
_SQUARE_FEET = Number(
    units=("sqft", "sq ft", "sq. ft.", "ft2", "ft²", "square feet"), of="square feet (sqft)", decimal="."
)
_PLAIN = Number(decimal=".")
_YEAR = Number(decimal=".", missing=(0.0,))


def _area(raw: str, example: str, scale: float, maximum: float = 1e6, *, required: bool = False) -> Column:
    value = Value(raw, Role.NUMERIC, 0, maximum, scale, "sqft")
    return Column(raw, example, _SQUARE_FEET, (value,), required)


def _count(raw: str, example: str, maximum: float, minimum: float = 0.0) -> Column:
    return Column(raw, example, _PLAIN, (Value(raw, Role.ORDINAL, minimum, maximum),))


MARKET = Market(
    name="king_county",
    title="House sales in King County, Washington",
    target=PriceBands(categories=("low", "medium", "high"), quantiles=(0.4, 0.8), currency="USD", price_kind="paid"),
    columns=(
        Column("id", "7129300520", Code(width=10), (Value("parcel", Role.KEY),)),
        Column("date", "20141013T000000", Day(month_first=True), (Value("sold_on", Role.CLOCK),)),
        Column("price", "221900", _DOLLARS, (Value("price", Role.PRICE, 1_000, 1e9, unit="USD"),), required=True),
        _count("bedrooms", "3", 100),
        _count("bathrooms", "2.25", 100),
        _area("sqft_living", "1180", 1_000, required=True),
        _area("sqft_lot", "5650", 10_000, 1e8),
        _count("floors", "1.5", 200),
        _count("waterfront", "0", 1),
        _count("view", "0", 4),
        _count("condition", "3", 5, 1),
        _count("grade", "7", 13, 1),
        _area("sqft_above", "1180", 1_000),
        _area("sqft_basement", "400", 500),
        Column("yr_built", "1955", _YEAR, (Value("yr_built", Role.NUMERIC, 1_800, 2_100, 20, "year"),)),
        Column("yr_renovated", "1991", _YEAR, (Value("yr_renovated", Role.NUMERIC, 1_800, 2_100, 20, "year"),)),
        Column("zipcode", "98178", Code(width=5), (Value("zipcode", Role.CATEGORY),), required=True),
        Column("lat", "47.5112", Coordinate("N", "S"), (Value("lat", Role.NUMERIC, 47, 48, 0.1, "degrees"),)),
        Column("long", "-122.257", Coordinate("E", "W"), (Value("long", Role.NUMERIC, -123, -121, 0.1, "degrees"),)),
        _area("sqft_living15", "1340", 1_000),
        _area("sqft_lot15", "5650", 10_000, 1e8),
    ),
    bins=(
        Bin("grade_exact", "grade"),
        Bin("view_exact", "view"),
        Bin("waterfront_exact", "waterfront"),
        Bin("condition_exact", "condition"),
        Bin("bathrooms_exact", "bathrooms"),
        Bin("bedrooms_exact", "bedrooms"),
        Bin("floors_exact", "floors"),
        Bin("living_10", "sqft_living", per_log_unit=10),
        Bin("living_5", "sqft_living", per_log_unit=5),
        Bin("living_3", "sqft_living", per_log_unit=3),
        Bin("lot_3", "sqft_lot", per_log_unit=3),
        Bin("living15_5", "sqft_living15", per_log_unit=5),
        Bin("basement_2", "sqft_basement", per_log_unit=2),
        Bin("decade_built", "yr_built", width=10),
        Bin("decade_renovated", "yr_renovated", width=10),
    ),
    # One grid parts neighbours at its lines; those that lie across them stand together in the shifted ones.
    grids=(
        Grid("cell_10km", "lat", "long", km=10),
        Grid("cell_4km", "lat", "long", km=4),
        Grid("cell_2km", "lat", "long", km=2),
        Grid("cell_1km", "lat", "long", km=1),
        Grid("cell_500m", "lat", "long", km=0.5),
        Grid("cell_4km_shifted", "lat", "long", km=4, shift=0.5),
        Grid("cell_2km_shifted", "lat", "long", km=2, shift=0.5),
        Grid("cell_1km_shifted", "lat", "long", km=1, shift=0.5),
    ),
    linear=(
        LinearNumber("sqft_living", log=True),
        LinearNumber("sqft_lot", log=True),
        LinearNumber("sqft_living15", log=True),
        LinearNumber("sqft_above", log=True),
        LinearNumber("sqft_lot15", log=True),
        LinearNumber("grade"),
        LinearNumber("bathrooms"),
        LinearNumber("bedrooms"),
        LinearNumber("view"),
        LinearNumber("waterfront"),
        LinearNumber("condition"),
        LinearNumber("floors"),
        LinearNumber("yr_built"),
        LinearNumber("sqft_basement"),
        LinearNumber("lat"),
        LinearNumber("long"),
    ),
    quotients=(
        Quotient("living_to_neighbours", "sqft_living", "sqft_living15", 0.3),
        Quotient("living_to_lot", "sqft_living", "sqft_lot", 0.3),
        Quotient("above_share", "sqft_above", "sqft_living", 0.2),
        Quotient("bathrooms_per_bedroom", "bathrooms", "bedrooms", 0.3),
    ),
    # Without the day: what prices did in the past months is no measure of what they will do in the next ones.
    local=LocalKernel(
        block="cell_10km",
        numbers=(
            LinearNumber("sqft_living", log=True),
            LinearNumber("sqft_lot", log=True),
            LinearNumber("sqft_living15", log=True),
            LinearNumber("sqft_lot15", log=True),
            LinearNumber("sqft_basement", log=True),
            LinearNumber("lat"),
            LinearNumber("long"),
            LinearNumber("grade"),
            LinearNumber("condition"),
            LinearNumber("view"),
            LinearNumber("waterfront"),
            LinearNumber("bathrooms"),
            LinearNumber("bedrooms"),
            LinearNumber("floors"),
            LinearNumber("yr_built"),
            LinearNumber("yr_renovated"),
        ),
        texts=("zipcode",),
    ),
    segments=("zipcode", "grade_exact"),
    fallback=("zipcode", "living_5"),
    # Seattle's Case-Shiller index (S&P CoreLogic, not seasonally adjusted; github.com/datasets/house-prices-us, PDDL),
    # as far as it was published when 2014 ended: it has seen springs, which the sales of May to December have not.
    published_index=Path(__file__).with_name("king_county_price_index.csv"),
)
