"""A market of three columns whose target is a class, for what must work with any market."""

from housing_assets.inference.declaration import Classes, Column, Role, Value
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Number, Rooms, Text

MARKET = Market(
    name="shops",
    title="Shops",
    target=Classes(("A", "B")),
    columns=(
        Column("town", "Ede", Text(), (Value("town", Role.CATEGORY),), required=True),
        Column("area", "120 m2", Number(units=("m2",)), (Value("area", Role.NUMERIC),)),
        Column("rooms", "3+1", Rooms(), (Value("rooms", Role.NUMERIC), Value("living_rooms", Role.NUMERIC))),
        Column("grade", "A", Choice(("A", "B")), (Value("grade", Role.CLASS),), required=True),
    ),
)
