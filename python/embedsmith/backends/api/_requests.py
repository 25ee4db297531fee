"""Requests of an encoder: texts to vectors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from embedsmith._phrases import counted
from embedsmith.backends._texts import excerpt
from embedsmith.backends.api._attempts import Attempts, advice_for
from embedsmith.exceptions import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embedsmith._typing import F32Array, I64Array
    from embedsmith.backends._protocol import Role
    from embedsmith.backends.api._budget import Meter
    from embedsmith.backends.api._failure import Failure
    from embedsmith.backends.api._options import ApiOptions
    from embedsmith.backends.api._service import Service

__all__ = ["Requests"]

_BAD = frozenset({400, 413, 422})


class Requests:
    """Sends the requests of one encoder, from several threads.

    Parameters
    ----------
    service : Service
        What is asked.
    meter : Meter
        Reserves and counts.
    options : ApiOptions
        How patient to be.
    who : str
        Model and host, as the start of a sentence.
    """

    def __init__(self, service: Service, meter: Meter, options: ApiOptions, *, who: str) -> None:
        self._service, self._options, self._who = service, options, who
        self._attempts = Attempts(meter, options, who=who)
        self._lock = threading.Lock()

    def halt(self) -> None:
        """Try nothing again: the run has failed. What is on its way is still waited for."""
        self._attempts.halt()

    def resume(self) -> None:
        """Begin another run."""
        self._attempts.resume()

    def send(
        self,
        texts: Sequence[str] | Sequence[list[int]],
        role: Role,
        n_tokens: I64Array,
        *,
        shown: Sequence[str],
    ) -> F32Array:
        """Return the vectors of some texts.

        Parameters
        ----------
        texts : sequence of str, or of lists of token ids
            What is sent.
        role : {"query", "document"}
            What they are.
        n_tokens : ndarray of shape (n_texts,), int64
            The most that the service can count in each.
        shown : sequence of str
            The same texts, for messages.

        Raises
        ------
        ServiceError
            If the service refuses or goes on failing.
        BudgetError
            If the request could pass the limit of cost.
        """
        total = int(n_tokens.sum())

        def give_up(failure: Failure, failed: int, wait_s: float) -> ServiceError:
            return ServiceError(self._message(failure, failed, wait_s, n_tokens, shown))

        return self._attempts.until_answered(
            lambda: self._service.ask(texts, role),
            what=f"the next request ({counted(len(texts), 'text')}, up to {total:,} tokens)",
            n_tokens=total,
            give_up=give_up,
        ).vectors

    def _message(
        self,
        failure: Failure,
        failed: int,
        wait_s: float,
        n_tokens: I64Array,
        shown: Sequence[str],
    ) -> str:
        """Return what happened and what to do; what was embedded before is in the cache."""
        times = f" {counted(failed, 'time')} in a row" if failed > 1 else ""
        if failure.status in _BAD:
            longest = int(np.argmax(n_tokens))
            advice = (
                f"The longest of its {counted(len(shown), 'text')}: up to "
                f"{int(n_tokens[longest]):,} tokens ({excerpt(shown[longest])}). If it is too "
                "long, split it, or let it be cut (max_tokens=..., ApiOptions(truncate='END') for "
                "Cohere); if 'encoding_format' or 'dimensions' are not known there, "
                "ApiOptions(encoding_format='float'), or leave dimensions out."
            )
        else:
            advice = advice_for(failure, wait_s, self._options.patience_s)
        return f"{self._who} {failure.reason}{times}. {advice}"

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._service.close()
