"""What both sides read: the columns that are compared, and the files of a run. Nothing is imported for it."""

TEXTS = ("district", "neighbourhood", "address", "property_kind", "heating_type", "using_status")
NUMBERS = ("gross_m2", "net_m2", "building_age", "building_floors", "rooms", "bathrooms")
VALUES = (*TEXTS, *NUMBERS)
PREDICTED = "price_category"
PRICE = "price"
N_COLUMNS = len(VALUES) + 1
"""Values of a listing, and the category that was predicted."""

LISTINGS = "listings.pickle"
"""Typed listings that the model was trained and tried on."""

ARTIFACT = "artifact"
"""Folder of the model."""

PREDICTIONS = "predictions.pickle"
"""The model's answers for the listings held out."""

REFERENCE = "reference.json"
"""The platform's reference: of the model, with all values; in a folder of its own, of the columns compared."""

REFERENCE_FRAME = "reference.pickle"
WINDOW_FRAME = "window.pickle"

WINDOWS = "windows"
"""Folder of the windows that both sides judge."""

INDEX = "index.json"
"""Names of these windows, and whether prices are known in them."""

DAYS, PROFILES = "days", "profiles"
"""Folders of days of production, and of their profiles."""

ROWS_AT_ONCE = 20_000
"""Rows of a page of the prediction store, and so of a frame that production is profiled by."""
