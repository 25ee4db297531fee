"""Types of the native extension; ``mypy.stubtest`` compares them with the built module."""

__version__: str
