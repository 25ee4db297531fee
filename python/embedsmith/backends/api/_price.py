"""What a token costs: a table with sources and dates; an unknown price is never guessed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedsmith._phrases import counted
from embedsmith.exceptions import DataError

if TYPE_CHECKING:
    from embedsmith._typing import Json

__all__ = ["PRICES_VARIABLE", "Price", "find_price"]

PRICES_VARIABLE = "EMBEDSMITH_PRICES"
_SCHEMA = "embedsmith.prices/1"
_FIELDS = ("host", "model", "usd_per_million_tokens", "date", "source")
_INPUT, _OUTPUT = "usd_per_million_tokens", "usd_per_million_output_tokens"
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Price:
    """What a service asks for the tokens that it reads.

    Attributes
    ----------
    host, model : str
        Who asks, and for which model.
    usd_per_million_tokens : Decimal
        US dollars per million tokens, before taxes and discounts.
    date, source : str
        When it was looked up, and where.
    usd_per_million_output_tokens : Decimal or None
        Likewise for tokens that it writes; None of a model that writes none, or where the table
        does not say.
    """

    host: str
    model: str
    usd_per_million_tokens: Decimal
    date: str
    source: str
    usd_per_million_output_tokens: Decimal | None = None

    def cost(self, n_tokens: int, n_output_tokens: int = 0) -> Decimal:
        """Return US dollars for a number of tokens, exactly.

        Parameters
        ----------
        n_tokens : int
            As the service counts them.
        n_output_tokens : int, default 0
            Those that it wrote.

        Returns
        -------
        Decimal
            US dollars.

        Examples
        --------
        >>> price = Price("api.example.com", "m", Decimal("0.02"), "2026-05", "its price list")
        >>> price.cost(1_500_000)
        Decimal('0.03')
        """
        written = (self.usd_per_million_output_tokens or Decimal(0)) * n_output_tokens
        return ((self.usd_per_million_tokens * n_tokens + written) / _MILLION).normalize()

    def to_dict(self) -> Json:
        """Return plain values for JSON."""
        written = self.usd_per_million_output_tokens
        return {
            "host": self.host,
            "model": self.model,
            "usd_per_million_tokens": str(self.usd_per_million_tokens),
            **({} if written is None else {_OUTPUT: str(written)}),
            "date": self.date,
            "source": self.source,
        }


def find_price(host: str, model: str, table: str | os.PathLike[str] | None = None) -> Price | None:
    """Return the price of a model at a host, None if no table holds it.

    The user's table goes before the one that comes with the package. A host is part of a price:
    the same model's name at another service says nothing about what that one asks.

    Parameters
    ----------
    host, model : str
        As in `Price`.
    table : path, optional
        The user's table; None: the one that ``$EMBEDSMITH_PRICES`` names, if any.

    Raises
    ------
    DataError
        If the table cannot be read; names file and entry.
    """
    named = os.environ.get(PRICES_VARIABLE) if table is None else os.fspath(table)
    shipped = resources.files("embedsmith.backends.api").joinpath("prices.json")
    prices = _parsed(shipped.read_text(encoding="utf-8"), "prices.json")
    if named:
        prices = [*_read(Path(named).expanduser()), *prices]
    return next((p for p in prices if p.host == host and p.model == model), None)


def _read(path: Path) -> list[Price]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"The price table {path} cannot be read: {error}. Name a readable file with "
            f"ApiOptions(prices=...) (--prices) or {PRICES_VARIABLE}."
        )
        raise DataError(msg) from error
    return _parsed(text, str(path))


def _parsed(text: str, path: str) -> list[Price]:
    try:
        table: Any = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{path}:{error.lineno}:{error.colno}: no JSON ({error.msg}). Mend the price table."
        raise DataError(msg) from error
    if not isinstance(table, dict) or table.get("schema") != _SCHEMA:
        msg = (
            f'{path} is no price table: {{"schema": "{_SCHEMA}", "prices": [...]}} is expected, '
            f"each price with {', '.join(_FIELDS)}."
        )
        raise DataError(msg)
    prices = table.get("prices")
    if not isinstance(prices, list):
        msg = f"{path}: 'prices' is no list. Write one price after the other into [...]."
        raise DataError(msg)
    return [_price(entry, f"{path}: prices[{at}]") for at, entry in enumerate(prices)]


def _price(entry: Any, where: str) -> Price:
    missing = [name for name in _FIELDS if not isinstance(entry, dict) or not entry.get(name)]
    if missing:
        msg = (
            f"{where} lacks {counted(len(missing), 'field')}: {', '.join(missing)}. Write all of "
            f"{', '.join(_FIELDS)}, the number as a string."
        )
        raise DataError(msg)
    others = {name: str(entry[name]) for name in _FIELDS if name != _INPUT}
    return Price(
        usd_per_million_tokens=_amount(entry, _INPUT, where),
        usd_per_million_output_tokens=_amount(entry, _OUTPUT, where) if _OUTPUT in entry else None,
        **others,
    )


def _amount(entry: Json, name: str, where: str) -> Decimal:
    try:
        # Through a string: a float of JSON is not the number that was written.
        amount = Decimal(str(entry[name]))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        msg = (
            f'{where}: {name} is {entry[name]!r}; a number of dollars is expected, such as "0.02".'
        )
        raise DataError(msg)
    return amount
