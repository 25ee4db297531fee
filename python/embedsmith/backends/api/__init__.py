"""Encoders at services on the network: OpenAI-compatible ones and Cohere.

Importing this package loads no vendor's client.
"""

from __future__ import annotations

from embedsmith.backends.api._budget import Budget
from embedsmith.backends.api._options import ApiOptions
from embedsmith.backends.api._price import Price

__all__ = ["ApiOptions", "Budget", "Price"]
