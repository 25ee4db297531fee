"""Texts compared by what they say letter by letter, without a model."""

from embedsmith.text._near_duplicates import TextPairs, near_duplicates

__all__ = ["TextPairs", "near_duplicates"]
