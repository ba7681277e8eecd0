"""How far an integer multiplier is from the exact product, over all pairs of operands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from operator import index, mul
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.reference.multipliers import multiply
from hwsim.units.multipliers import (
    ExactMultiplier,
    IntegerMultiplier,
    Logarithmic,
    Shift,
    parse_multiplier,
)
from hwsim.units.tables import TableMultiplier, require_two_arguments

Array = npt.NDArray[Any]
MOST_BITS = 10  # of operands whose pairs are all multiplied
Subject = str | IntegerMultiplier | Callable[[int, int], int] | Array


@dataclass(frozen=True)
class MultiplierErrors:
    """Errors D = approximate − exact over all pairs, zeros included.

    er : share of pairs with D ≠ 0.  med : mean |D|.  nmed : med over the largest exact product.
    wce : largest |D|.  mse : mean D².  mred : mean |D|/exact, and bias : mean D/exact, over the
    pairs whose exact product is not 0; worst_relative : the D/exact of largest magnitude.
    The exact product is `exact_products`'s: whole numbers, but of shifters and logarithms.
    digest : SHA-256 of the table as little-endian uint32 (int32 if signed or some product
        is negative), a outer, 16 digits.
    """

    name: str
    bits: int
    signed: bool
    pairs: int
    er: float
    med: float
    nmed: float
    wce: float
    mse: float
    mred: float
    bias: float
    worst_relative: float
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def product_table(subject: Subject, bits: int = 8, signed: bool = False) -> Array:
    """All products, int64 (2^bits, 2^bits), a along the first axis.

    subject : a name (`hwsim.units.multipliers.parse_multiplier`) or a multiplier of unsigned
    integers, `exact` of signed ones too; a function of two integers; or a table itself.  Axes of
    signed tables go from the lowest integer up.

    Raises ValueError for tables of another shape and products beyond 32 bits, TypeError for what is
    none of these, for a function of more or fewer, and for products that are no integers.

    >>> product_table("mitchell", 2).tolist()
    [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 4, 6], [0, 3, 6, 8]]
    """
    if isinstance(subject, TableMultiplier):
        bits, signed = subject.bits, subject.signed
        table = np.frombuffer(subject.entries, "<i8").reshape(1 << bits, -1)
        return _checked(table, 1 << bits, signed)
    if isinstance(subject, IntegerMultiplier):
        bits = subject.bits
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_BITS:
        raise ValueError(f"bits={bits!r}: an integer from 1 to {MOST_BITS} is needed")
    axis = _operands(bits, signed).tolist()
    if isinstance(subject, np.ndarray):
        return _checked(subject, len(axis), signed)
    if isinstance(subject, (str, IntegerMultiplier)):
        named = parse_multiplier(subject, bits) if isinstance(subject, str) else subject
        subject = _function_of(named, signed)
    if not callable(subject):
        raise TypeError(f"{type(subject).__name__}: a name, a multiplier, a function or a table")
    require_two_arguments(subject)
    products = [[index(subject(a, b)) for b in axis] for a in axis]
    return _checked(np.array(products, object), len(axis), signed)


def exact_products(subject: Subject, bits: int = 8, signed: bool = False) -> Array:
    """What the products come near to, (2^bits, 2^bits), in their units: a·b; a·2^(guard − b) of a
    shifter, and of a logarithmic multiplier the power of two of (a + b)·2^-bits, as float64.

    >>> exact_products("shift1", 2)[3].tolist(), exact_products("log4", 1).round(2).tolist()
    ([6.0, 3.0, 1.5, 0.75], [[16.0, 22.63], [22.63, 32.0]])
    """
    if isinstance(subject, str):
        subject = parse_multiplier(subject, bits)
    axis = _operands(subject.bits if isinstance(subject, IntegerMultiplier) else bits, signed)
    a, b = axis[:, None], axis[None, :]
    if isinstance(subject, Shift):
        return np.asarray(np.ldexp(a.astype(np.float64), subject.guard - b))
    if isinstance(subject, Logarithmic):
        return np.asarray(np.exp2((a + b) / len(axis) + subject.table_bits))
    return np.asarray(a * b)


def multiplier_errors(
    subject: Subject,
    bits: int = 8,
    signed: bool = False,
    name: str = "",
    exact: Array | None = None,
) -> MultiplierErrors:
    """Every error measure of a multiplier; parameters as for `product_table`.  exact : the products
    it comes near to, where ``subject`` is a table of another's (`exact_products`).

    >>> found = multiplier_errors("mitchell")
    >>> found.wce, round(100 * found.mred, 6), found.digest
    (4096, 3.787828, '163e78d5f9e70d86')
    """
    signed = subject.signed if isinstance(subject, TableMultiplier) else signed
    table = product_table(subject, bits, signed)
    if exact is None:
        exact = exact_products(subject, table.shape[0].bit_length() - 1, signed)
    errors = table - exact
    whole = exact != 0
    relative = errors[whole] / exact[whole]
    worst = float(relative[np.abs(relative).argmax()]) if relative.size else 0.0
    size = np.abs(errors)
    return MultiplierErrors(
        name=name or (str(subject) if isinstance(subject, (str, IntegerMultiplier)) else "yours"),
        bits=len(table).bit_length() - 1,
        signed=signed,
        pairs=table.size,
        er=float(np.count_nonzero(errors) / table.size),
        med=float(size.mean()),
        nmed=float(size.mean() / np.abs(exact).max()),
        wce=size.max().item(),
        mse=float((errors.astype(np.float64) ** 2).mean()),
        mred=float(np.abs(relative).mean()) if relative.size else 0.0,
        bias=float(relative.mean()) if relative.size else 0.0,
        worst_relative=worst,
        digest=hashlib.sha256(_as_32_bits(table, signed)).hexdigest()[:16],
    )


def _function_of(multiplier: IntegerMultiplier, signed: bool) -> Callable[[int, int], int]:
    if not signed:
        return partial(multiply, multiplier)
    if isinstance(multiplier, ExactMultiplier):
        return mul
    raise ValueError("signed=True: named multipliers but exact are unsigned; pass a function")


def _as_32_bits(table: Array, signed: bool) -> bytes:
    return table.astype("<i4" if signed or table.min() < 0 else "<u4").tobytes()


def _operands(bits: int, signed: bool) -> Array:
    low = -(1 << (bits - 1)) if signed else 0
    return np.arange(low, low + (1 << bits), dtype=np.int64)


def _checked(table: Array, side: int, signed: bool) -> Array:
    if table.shape != (side, side):
        raise ValueError(f"a table of shape {table.shape}: ({side}, {side}) is needed")
    if table.dtype.kind not in "iuO":
        raise TypeError(f"a table of dtype {table.dtype}: integers are needed")
    low, high = int(table.min()), int(table.max())
    for product in (low, high):  # as a unit's table may have them
        if not -(2**31) <= product < (2**31 if signed or low < 0 else 2**32):
            raise ValueError(f"a product of {product}: 32-bit integers are needed")
    return table.astype(np.int64)
