"""The model card of a version: what it learned from, what it is fit for, how good it is, and where it comes from."""
