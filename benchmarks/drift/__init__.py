"""Measures drift reports against those of Evidently, and how they grow; see README.md."""
