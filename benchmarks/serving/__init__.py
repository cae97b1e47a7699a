"""Measures the service beside what does nothing and beside the usual ways of serving; see README.md."""
