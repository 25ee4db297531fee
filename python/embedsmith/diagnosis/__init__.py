"""What is installed on this machine, what really runs, what is wrong, and what to do about it."""

from __future__ import annotations

from embedsmith.diagnosis._doctor import ABILITIES, doctor
from embedsmith.diagnosis._parts import Ability, Fact, Finding, Section
from embedsmith.diagnosis._result import Diagnosis
from embedsmith.diagnosis._text import Piece

__all__ = ["ABILITIES", "Ability", "Diagnosis", "Fact", "Finding", "Piece", "Section", "doctor"]
