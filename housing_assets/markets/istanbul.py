"""Homes for sale in Istanbul, as scraped from ads: prices in Turkish lira, areas in square metres, texts in Turkish."""

from housing_assets.inference.declaration import (
    Bin,
    Column,
    LinearNumber,
    LocalKernel,
    PriceBands,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Breadcrumb, Day, Floor, Number, Rooms, Text, Years

# fmt: off
_DAY = Day(months=(
    "ocak", "subat", "mart", "nisan", "mayis", "haziran", "temmuz", "agustos", "eylul", "ekim", "kasim", "aralik",
))
# fmt: on
_LIRA = Number(units=("tl", "try", "₺"), of="Turkish lira (TL)", ignored=r"arrow_(?:down|up)ward\s*%\s*[\d.,]+")
"""The badge after a changed price is a percentage, not a digit of the price."""

_SQUARE_METRES = Number(units=("m2", "m²"), of="square metres (m2)")
_AGE = Years(or_more=("ve üzeri",), new=("yeni",))
_COUNT = Years(or_more=("ve üzeri",), new=("yeni",), none=("yok",))


def _number(
    name: str, minimum: float = 0.0, maximum: float = 1e9, scale: float = 1.0, unit: str = ""
) -> tuple[Value, ...]:
    return (Value(name, Role.NUMERIC, minimum, maximum, scale, unit),)


def _category(name: str) -> tuple[Value, ...]:
    return (Value(name, Role.CATEGORY),)


MARKET = Market(
    name="istanbul",
    title="Homes for sale in Istanbul",
    target=PriceBands(categories=("low", "medium", "high"), quantiles=(0.4, 0.8), currency="TRY", price_kind="asking"),
    columns=(
        Column("district", "kadikoy", Text(), _category("district"), required=True),
        Column("price", "3,100,000TL", _LIRA, (Value("price", Role.PRICE, 1_000, 1e11, unit="TRY"),), required=True),
        Column(
            "address",
            "Anasayfa > Satılık Daire > İstanbul Satılık Daire > Kadıköy Satılık Daire > Örnek Mahallesi Satılık Daire",
            Breadcrumb(),
            (
                Value("property_kind", Role.CATEGORY),
                Value("neighbourhood", Role.HASHED),
                Value("address", Role.HASHED, personal=True),
            ),
        ),
        Column("AdUpdateDate", "04 Mart 2022", _DAY, (Value("updated_on", Role.CLOCK),)),
        Column("Category", "Satılık", Text(), _category("category")),
        Column("GrossSquareMeters", "120 m2", _SQUARE_METRES, _number("gross_m2", 5, 200_000, 50, "m²"), required=True),
        Column("BuildingAge", "5-10", _AGE, (Value("building_age", Role.ORDINAL, 0, 500, 10, "years"),)),
        Column("NumberFloorsofBuilding", "5", _COUNT, _number("building_floors", 0, 200, 5)),
        Column("UsingStatus", "Boş", Text(), _category("using_status")),
        Column("EligibilityForInvestment", "Bilinmiyor", Text(), _category("investment")),
        Column("BuildStatus", "İkinci El", Text(), _category("build_status")),
        Column("TitleStatus", "Kat Mülkiyeti", Text(), _category("title_status")),
        Column("ItemStatus", "Boş", Text(), _category("item_status")),
        Column("NumberOfBathrooms", "1", _COUNT, _number("bathrooms", 0, 100)),
        Column("NumberOfWCs", "2", _COUNT, _number("wcs", 0, 100)),
        Column("AdCreationDate", "28 Şubat 2022", _DAY, (Value("created_on", Role.CLOCK),)),
        Column("Type", "Konut", Text(), _category("type")),
        Column("NetSquareMeters", "105 m2", _SQUARE_METRES, _number("net_m2", 0, 200_000, 50, "m²")),
        Column(
            "NumberOfRooms",
            "3+1",
            Rooms(words=("oda",), studio=("stüdyo", "studio")),
            (Value("rooms", Role.NUMERIC, 0, 200), Value("living_rooms", Role.NUMERIC, 0, 50)),
        ),
        Column(
            "FloorLocation",
            "3. Kat",
            Floor(storey="Kat", below_ground="kot"),
            (Value("floor_location", Role.CATEGORY), Value("floor", Role.NUMERIC, -10, 200, 5)),
        ),
        Column("HeatingType", "Kombi Doğalgaz", Text(), _category("heating_type")),
        Column("CreditEligibility", "Krediye Uygun", Text(), _category("credit_eligibility")),
        Column("InsideTheSite", "Hayır", Text(), _category("inside_the_site")),
        Column("StructureType", "Betonarme", Text(), _category("structure_type")),
        Column("MortgageStatus", "Yok", Text(), _category("mortgage")),
        Column("Swap", "Yok", Text(), _category("swap")),
        Column("Balcony", "Var", Text(), _category("balcony")),
        Column("PriceStatus", "Genel Fiyat", Text(), _category("price_status")),
        Column("RentalIncome", "5.500 TL", _LIRA, _number("rental_income", 0, 1e9, 5_000, "TRY a month")),
        Column("NumberOfBalconies", "1", _COUNT, _number("balconies", 0, 100)),
        Column("BalconyType", "Açık Balkon", Text(), _category("balcony_type")),
        Column("HallSquareMeters", "27 m2", _SQUARE_METRES, _number("hall_m2", 0, 200_000, 20, "m²")),
        Column("WCSquareMeters", "3 m2", _SQUARE_METRES, _number("wc_m2", 0, 200_000, 5, "m²")),
        Column("IsItVideoNavigable?", "Hayır", Text(), _category("video")),
        Column("Subscription", "175 TL", _LIRA, _number("dues", 0, 1e9, 200, "TRY a month")),
        Column("BathroomSquareMeters", "4 m2", _SQUARE_METRES, _number("bathroom_m2", 0, 200_000, 5, "m²")),
        Column("BalconySquareMeters", "5 m2", _SQUARE_METRES, _number("balcony_m2", 0, 200_000, 10, "m²")),
        # Not of the ads: lists that were put together from several sources say it of each row.
        Column("price_is_exact", "1", Number(), (Value("price_is_exact", Role.EXACT, 0, 1),)),
    ),
    bins=(
        Bin("age_years", "building_age"),
        Bin("room_count", "rooms"),
        Bin("gross_exact", "gross_m2"),
        Bin("gross_10", "gross_m2", 10),
        Bin("gross_5", "gross_m2", 5),
        Bin("net_10", "net_m2", 10),
        Bin("dues_exact", "dues"),
    ),
    quotients=(
        Quotient("net_share", "net_m2", "gross_m2", 0.2),
        Quotient("m2_per_room", "gross_m2", "rooms", 20),
    ),
    crosses=(
        ("district", "heating_type"),
        ("district", "floor_location"),
        ("district", "property_kind"),
        ("district", "age_years"),
        ("district", "gross_5"),
        ("district", "neighbourhood"),
        ("district", "neighbourhood", "heating_type"),
        ("district", "neighbourhood", "age_years"),
        ("district", "neighbourhood", "age_years", "heating_type"),
        ("district", "neighbourhood", "room_count"),
        ("district", "neighbourhood", "room_count", "age_years"),
        ("district", "neighbourhood", "gross_5"),
        ("district", "neighbourhood", "gross_exact", "room_count"),
        ("district", "neighbourhood", "floor_location"),
        ("district", "neighbourhood", "dues_exact"),
    ),
    # Of an address, what is not said by these is personal, and no more of it helps.
    local=LocalKernel(
        block="district",
        numbers=(
            LinearNumber("gross_m2", log=True),
            LinearNumber("net_share"),
            LinearNumber("building_age"),
            LinearNumber("rooms"),
            LinearNumber("floor"),
            LinearNumber("dues", log=True),
            LinearNumber("created_on"),
        ),
        texts=("neighbourhood", "property_kind", "heating_type", "floor_location"),
    ),
    segments=("district", "property_kind"),
    fallback=("district", "gross_5"),
    sample="housing_assets.markets.istanbul_sample:SAMPLE",
)
