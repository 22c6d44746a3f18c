"""Transforms: from a function to its derivatives."""
