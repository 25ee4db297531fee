"""The command line: reads arguments, prints results, and computes nothing itself.

Results go to stdout; progress, notes and errors to stderr.
"""

from embedsmith.cli._main import main

__all__ = ["main"]
