"""Multipliers that are tables of products: a circuit that somebody else made.

A table has an entry for every pair of operands of up to 8 bits.  It comes from a function of two
integers (Python's, or one of a shared library through ctypes), from an array, or from a file.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from operator import index
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from hwsim.errors import SpecError
from hwsim.units.multipliers import IntegerMultiplier

MOST_TABLE_BITS = 8
Subject = Callable[[int, int], int] | Any  # or an array, or the path of one


@dataclass(frozen=True)
class TableMultiplier(IntegerMultiplier):
    """A product for every pair of ``bits``-bit operands.

    entries : the products as little-endian int64, a outer, each operand from its lowest value up.
    signed : operands are two's complement integers; else unsigned ones (magnitudes, significands).
    file : where it was read; it names the table in descriptions of units.
    """

    entries: bytes = b""
    signed: bool = False
    file: str = field(default="", compare=False)
    NAME: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.bits <= MOST_TABLE_BITS:
            raise SpecError(f"table: bits={self.bits}: 1 to {MOST_TABLE_BITS} are needed")
        if len(self.entries) != 8 << (2 * self.bits):
            raise SpecError(f"table: {len(self.entries)} bytes: 8·4^{self.bits} are needed")
        _known[self.digest] = self

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits of the SHA-256 of its entries, width and kind."""
        about = f"{self.bits} {self.signed} ".encode()
        return hashlib.sha256(about + self.entries).hexdigest()[:12]

    def __str__(self) -> str:
        if self.file:
            return f"{self.NAME}{'s' * self.signed}={self.file}"
        return f"{self.NAME}-{self.digest}"

    def __hash__(self) -> int:
        return hash((self.bits, self.signed, self.entries))

    @property
    def mirrored(self) -> TableMultiplier:
        """The table of exchanged operands."""
        side = 1 << self.bits
        view: Any = memoryview(self.entries).cast("q", (side, side)).tolist()
        turned = [[row[b] for row in view] for b in range(side)]
        same = turned == view
        return self if same else TableMultiplier(self.bits, _packed(turned), self.signed)

    @property
    def lowest(self) -> int:
        """The lowest operand."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    def product(self, a: int, b: int) -> int:
        """The entry of a and b."""
        at = ((a - self.lowest) << self.bits) + b - self.lowest
        return int.from_bytes(self.entries[8 * at : 8 * at + 8], "little", signed=True)


_known: WeakValueDictionary[str, TableMultiplier] = WeakValueDictionary()


def multiplier(subject: Subject, bits: int = 8, signed: bool = False) -> TableMultiplier:
    """A multiplier of your own, for ``core=`` of a MAC unit.

    subject : a function of two integers, as a shared library's through ctypes; a square array of
    products, a along the first axis, from the lowest operand up; or the path of such an npy file.
    bits : of each operand of a function, 1 to 8.  signed : operands are two's complement.

    Raises SpecError for another shape, and for a file with negative products of operands without
    sign; TypeError for a function of more or fewer arguments and for products that are no integers,
    ValueError for those beyond 32 bits.

    >>> mine = multiplier(lambda a, b: a * b & ~7, bits=4)
    >>> mine.product(3, 7), mine == multiplier(lambda a, b: a * b & ~7, bits=4)
    (16, True)
    """
    if not isinstance(signed, bool):
        raise TypeError(f"signed={signed!r}: True or False is needed")
    if isinstance(subject, (str, Path)):
        return read_table(str(subject), signed)
    if hasattr(subject, "mask"):
        raise TypeError("table: a masked array: fill it first (numpy.ma.filled)")
    if not callable(subject):
        return _of_rows(subject, signed)
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= MOST_TABLE_BITS:
        raise SpecError(f"bits={bits!r}: an integer from 1 to {MOST_TABLE_BITS} is needed")
    require_two_arguments(subject)
    low = -(1 << (bits - 1)) if signed else 0
    axis = range(low, low + (1 << bits))
    return TableMultiplier(bits, _packed([[subject(a, b) for b in axis] for a in axis]), signed)


def read_table(file: str, signed: bool = False) -> TableMultiplier:
    """The table in an npy file; SpecError where there is none."""
    import numpy as np

    try:
        table = np.load(file, allow_pickle=False)
    except OSError as error:
        message = f"table {file!r}: {error.strerror or error}; an npy file is read"
        raise SpecError(message) from error
    except (ValueError, EOFError) as error:
        raise SpecError(f"table {file!r}: no npy file of integers (numpy.save)") from error
    try:
        found = _of_rows(table, signed, file)
    except (TypeError, ValueError) as error:
        raise SpecError(f"table {file!r}: {getattr(error, 'message', error)}") from error
    if not signed and table.min() < 0:  # rows would be taken for those of other operands
        message = (
            f"table {file!r}: a product of {table.min()}, of operands without sign; of signed "
        )
        raise SpecError(message + "ones it is tables=FILE in a description, signed=True in Python")
    return found


def require_two_arguments(function: Callable[..., Any]) -> None:
    """TypeError for a function that is known to take more or fewer."""
    if not _may_take_two(function):
        name = getattr(function, "__name__", None) or type(function).__name__
        raise TypeError(f"subject={name}: a function of two integers is needed")


def _may_take_two(function: Callable[..., Any]) -> bool:
    declared = getattr(function, "argtypes", None)
    if declared is not None:  # of ctypes, which passes on what is too much
        return len(declared) == 2
    try:
        inspect.signature(function).bind(0, 0)
    except TypeError:
        return False
    except ValueError:  # it does not say
        pass
    return True


def known_table(digest: str) -> TableMultiplier:
    """A table of this process by its digest; SpecError where there is none."""
    found = _known.get(digest)
    if found is None:
        raise SpecError(
            f"table-{digest}: no such table was made in this process; save it with numpy.save and "
            "write table=FILE"
        )
    return found


def _of_rows(table: Any, signed: bool, file: str = "") -> TableMultiplier:
    shape = getattr(table, "shape", None)
    rows = table.tolist() if hasattr(table, "tolist") else table
    side = len(rows) if isinstance(rows, list) else 0
    bits = side.bit_length() - 1
    square = all(isinstance(row, list) and len(row) == side for row in rows) if side else False
    if not square or side != 1 << bits or not 1 <= bits <= MOST_TABLE_BITS:
        what = f"of shape {shape}" if shape is not None else f"{table!r:.60}"
        allowed = f"2^bits by 2^bits products are needed, bits 1 to {MOST_TABLE_BITS}"
        raise SpecError(f"table {what}: a function, or {allowed}")
    return TableMultiplier(bits, _packed(rows), signed, file)


def _packed(rows: list[list[int]]) -> bytes:
    """The entries' bytes."""
    out = bytearray()
    for i, row in enumerate(rows):
        for j, product in enumerate(row):
            if not hasattr(product, "__index__"):
                where = f"in row {i}, column {j}"
                raise TypeError(f"table: a product of {product!r} {where}: integers are needed")
            number = index(product)
            if not -(2**31) <= number < 2**32:
                raise ValueError(f"table: a product of {number}: 32 bits are needed")
            out += number.to_bytes(8, "little", signed=True)
    return bytes(out)
