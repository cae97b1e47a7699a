"""Measures the platform against the usual way of doing the same; see README.md."""
