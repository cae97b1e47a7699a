"""Where a listing comes from: the column ``origin`` that every listing has, from the source to promotion."""

ORIGIN = "origin"

SOURCE, SYNTHETIC, PRODUCTION = ORIGINS = ("source", "synthetic", "production")
"""Your listings, those of the market's generator, and answered requests whose truth came back."""

ASKED_ON, REPORTED_ON = WHEN = ("asked_on", "reported_on")
"""Columns of every listing: the days of production on which a labelled one was asked for, and its truth came back."""
