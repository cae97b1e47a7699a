"""Benchmarks of price estimates, beside the libraries ``quantile-forest`` and ``crepes``."""
