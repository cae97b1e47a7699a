"""Benchmarks of explanations, beside the library ``shap``."""
