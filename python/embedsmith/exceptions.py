"""Every error that embedsmith raises on purpose.

::

    EmbedsmithError (Exception)
    ├── ShapeError (ValueError)             an array's shape, dtype, layout, or a count such as k
    ├── NonFiniteError (ValueError)         NaN or infinity in an array
    ├── MeasureError (ValueError)           a measure that does not exist, or cannot be computed so
    ├── DataError (ValueError)              a data set that contradicts itself
    │   └── ParseError                      a file that cannot be read: path, line and column
    ├── ModelError (ValueError)             a model folder or name that cannot be used
    │   ├── UnsafeModelError                a model that would run code or unpickle
    │   └── ParityError                     an export that is too far from its original
    ├── DeviceError (RuntimeError)          a device asked for and not there
    ├── MissingDependencyError (ImportError)  an optional package that is not installed
    ├── OutOfMemoryError (MemoryError)      a result that no memory can hold
    │   └── DeviceMemoryError               a batch that a device's memory cannot hold
    ├── OutputError (OSError)               a place that cannot be written
    ├── CacheError (RuntimeError)           an embedding cache that cannot be used
    ├── ServiceError (RuntimeError)         a service that refuses, is silent, or answers nonsense
    ├── BudgetError (RuntimeError)          a limit of cost that the next request could pass
    ├── OfflineError (RuntimeError)         the network is needed, and forbidden
    └── ClusterError (RuntimeError)         a cluster that is not there, or lost what it held

Each message says what was seen, what was expected, and what to do.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CacheError",
    "ClusterError",
    "DataError",
    "DeviceError",
    "DeviceMemoryError",
    "EmbedsmithError",
    "MeasureError",
    "MissingDependencyError",
    "ModelError",
    "NonFiniteError",
    "OfflineError",
    "OutOfMemoryError",
    "OutputError",
    "ParityError",
    "ParseError",
    "ServiceError",
    "ShapeError",
    "UnsafeModelError",
]


class EmbedsmithError(Exception):
    """Root of all errors raised on purpose.

    Attributes
    ----------
    position : int or None
        Place of the item at fault in the sequence that was passed, where one item is.
    """

    position: int | None = None


class ShapeError(EmbedsmithError, ValueError):
    """An array has the wrong shape, dtype or memory layout, or a count is out of range."""


class NonFiniteError(EmbedsmithError, ValueError):
    """An array holds NaN or infinity; the message names the argument and the row."""


class MeasureError(EmbedsmithError, ValueError):
    """A measure does not exist or cannot be computed with these arguments."""


class DataError(EmbedsmithError, ValueError):
    """A data set contradicts itself: unknown ids, duplicates, empty parts."""


class ParseError(DataError):
    """A file cannot be read as its format; the message carries path, line and column."""


class ModelError(EmbedsmithError, ValueError):
    """A model folder or name cannot be used."""


class UnsafeModelError(ModelError):
    """A model would run its own code or be unpickled; embedsmith refuses both."""


class ParityError(ModelError):
    """An export is further from its original than its tolerance; the message says by how much."""


class DeviceError(EmbedsmithError, RuntimeError):
    """A device was asked for and is not there."""


class MissingDependencyError(EmbedsmithError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""


class OutOfMemoryError(EmbedsmithError, MemoryError):
    """A result is larger than the memory; the message holds its size."""


class DeviceMemoryError(OutOfMemoryError):
    """The memory of a device cannot hold a batch; smaller batches may fit."""


class OutputError(EmbedsmithError, OSError):
    """A place cannot be written."""


class CacheError(EmbedsmithError, RuntimeError):
    """An embedding cache cannot be used."""


class ServiceError(EmbedsmithError, RuntimeError):
    """A service on the network refused, did not answer, or answered what cannot be used."""


class BudgetError(EmbedsmithError, RuntimeError):
    """The next request could cost more than is allowed; it was not sent."""


class OfflineError(EmbedsmithError, RuntimeError):
    """Something needs the network, and the network is forbidden."""


class ClusterError(EmbedsmithError, RuntimeError):
    """A cluster is not connected, or lost what it held for good."""
