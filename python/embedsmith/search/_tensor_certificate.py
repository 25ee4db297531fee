r"""Upper bounds on canonical scores from one low-precision product, proved.

A pass that keeps every row whose upper bound reaches the k-th best score found so far loses no row
that belongs to the answer. Here the bound itself is what the matrix product returns: vectors get a
few more columns, whose products add up to the error. So there is one product and one comparison
per tile, and no bound is wider than its own pair needs.

Scaling
-------
For a query ``q`` and a row ``x`` write ``q' = s q`` and ``x' = t x``, with float64 factors:

====== ========================= ==================================== ============================
metric ``s``                     ``t``                                truth ``T``
====== ========================= ==================================== ============================
cosine ``1 / |q|``               ``1 / |x|``                          the canonical score
dot    power of 2, ``|q'| < 1``  power of 2, a typical ``|x'| < 1``   score times ``s t``
l2     power of 2, at most ``t`` the same                             ``(|q|^2 - score) s t / 2``
====== ========================= ==================================== ============================

(0 for a zero vector under cosine.) ``T`` orders a query's rows as the canonical score does. For l2
it is ``q' . x' - c h`` with ``c = s / t <= 1`` and ``h = |x'|^2 / 2``, up to the canonical score's
own rounding. The factors keep float16 in its range. A row longer than ``2**14`` in this scale
(``2**7`` for l2) is not encoded: its bound is infinite, so it is always scored.

What is multiplied
------------------
``q^`` and ``x^`` are ``q'`` and ``x'`` rounded to the format, and ``a >= |q^ - q'|``,
``b >= |x^ - x'|`` what that took, measured vector by vector. For l2, ``h^`` is ``h`` as a sum of
two numbers of the format, ``d >= |h^ - h|`` what they lack, and ``c^`` is ``c``, or 0 where the
format has no number that small. By Cauchy and Schwarz, and since ``0 <= c^ <= c``,

.. math:: q^ . x^ \ge q' . x' - a (|x'| + b) - |q'| b, \qquad  -c^ h^ \ge -c h - c d.

What the sum loses
------------------
Products of two numbers of 8 or 11 bits are exact in float32. The order of the additions is not
known, and tensor cores do not round them as IEEE 754 does. Measured, and modelled bit for bit
([1]_, [2]_, [3]_): a unit adds a block of 4 to 16 products and the running sum at once, each
addend cut (in whatever direction) to at least 23 fraction bits below the largest of them, and cuts
the result to float32; sums of blocks are added in float32. An addend thus loses at most ``2**-23``
of the largest, and so of the mass ``M``, the sum of all products' absolute values. For ``K``
products in blocks of 4 or more these are at most ``K`` products, ``K / 4`` running sums and
``K / 4`` results, and at most ``K / 4`` additions of partial sums. With room for the growth of the
errors themselves, the loss is at most ``A M``, where

.. math:: A = n v / (1 - n v), \qquad n = 2 K + 64, \qquad v = 2^{-23}.

IEEE arithmetic in any order, fused or not, loses half as much (Higham, "Accuracy and Stability of
Numerical Algorithms", 2nd ed., eq. 3.5). float8, whose sums are coarser on some devices, is not
used. A device may take subnormals of bfloat16 or float32 for 0: together less than ``2**-100``.
Subnormals of float16 are kept by NVIDIA's units [1]_.

The canonical score is rounded too. With ``G = (dim + 64) 2**-52``, more than twice Higham's bound
for its sums, norms, product and quotient, it is within ``G |q'| |x'|`` of the truth; for l2 within
``G (|q'|^2 / c + 2 c h)``. ``G`` is also what the float64 arithmetic of this file needs.

The columns
-----------
Let ``P = |q'| + a`` and ``X = |x'| + b``, and ``H`` the sum of the absolute parts of ``h^``. The
products of these columns are added to ``q^ . x^``:

============================= ==========================================
query                         row
============================= ==========================================
``(a + (A + G) P) g``         ``X``
``|q'| g``                    ``b``
``(2**-100 + 4 G P^2 / c) g`` 1, or infinity for a row that is not encoded
``c g``                       ``d + 4 G h + A H``
``c^``, twice                 the parts of ``-h^``
============================= ==========================================

(the last two lines, and ``P^2 / c``, for l2 only), all but the last rounded up to the format. Let
``E`` be the sum of these products but the last, so that ``M <= P X + c H + E``. Without ``g``,
``E`` would be all errors above but ``A E``; ``g = 1 + 4 A`` makes ``E (1 - A)`` at least that much
while ``A <= 1/2``. Therefore

.. math:: U = q^ . x^ - c^ h^ + E + \delta \ge T, \qquad |\delta| \le A M.

Where ``dim`` is so large that ``A`` exceeds ``1/32``, no row is encoded.

References
----------
.. [1] Fasi, Higham, Mikaitis and Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ
   Computer Science 7:e330, 2021.
.. [2] Valpey, Li, Pai and Gopalakrishnan, "An SMT Formalization of Mixed-Precision Matrix
   Multiplication", arXiv:2502.15999, 2025.
.. [3] Khattak and Mikaitis, "Accurate Models of NVIDIA Tensor Cores", arXiv:2512.07004, 2025.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from embedsmith.search._tensor_scores import widen

if TYPE_CHECKING:
    from embedsmith._typing import Metric
    from embedsmith.search._tensor_product import Format

__all__ = ["Certificate", "Encoded", "typical_size"]

_CUT = 2.0**-23
_DOUBLE = 2.0**-52
_TINY = 2.0**-100
# What a norm summed in float64, in any order, may lack; for up to 2**20 columns.
_NORM_SLACK = 1 + 2.0**-30
# Of a residual: its own rounding to float32.
_RESIDUAL_SLACK = 1 + 2.0**-20
_LONGEST = {"cosine": math.inf, "dot": 2.0**14, "l2": 2.0**7}
_PARTS = 2


@dataclass(frozen=True)
class Encoded:
    """Vectors as the product takes them.

    Attributes
    ----------
    codes : tensor of shape (n, width)
        In the format's held dtype.
    scale : tensor of shape (n, 1), float64
        The factor of each vector.
    finite : tensor of shape (n,), bool
        False where a vector holds NaN or infinity.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    finite: torch.Tensor


class Certificate:
    """Encodes both sides so that their product bounds the truth from above.

    Parameters
    ----------
    metric : {"cosine", "dot", "l2"}
        How vectors are compared.
    dim : int
        Width of a vector.
    form : Format
        What vectors are rounded to.
    unit : tensor of shape (1, 1), float64
        Power of two above the length of a typical row; read for dot and l2.
    """

    def __init__(self, metric: Metric, dim: int, form: Format, unit: torch.Tensor) -> None:
        self.metric: Metric = metric
        self.form = form
        self.dim = dim
        self.columns = 4 + _PARTS if metric == "l2" else 3
        # Tensor cores want rows of whole 16-byte groups.
        self.width = -(-(dim + self.columns) // 8) * 8
        cut = (2 * self.width + 64) * _CUT
        lost = cut / (1 - cut) if cut < 1 else math.inf
        self.encodes = lost <= 1 / 32
        self.lost = lost if self.encodes else 0.0
        self.rounding = (dim + 64) * _DOUBLE
        self.unit = unit

    def queries(self, rows: torch.Tensor) -> Encoded:
        """Encode queries, float32 of shape (n, dim)."""
        values, norms = _measure(rows)
        if self.metric == "cosine":
            scale = torch.where(norms == 0, 0.0, 1 / norms)
        elif self.metric == "dot":
            scale = 1 / _power_of_two_above(norms)
        else:
            scale = 1 / torch.maximum(_power_of_two_above(norms), self.unit)
        codes, lost = self._round(values, norms, scale)
        length = norms * scale * _NORM_SLACK
        encoded = length + lost
        grown = 1 + 4 * self.lost
        constant = torch.full_like(length, _TINY)
        columns = [
            (lost + (self.lost + self.rounding) * encoded) * grown,
            length * grown,
        ]
        if self.metric == "l2":
            ratio = scale * self.unit
            constant += 4 * self.rounding * encoded * encoded / ratio
            columns += [constant * grown, ratio * grown]
            parts = [ratio] * _PARTS
        else:
            columns += [constant * grown]
            parts = []
        return self._join(codes, scale, norms, columns, parts)

    def rows(self, rows: torch.Tensor) -> Encoded:
        """Encode corpus rows, float32 of shape (n, dim)."""
        values, norms = _measure(rows)
        if self.metric == "cosine":
            scale = torch.where(norms == 0, 0.0, 1 / norms)
        else:
            scale = (1 / self.unit).expand_as(norms)
        fits = norms * scale <= _LONGEST[self.metric]
        if not self.encodes:
            fits = torch.zeros_like(fits)
        # A row that is not encoded is all zeros but for its infinite bound.
        scale = torch.where(fits, scale, 0.0)
        codes, lost = self._round(values, norms, scale)
        length = norms * scale * _NORM_SLACK
        columns = [length + lost, lost, torch.where(fits, 1.0, math.inf)]
        parts = []
        if self.metric == "l2":
            half = (norms * scale).square() / 2
            rest = half
            for _ in range(_PARTS):
                part = rest.to(self.form.grid).double()
                rest = rest - part
                parts.append(-part)
            absent = rest.abs() + 4 * self.rounding * half
            mass = sum(part.abs() for part in parts)
            columns += [absent + self.lost * mass]
        return self._join(codes, scale, norms, columns, parts)

    def _round(
        self, values: torch.Tensor, norms: torch.Tensor, scale: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scaled vectors in the format, and a bound on what rounding took from each."""
        shape = (values.shape[0], self.width)
        codes = torch.zeros(shape, dtype=self.form.grid, device=values.device)
        inside = codes[:, : self.dim]
        torch.mul(values, scale, out=inside)
        lost = torch.empty(values.shape, dtype=torch.float32, device=values.device)
        torch.addcmul(inside, values, scale, value=-1, out=lost)
        measured = torch.linalg.vector_norm(lost, dim=1, keepdim=True, dtype=torch.float64)
        return codes, measured * _RESIDUAL_SLACK + norms * scale * 2.0**-48 + _TINY

    def _join(
        self,
        codes: torch.Tensor,
        scale: torch.Tensor,
        norms: torch.Tensor,
        columns: list[torch.Tensor],
        parts: list[torch.Tensor],
    ) -> Encoded:
        bounds = torch.cat(columns, dim=1)
        # Up: the format's rounding, and float32's on the way, take less than is added.
        bounds = bounds * (1 + 4 * self.form.unit) + 2.0**-24
        codes[:, self.dim : self.dim + self.columns] = torch.cat([bounds, *parts], dim=1)
        finite = norms.isfinite().squeeze(1)
        return Encoded(codes.to(self.form.held), scale, finite)


def typical_size(rows: torch.Tensor) -> torch.Tensor:
    """Return a power of two above the median length of float32 rows, as a (1, 1) tensor."""
    _, norms = _measure(rows)
    # Zero rows say nothing; without any other the size does not matter.
    norms = torch.where(norms > 0, norms, math.nan)
    return _power_of_two_above(norms.nanmedian().nan_to_num(0.0)).view(1, 1)


def _measure(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float32 rows in a form that loses no subnormals, and their norms as a column."""
    values = widen(rows) if rows.device.type == "cpu" else rows
    return values, torch.linalg.vector_norm(values, dim=1, keepdim=True, dtype=torch.float64)


def _power_of_two_above(sizes: torch.Tensor) -> torch.Tensor:
    """Return the least power of two above each size, as float64; 1 for 0.

    Sizes beyond float32's are taken for its ends.
    """
    exponent = torch.frexp(sizes).exponent.to(torch.int64).clamp_(-200, 200)
    # By its bits: exp2 need not be exact on every device.
    return ((exponent + 1023) << 52).view(torch.float64)
