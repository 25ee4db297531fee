"""An encoder whose model runs at a service."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from embedsmith.backends._batches import encode_texts
from embedsmith.backends._protocol import TokenizedTexts
from embedsmith.backends._texts import excerpt
from embedsmith.backends.api._canary import PROBE, check_canary, keep_canary
from embedsmith.backends.api._requests import Requests
from embedsmith.backends.api._tokens import ExactTokens
from embedsmith.exceptions import DataError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from embedsmith._typing import F32Array, I64Array, Json, Metric
    from embedsmith.backends._cache import EmbeddingStore
    from embedsmith.backends._fingerprint import Fingerprint
    from embedsmith.backends._protocol import Embedded, Progress, Role
    from embedsmith.backends.api._budget import Meter
    from embedsmith.backends.api._limits import Limits
    from embedsmith.backends.api._options import ApiOptions
    from embedsmith.backends.api._service import Service
    from embedsmith.backends.api._tokens import TokenCounter

__all__ = ["ApiEncoder"]

_logger = logging.getLogger(__name__)

# Texts in a request unless the caller names another number: few enough that little is lost with a
# request, enough that requests are not what is waited for.
_TEXTS = 128


class ApiEncoder:
    """Embeds texts at a service; made by `load_encoder`.

    Sends nothing before the first text has to be embedded, and then says first where to. A service
    is asked for each text once: what it answered is in the cache before the next answer is looked
    at, so a run that was stopped, or killed, sends only what it had no answer for.

    Parameters
    ----------
    service : Service
        The vendor's client.
    spec, name : str
        What to show.
    fingerprint : Fingerprint
        Of the space.
    counter : TokenCounter
        Counts tokens here.
    limits : Limits
        Of the service.
    meter : Meter
        Counts tokens and cost.
    prompts : mapping of role to str
        Put before each text.
    options : ApiOptions
        How to ask.
    batch_size : int, optional
        Texts in a request.
    dimensions, max_tokens : int, optional
        As `load_encoder` takes them.

    Attributes
    ----------
    meter : Meter
        What was used so far.
    counter : TokenCounter
        ``counter.how`` says how tokens are counted.
    """

    # A service's bits are its own: they differ between two equal requests as well. What was paid
    # for is kept however it was batched.
    batch_invariant = True
    tokenize_ahead = False
    metric: Metric = "cosine"
    remedy = "Drop this text, or ask who runs the service."

    def __init__(
        self,
        service: Service,
        *,
        spec: str,
        name: str,
        fingerprint: Fingerprint,
        counter: TokenCounter,
        limits: Limits,
        meter: Meter,
        prompts: Mapping[Role, str],
        options: ApiOptions,
        batch_size: int | None = None,
        dimensions: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self.spec, self.name, self.fingerprint = spec, name, fingerprint
        self.counter, self.limits, self.meter = counter, limits, meter
        self.max_tokens = max_tokens
        self.batch_size = min(limits.texts, _TEXTS if batch_size is None else batch_size)
        self.token_budget = limits.tokens
        self.in_flight = options.in_flight
        self.device = service.endpoint.host
        self.producer: Json = {"device": service.endpoint.host}
        self._service, self._options, self._prompts = service, options, dict(prompts)
        self._requests = Requests(service, meter, options, who=f"{name} at {self.device}")
        self._dim = limits.dim if dimensions is None else dimensions
        self._lock = threading.RLock()
        self._probe: F32Array | None = None
        self._store: EmbeddingStore | None = None
        self._announced = self._checked = False

    def __repr__(self) -> str:
        return f"ApiEncoder({self.spec!r}, host={self.device!r})"

    @property
    def paid(self) -> bool:
        """Whether a text may cost something: unless its price is known to be nothing."""
        return self.meter.price is None or self.meter.price.usd_per_million_tokens > 0

    @property
    def too_long(self) -> str:
        """What becomes of a text that is longer than the model takes, for people."""
        if self.max_tokens is not None:
            counts = "and counted" if self.counter.exact else "and those that may be are counted"
            return f"cut at {self.max_tokens:,} tokens, {counts}"
        if self.limits.text_tokens is not None:
            return "refused"
        return "refused or cut by the service, which does not say"

    @property
    def known_dim(self) -> int | None:
        """Width of a vector as far as it is known without asking."""
        return self._dim

    @property
    def dim(self) -> int:
        """Width of a vector; asks the service for one vector if it is not known."""
        if self._dim is None:
            with self._lock:
                if self._dim is None:
                    self._dim = len(self._probed())
        return self._dim

    def assume_dim(self, dim: int | None) -> None:
        """Take the width from vectors that are stored, so that the service need not be asked."""
        if self._dim is None:
            self._dim = dim

    def bind_store(self, store: EmbeddingStore | None) -> None:
        """Hear where vectors will be kept, for the canary; None: nowhere any more."""
        with self._lock:
            if store is not self._store:
                self._store, self._checked = store, False

    def prompt(self, role: Role) -> str:
        """Return the text that is put before each text of this role."""
        return self._prompts[role]

    def token_limit(self, role: Role) -> int | None:  # noqa: ARG002 - the same for both roles
        """Return where texts are cut; None: here nowhere."""
        return self.max_tokens

    def count_tokens(self, texts: Sequence[str], role: Role) -> I64Array:
        """Return the tokens of prompt and text; at least as many as the service will count."""
        prompt = self._prompts[role]
        return self.counter.count([prompt + text for text in texts] if prompt else list(texts))

    def tokenize(self, texts: Sequence[str], role: Role) -> TokenizedTexts:
        """Return the texts with their token counts."""
        return TokenizedTexts(texts, role, self.count_tokens(texts, role))

    def refuse_texts(
        self, texts: Sequence[str], role: Role, position: Callable[[int], int]
    ) -> None:
        """Refuse what the service would, before any text is paid for.

        Parameters
        ----------
        texts : sequence of str
            Those that would be sent.
        role : {"query", "document"}
            What they are.
        position : callable
            From a place in ``texts`` to where the caller passed it.

        Raises
        ------
        DataError
            Naming the first text that is empty, where the service takes none, or known to be too
            long.
        """
        prompt, limit = self._prompts[role], self.limits.text_tokens
        if not self.limits.takes_empty and not prompt:
            at = next((at for at, text in enumerate(texts) if not text), None)
            if at is not None:
                msg = (
                    f"texts[{position(at)}] is empty, and {self.device} takes no empty text. "
                    f"Drop it, or give each {role} a prompt ({role}_prompt=...)."
                )
                raise DataError(msg)
        if limit is None or self.max_tokens is not None or not self.counter.exact:
            return
        # A token is a byte at least, so only long texts need counting.
        long = [at for at, text in enumerate(texts) if 4 * (len(prompt) + len(text)) > limit]
        counts = self.count_tokens([texts[at] for at in long], role)
        for at, n_tokens in zip(long, counts.tolist(), strict=True):
            if n_tokens > limit:
                msg = (
                    f"texts[{position(at)}] ({excerpt(texts[at])}) has {n_tokens:,} tokens, and "
                    f"{self.name} at {self.device} takes {limit:,}. Split it, or cut all texts "
                    f"with max_tokens={limit} (--max-tokens {limit})."
                )
                raise DataError(msg)

    def encode_tokenized(self, tokenized: TokenizedTexts, positions: I64Array) -> F32Array:
        """Return the vectors of one request.

        Raises
        ------
        ServiceError
            If the service refuses, stays silent, or answers what cannot be used.
        BudgetError
            If the request could pass the limit of cost; it is not sent.
        CacheError
            If the service's model is not the one that the cache was begun with.
        """
        self._begin()
        texts = [tokenized.texts[at] for at in positions]
        prompt = self._prompts[tokenized.role]
        prompted = [prompt + text for text in texts] if prompt else texts
        n_tokens = tokenized.n_tokens[positions]
        sent: Sequence[Any] = prompted
        if self.max_tokens is not None:
            n_tokens = np.minimum(n_tokens, self.max_tokens)
            if isinstance(self.counter, ExactTokens) and bool(
                (tokenized.n_tokens[positions] > self.max_tokens).any()
            ):
                # Ids, since a text cut between two tokens need not be a text.
                sent = [ids[: self.max_tokens] for ids in self.counter.ids(prompted)]
        answer = self._requests.send(sent, tokenized.role, n_tokens, shown=texts)
        self._refuse_width(answer.shape[1])
        return answer

    def encode_batch(self, texts: Sequence[str], role: Role) -> F32Array:
        """Return the vectors of one request over texts that are not counted yet."""
        return self.encode_tokenized(self.tokenize(texts, role), np.arange(len(texts)))

    def encode(
        self,
        texts: Sequence[str],
        *,
        role: Role,
        batch_size: int | None = None,
        progress: Progress | None = None,
        token_progress: Progress | None = None,
    ) -> Embedded:
        """Embed texts; see `Encoder.encode`."""
        return encode_texts(
            self,
            texts,
            role=role,
            batch_size=None if batch_size is None else min(batch_size, self.limits.texts),
            progress=progress,
            token_progress=token_progress,
        )

    def announce(self) -> None:
        """Say where texts go, once."""
        with self._lock:
            if self._announced:
                return
            self._announced = True
            where = "on this machine" if self._service.endpoint.loopback else "on the network"
            price = self.meter.price
            cost = (
                "at no known price"
                if price is None
                else f"at ${price.usd_per_million_tokens} per million tokens (as of {price.date})"
            )
            _logger.warning(
                "%s: texts are sent to %s, %s, %s; tokens counted here: %s; texts that are too "
                "long: %s.",
                self.spec,
                self.device,
                where,
                cost,
                self.counter.how,
                self.too_long,
            )

    def _begin(self) -> None:
        """Say where texts go, and see that the model is the one that the cache was begun with."""
        self.announce()
        if self._options.canary and not self._checked:
            with self._lock:
                self._check()

    def _check(self) -> None:
        # Another thread may have been here meanwhile.
        if self._checked or self._store is None:
            return
        vector = self._probed()
        if not check_canary(self._store, vector, f"{self.name} at {self.device}"):
            self._refuse_width(len(vector))
            keep_canary(self._store, vector)
        self._checked = True

    def _refuse_width(self, width: int) -> None:
        """Refuse vectors of another width than those of this space.

        Raises
        ------
        ServiceError
            If it is another.
        """
        if width != self.dim:
            msg = (
                f"{self.name} at {self.device} answered vectors of {width:,} columns; "
                f"{self.dim:,} were expected. If the service does not know 'dimensions', leave "
                "them out; if its model was changed, name another cache folder (cache=...)."
            )
            raise ServiceError(msg)

    def _probed(self) -> F32Array:
        """Return the vector of the probe as the service answers it in this run."""
        with self._lock:
            if self._probe is None:
                self.announce()
                n_tokens = self.counter.count([PROBE])
                self._probe = self._requests.send([PROBE], "document", n_tokens, shown=[PROBE])[0]
            return self._probe

    def halt(self) -> None:
        """Let requests that failed, or wait for a better moment, end: their run has failed."""
        self._requests.halt()

    def resume(self) -> None:
        """Begin another run."""
        self._requests.resume()

    def close(self) -> None:
        """Close the connections; they are opened again if they are needed again."""
        self._requests.close()

    def describe(self) -> Json:
        """Return what a result says of the service: host, counting, price; no key."""
        return {
            "host": self.device,
            "tokens": self.counter.how,
            "tokens_exact": self.counter.exact,
            "too_long": self.too_long,
        }
