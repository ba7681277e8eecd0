"""Codebooks: any ascending table of values, whose codes are their places in it.

Sources: Han, Mao, Dally 2016, arXiv 1510.00149 (shared weights, index encoding); Dettmers et al.
2023, arXiv 2305.14314 (NF4).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from hwsim.errors import SpecError
from hwsim.formats.checks import power_of_two
from hwsim.formats.tables import MOST_BITS, TableFormat
from hwsim.formats.types import FloatFormat, Format, short_names

NUMBER = r"n?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:en?[0-9]{1,4})?"
FILE = r"[A-Za-z0-9_./-]{0,400}\.txt"
MOST_BYTES = 1 << 22  # of a file of values


@dataclass(frozen=True, init=False)
class CodebookFormat(TableFormat):
    """Values by index: code k is the k-th value from below.

    Parameters
    ----------
    values : 2 … 65 536 real numbers, ascending and distinct; float64 holds them.
    entry : the format of the table's entries: each value is rounded into it (rne, saturating) and
        must stay distinct.  None keeps float64 numbers.

    Raises SpecError for anything else.

    >>> book = CodebookFormat([-1, -0.25, 0, 0.3, 1], entry="e4m3")
    >>> str(book), book.width
    ('codebook_e4m3_n1_n0.25_0_0.3125_1', 3)
    """

    values: tuple[Fraction, ...]
    entry: Format | None

    def __init__(self, values: Iterable[Any], entry: str | Format | None = None) -> None:
        fmt = _entry_format(entry)
        numbers = tuple(_number(value) for value in values)
        if fmt is not None:
            numbers = tuple(_rounded(value, fmt) for value in numbers)
        object.__setattr__(self, "values", numbers)
        object.__setattr__(self, "entry", fmt)
        if not 2 <= len(numbers) <= 1 << MOST_BITS:
            raise SpecError(f"codebook of {len(numbers)} values: 2 … {1 << MOST_BITS} are needed")
        for low, high in pairwise(numbers):
            if low >= high:
                raise SpecError(
                    f"codebook: {float(high)} follows {float(low)}; ascending, distinct values"
                    + (f" in the entries' format {fmt}" if fmt else "")
                    + " are needed"
                )

    @cached_property
    def _hash(self) -> int:
        return hash((self.values, self.entry))

    def __hash__(self) -> int:
        return self._hash  # formats are keys of every cache

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: hashes of strings differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def width(self) -> int:
        """Width of a code, bits."""
        return (len(self.values) - 1).bit_length()

    @cached_property
    def entries(self) -> tuple[tuple[Fraction, int], ...]:
        """(value, code), ascending."""
        return tuple((value, code) for code, value in enumerate(self.values))

    @cached_property
    def _spelling(self) -> str:
        entry = "" if self.entry is None else f"_{self.entry}"
        return f"codebook{entry}_" + "_".join(_spelled(value) for value in self.values)

    def __str__(self) -> str:
        return short_names().get(self) or self._spelling

    def __repr__(self) -> str:
        entry = "" if self.entry is None else f", entry={str(self.entry)!r}"
        return f"CodebookFormat({[float(value) for value in self.values]}{entry})"


def codebook_of_words(words: str, entry: str | None) -> CodebookFormat:
    """The codebook of a name's numbers, as ``n1_0_0.5``."""
    numbers = (float(word.replace("n", "-")) for word in words.split("_"))
    return CodebookFormat(numbers, entry)


def codebook_of_file(path: str) -> CodebookFormat:
    """The codebook of a text file: numbers apart by spaces, commas or lines; # begins a remark."""
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise SpecError(f"codebook file {path!r}: over {MOST_BYTES} bytes")
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"codebook file {path!r} cannot be read: {error}") from None
    words = re.sub(r"#.*", " ", text).replace(",", " ").split()
    try:
        return CodebookFormat([float(word) for word in words])
    except SpecError as error:
        raise SpecError(f"codebook file {path!r}: {error.message}") from None
    except ValueError as error:
        raise SpecError(f"codebook file {path!r}: {error}") from None


def _entry_format(entry: str | Format | None) -> Format | None:
    if entry is None or isinstance(entry, Format):
        return entry
    from hwsim.formats.grammar import as_format  # which reads codebooks too

    return as_format(entry)


def _number(value: Any) -> Fraction:
    """A finite number that float64 holds."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = Fraction(*value.as_integer_ratio())
        held = Fraction(float(number)) == number
    except (AttributeError, TypeError, ValueError, OverflowError):  # no number, NaN, Inf
        held = False
    if not held:
        raise SpecError(f"codebook value {value!r}: a finite number that float64 holds is needed")
    return number


def _rounded(x: Fraction, fmt: Format) -> Fraction:
    """The value of ``fmt`` nearest to x, ties to even, saturating."""
    one_bit = isinstance(fmt, FloatFormat) and (fmt.precision == 1 or not fmt.has_subnormals)
    if isinstance(fmt, TableFormat) or one_bit or fmt.width > 53:
        raise SpecError(
            f"entry={fmt}: floats with subnormals and 2 bits of precision, integers and fixed "
            "point of up to 53 bits are needed"
        )
    step = fmt.quantum_exponent
    if isinstance(fmt, FloatFormat) and x:
        step = max(step, math.frexp(float(x))[1] - fmt.precision)
    nearest = round(x / power_of_two(step)) * power_of_two(step)  # Fractions round ties to even
    return min(max(nearest, fmt.lowest), fmt.largest)


def _spelled(value: Fraction) -> str:
    """The shortest decimal that float64 reads back, without signs."""
    text = repr(float(value)).removesuffix(".0")
    return text.replace("e-0", "e-").replace("e+0", "e+").replace("+", "").replace("-", "n")
