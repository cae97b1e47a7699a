"""Where a listing comes from: the column ``origin`` that every listing has, from the source to promotion."""

ORIGIN = "origin"

SOURCE, SYNTHETIC, PRODUCTION = ORIGINS = ("source", "synthetic", "production")
"""Your listings, those of the market's generator, and answered requests whose truth came back."""
