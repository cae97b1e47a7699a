"""The whole numbers that scores are counted in, wherever they are computed."""

UNITS = 2**20
"""Coefficients are multiples of 1 / UNITS: sums of them are exact in float64 in any order, so that a batch, a single
request and another machine's arithmetic give the same bits."""

STEPS = 2**10
"""Standardized numbers are multiples of 1 / STEPS, for the same reason."""

FURTHEST = 4.0
"""Standard deviations from the mean beyond which a number says no more: a typing error would rule the score."""
