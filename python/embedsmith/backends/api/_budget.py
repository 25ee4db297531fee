"""What requests cost, counted before they are sent."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from embedsmith.exceptions import BudgetError, ShapeError

if TYPE_CHECKING:
    from embedsmith._typing import Json
    from embedsmith.backends.api._price import Price

__all__ = ["Budget", "Meter", "Reservation"]

_COUNTS = ("n_requests", "n_attempts", "n_tokens", "n_tokens_uncertain", "waited_s")


class Budget:
    """A limit of US dollars that several encoders share and no request can pass.

    A request reserves the most that it can cost before it is sent, and gives back what it did not
    use when its answer says how many tokens were read. So the limit holds whatever is in flight.

    Parameters
    ----------
    max_cost : float, str or Decimal, optional
        US dollars, 0 or more; None: no limit, the cost is counted all the same.

    Raises
    ------
    ShapeError
        If it is no such number.

    Examples
    --------
    >>> Budget("0.50").max_cost
    Decimal('0.50')
    """

    def __init__(self, max_cost: float | str | Decimal | None = None) -> None:
        self.max_cost = None if max_cost is None else _dollars(max_cost)
        self._spent = Decimal(0)
        self._reserved = Decimal(0)
        self._changed = threading.Condition()

    @property
    def spent(self) -> Decimal:
        """US dollars of the requests so far; of one that failed half-way, the most it can cost."""
        return self._spent

    def reserve(self, most: Decimal, what: str) -> Decimal:
        """Set money aside for a request, waiting for others in flight if they may leave enough.

        Parameters
        ----------
        most : Decimal
            The most that it can cost.
        what : str
            The request, for the message.

        Returns
        -------
        Decimal
            What was reserved: ``most``.

        Raises
        ------
        BudgetError
            If it does not fit; nothing is reserved then.
        """
        with self._changed:
            while self.max_cost is not None and self._spent + self._reserved + most > self.max_cost:
                if self._spent + most > self.max_cost or not self._reserved:
                    raise BudgetError(self._refusal(most, what))
                self._changed.wait()
            self._reserved += most
        return most

    def settle(self, reserved: Decimal, cost: Decimal) -> None:
        """Give back a reservation and count what the request did cost.

        Parameters
        ----------
        reserved : Decimal
            What `reserve` returned.
        cost : Decimal
            US dollars that it did cost.
        """
        with self._changed:
            self._reserved -= reserved
            self._spent += cost
            self._changed.notify_all()

    def _refusal(self, most: Decimal, what: str) -> str:
        return (
            f"Stopped before the limit of cost: ${self._spent:f} of ${self.max_cost:f} are spent, "
            f"and {what} could cost ${most:f}. It was not sent. What was answered is kept: raise "
            "max_cost (--max-cost) and run again, and it goes on from there."
        )


@dataclass(frozen=True)
class Reservation:
    """Money set aside for one attempt."""

    n_tokens: int
    amount: Decimal
    n_output_tokens: int = 0


@dataclass
class Meter:
    """What one encoder used.

    Attributes
    ----------
    price : Price or None
        None if no table holds it: then tokens are counted, and no cost is guessed.
    budget : Budget
        Shared with other encoders of the same run.
    """

    price: Price | None
    budget: Budget
    n_requests: int = 0
    n_attempts: int = 0
    n_tokens: int = 0
    n_output_tokens: int = 0
    n_tokens_uncertain: int = 0
    waited_s: float = 0.0
    cost: Decimal = Decimal(0)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reserve(self, n_tokens: int, what: str, n_output_tokens: int = 0) -> Reservation:
        """Set aside what an attempt can cost.

        Parameters
        ----------
        n_tokens : int
            The most tokens that the service can count in it.
        what : str
            The request, for a message.
        n_output_tokens : int, default 0
            The most that it can write.

        Raises
        ------
        BudgetError
            If that passes the limit.
        """
        most = self._cost(n_tokens, n_output_tokens)
        amount = self.budget.reserve(most, what)
        with self._lock:
            self.n_attempts += 1
        return Reservation(n_tokens, amount, n_output_tokens)

    def answered(
        self, reservation: Reservation, n_tokens: int | None, n_output_tokens: int | None = 0
    ) -> Decimal:
        """Count an answer, by the tokens that the service says it took, else by the bound.

        Returns
        -------
        Decimal
            US dollars that it cost; 0 without a price.
        """
        used = reservation.n_tokens if n_tokens is None else n_tokens
        wrote = reservation.n_output_tokens if n_output_tokens is None else n_output_tokens
        cost = self._settle(reservation, used, wrote)
        with self._lock:
            self.n_requests += 1
            self.n_tokens += used
            self.n_output_tokens += wrote
        return cost

    def refused(self, reservation: Reservation) -> None:
        """Count an attempt that the service turned away unread: it costs nothing."""
        self._settle(reservation, 0, 0)

    def lost(self, reservation: Reservation) -> None:
        """Count an attempt without a usable answer: the service may ask for all of it."""
        self._settle(reservation, reservation.n_tokens, reservation.n_output_tokens)
        with self._lock:
            self.n_tokens_uncertain += reservation.n_tokens + reservation.n_output_tokens

    def waited(self, seconds: float) -> None:
        """Count time spent waiting because the service asked for it or failed."""
        with self._lock:
            self.waited_s += seconds

    def _settle(self, reservation: Reservation, n_tokens: int, n_output_tokens: int) -> Decimal:
        cost = self._cost(n_tokens, n_output_tokens)
        self.budget.settle(reservation.amount, cost)
        with self._lock:
            self.cost += cost
        return cost

    def _cost(self, n_tokens: int, n_output_tokens: int) -> Decimal:
        return Decimal(0) if self.price is None else self.price.cost(n_tokens, n_output_tokens)

    def to_dict(self, since: Json | None = None) -> Json:
        """Return plain values for JSON: no cost without a price.

        Parameters
        ----------
        since : dict, optional
            An earlier one, to return only what came after.
        """
        counts = {name: getattr(self, name) for name in _COUNTS}
        cost = self.cost
        if since is not None:
            counts = {name: count - since[name] for name, count in counts.items()}
            cost -= Decimal(since["cost_usd"] or 0)
        return {
            **counts,
            "cost_usd": None if self.price is None else f"{cost:f}",
            "price": None if self.price is None else self.price.to_dict(),
        }


def _dollars(value: Any) -> Decimal:
    try:
        # Through a string, so that 0.1 is a tenth of a dollar.
        amount = Decimal(str(value).strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0 or isinstance(value, bool):
        msg = f"max_cost={value!r} is no number of US dollars; pass one such as max_cost=2.5."
        raise ShapeError(msg)
    return amount
