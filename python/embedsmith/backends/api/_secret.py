"""Keys: from the environment to the vendor's client, and nowhere else."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from embedsmith.exceptions import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Secret"]

_TALKATIVE = frozenset(
    {"cohere", "h11", "hpack", "httpcore", "httpcore2", "httpx", "httpx2", "openai"}
)


class Secret:
    """A key that shows itself to nobody who does not ask for it by name.

    Parameters
    ----------
    variables : tuple of str
        Names of environment variables; the first that is set is read.
    required : bool
        Whether a service is not asked without one.

    Raises
    ------
    ModelError
        If none is set and one is required, or it cannot be a key. The message holds no part of it.
    """

    __slots__ = ("_reveal", "variable")

    def __init__(self, variables: tuple[str, ...], *, required: bool) -> None:
        self.variable: str | None = next(
            (name for name in variables if os.environ.get(name, "").strip()), None
        )
        if self.variable is None:
            if required:
                named = " or ".join(variables)
                msg = (
                    f"No key: {named} is not set. Keys are read from the environment only: "
                    f"export {variables[0]}=..."
                )
                raise ModelError(msg)
            self._reveal: Callable[[], str] = lambda: ""
            return
        value = os.environ[self.variable].strip()
        # A line break would end up, with the key, in the HTTP library's error message.
        usable = value.isascii() and value.isprintable() and " " not in value
        if not usable:
            del value
            msg = (
                f"{self.variable} is not a key: it holds blanks, line breaks or characters other "
                "than ASCII. Copy the key again."
            )
            raise ModelError(msg)
        # A closure, so that no attribute, repr, pickle or listing of locals shows the value.
        self._reveal = lambda: value

    def reveal(self) -> str:
        """Return the key; empty if there is none."""
        return self._reveal()

    def scrub(self, text: str) -> str:
        """Return a text without the key, should a server have echoed it."""
        value = self._reveal()
        return text.replace(value, f"${self.variable}") if value else text

    def guard_logs(self) -> None:
        """Take the key out of what the HTTP libraries log: at DEBUG, all that a server sends.

        Called once their modules are loaded, since a filter is of one logger.
        """
        if not self._reveal():
            return
        for name in list(logging.root.manager.loggerDict):
            if name.partition(".")[0] in _TALKATIVE:
                logger = logging.getLogger(name)
                if not any(isinstance(f, _Scrubber) and f.secret is self for f in logger.filters):
                    logger.addFilter(_Scrubber(self))

    def __repr__(self) -> str:
        return f"Secret({self.variable})"

    def __reduce__(self) -> str:
        msg = "a key is not pickled; open the encoder again in the other process"
        raise TypeError(msg)


_FORMATTER = logging.Formatter()


class _Scrubber(logging.Filter):
    """Lets every record pass, without the key."""

    def __init__(self, secret: Secret) -> None:
        super().__init__()
        self.secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that holds the key."""
        message = record.getMessage()
        scrubbed = self.secret.scrub(message)
        if scrubbed != message:
            record.msg, record.args = scrubbed, ()
        if record.exc_info:
            # A vendor's error as well may quote what the server sent.
            text = _FORMATTER.formatException(record.exc_info)
            if self.secret.scrub(text) != text:
                record.exc_text, record.exc_info = self.secret.scrub(text), None
        return True
