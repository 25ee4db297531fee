"""Exit codes, and how an error reaches the person at the terminal."""

from __future__ import annotations

import contextlib
import enum
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from embedsmith.exceptions import (
    BudgetError,
    CacheError,
    ClusterError,
    DataError,
    DeviceError,
    EmbedsmithError,
    MeasureError,
    MissingDependencyError,
    ModelError,
    NonFiniteError,
    OfflineError,
    OutputError,
    ParityError,
    ServiceError,
    ShapeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

__all__ = ["EXIT_CODES_HELP", "ExitCode", "exit_code_of", "guarded", "print_error", "to_stdout"]


# How the threads are named in which batches and requests run.
_WORKERS = ("embedsmith-batch", "embedsmith-synth")


class ExitCode(enum.IntEnum):
    """What a script can tell from how a command ended."""

    OK = 0
    GATE = 1
    USAGE = 2
    DATA = 3
    ENVIRONMENT = 4
    BUG = 70
    INTERRUPTED = 130


EXIT_CODES_HELP = """\
Exit codes:
  0    done
  1    a gate failed: compare --fail-if-worse found a model that is worse, an export is too far
       from its original, check-data found evaluation data in training, or the next request could
       have passed --max-cost
  2    usage: an option, a measure, or a model that does not exist
  3    data: a file or a data set that cannot be used
  4    environment: a missing package or device, a place that cannot be written, a service that
       fails or may not be asked
  70   a bug in embedsmith; the traceback is for its report
  130  interrupted
"""

_CODES: dict[type[EmbedsmithError], ExitCode] = {
    ShapeError: ExitCode.USAGE,
    MeasureError: ExitCode.USAGE,
    ModelError: ExitCode.USAGE,
    ParityError: ExitCode.GATE,
    NonFiniteError: ExitCode.DATA,
    DataError: ExitCode.DATA,
    DeviceError: ExitCode.ENVIRONMENT,
    MissingDependencyError: ExitCode.ENVIRONMENT,
    OutputError: ExitCode.ENVIRONMENT,
    CacheError: ExitCode.ENVIRONMENT,
    ClusterError: ExitCode.ENVIRONMENT,
    ServiceError: ExitCode.ENVIRONMENT,
    OfflineError: ExitCode.ENVIRONMENT,
    BudgetError: ExitCode.GATE,
}


def exit_code_of(error: EmbedsmithError) -> ExitCode:
    """Return the exit code of an error's class.

    Examples
    --------
    >>> from embedsmith.exceptions import ParseError
    >>> exit_code_of(ParseError("qrels.tsv:3:1: ..."))
    <ExitCode.DATA: 3>
    """
    for kind in type(error).__mro__:
        if kind in _CODES:
            return _CODES[kind]
    return ExitCode.ENVIRONMENT


def print_error(message: str) -> bool:
    """Write an error to stderr, without line breaks of ours: commands in it can be copied.

    Returns
    -------
    bool
        Whether that was possible.
    """
    return _say(f"error: {message}\n")


def _say(text: str) -> bool:
    """Write to stderr, and tell whether it took it: the disk of a log may be full.

    The exit code has to reach whoever asked all the same; Python's own would read as a failed gate.
    """
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except BrokenPipeError:
        raise
    except OSError:
        _drop(sys.stderr)
        return False
    return True


@contextlib.contextmanager
def guarded(*, debug: bool = False, kept: str | Callable[[], str] = "") -> Iterator[None]:
    """Turn an error of the block into one printed message and the exit code of its class.

    An error that embedsmith did not foresee is a bug: it keeps its traceback, and a code of its
    own, since Python's would read as a failed gate.

    Parameters
    ----------
    debug : bool
        Print the traceback of foreseen errors too; the environment variable
        ``EMBEDSMITH_DEBUG=1`` does the same.
    kept : str or callable
        What an interrupted command leaves and how to go on; a callable looks when it happens.

    Raises
    ------
    SystemExit
        With the exit code, when the block failed.
    """
    try:
        yield
    except EmbedsmithError as error:
        if debug or os.environ.get("EMBEDSMITH_DEBUG", "0") not in {"", "0"}:
            _say(traceback.format_exc())
        print_error(str(error))
        raise SystemExit(int(exit_code_of(error))) from None
    except KeyboardInterrupt:
        left = kept if isinstance(kept, str) else kept()
        _say(f"\ninterrupted. {left}".rstrip() + "\n")
        if any(thread.name.startswith(_WORKERS) for thread in threading.enumerate()):
            # Given up by a second Ctrl-C. Python would wait for them before it ends: for a service
            # that hangs, minutes. What is kept is written such that it survives kill -9.
            os._exit(int(ExitCode.INTERRUPTED))
        raise SystemExit(int(ExitCode.INTERRUPTED)) from None
    except BrokenPipeError:
        # Who reads our output has seen enough: "| head" is no error.
        _drop(sys.stdout)
        raise SystemExit(int(ExitCode.OK)) from None
    except Exception as error:  # noqa: BLE001 - nothing is carried on: it ends here, and says so
        said = _say(traceback.format_exc()) and print_error(
            "this is a bug in embedsmith, not in what you typed. "
            "Report it with the lines above and the command."
        )
        # Where stderr cannot be written, it was the progress that could not.
        silent = isinstance(error, OSError) and not said
        raise SystemExit(int(ExitCode.ENVIRONMENT if silent else ExitCode.BUG)) from None


@contextlib.contextmanager
def to_stdout() -> Iterator[None]:
    """Turn a failing standard output of the block, which does nothing but print, into our error.

    Raises
    ------
    OutputError
        If stdout cannot be written: a full disk, a device that went away. A reader that went
        away is no such error, and passes as it is.
    """
    try:
        yield
        # None if it is closed: then nobody asked for the output.
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop(sys.stdout)
        msg = (
            f"the output cannot be written: {error.strerror or error}. Free space where it goes, "
            "or send it elsewhere."
        )
        raise OutputError(msg) from error


def _drop(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: Python would fail over it once more at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
