"""Orders of accumulation: in which order, and by how many adders, products become a sum.

Every order says how it is spelled (`str`; nothing for the default), how many roundings of two
values it does on K products (`steps`: inner ones, and outer ones, which c enters), and of how many
products a sum is that enters another one (`group`; 1 where there is none).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from hwsim.errors import SpecError
from hwsim.formats import FloatFormat, Format, LogFormat, SumFormat, TableFormat
from hwsim.units.checks import require_count as _require_count
from hwsim.units.compensated import DoubleWord, Kahan
from hwsim.units.logsums import LogSum
from hwsim.units.staged import Staged

LONGEST_CHUNK = 999_999_999
MOST_INPUTS = 65_536
MOST_FRACTION = 4096


@dataclass(frozen=True)
class Sequential:
    """s = c or +0, then s = R(s + a·b) for ascending k."""

    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return ""

    def steps(self, k: int) -> tuple[int, int]:
        """Roundings of a sum of k products: inner, outer."""
        return k, 0

    def check(self) -> None:
        """Raise SpecError for fields that no hardware has."""


@dataclass(frozen=True)
class Reversed:
    """``width`` products at a time, of descending k, else as `Sequential`.  VDPBF16PS adds the odd
    element of a pair before the even one: Intel 64 and IA-32 Architectures Software Developer's
    Manual, volume 2."""

    width: int
    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"rev{self.width}"

    def places(self, k: int) -> list[int]:
        """The products' numbers in the order in which they are added."""
        starts = range(0, k, self.width)
        return [i for start in starts for i in reversed(range(start, min(k, start + self.width)))]

    def steps(self, k: int) -> tuple[int, int]:
        return k, 0

    def check(self) -> None:
        _require_count("rev width", self.width, 2, MOST_INPUTS)


@dataclass(frozen=True)
class Chunked:
    """Chunks of ``length`` products, each summed from +0 in the accumulator's format; then the
    chunk sums, in ascending order, into ``outer`` (None: the accumulator's format), which starts
    at c.  Wang et al. 2018, arXiv 1812.08011, figure 3a."""

    length: int
    outer: SumFormat | None = None

    @property
    def group(self) -> int:
        """Products of a chunk."""
        return self.length

    def __str__(self) -> str:
        return f"chunk{self.length}" + (f"/{self.outer}" if self.outer else "")

    def steps(self, k: int) -> tuple[int, int]:
        return k, -(-k // self.length)

    def check(self) -> None:
        _require_count("chunk length", self.length, 1, LONGEST_CHUNK)
        _require_sum("outer", self.outer)


@dataclass(frozen=True)
class Lanes:
    """Product k goes to lane k mod ``count``; each lane is summed from +0, k ascending.  Then the
    lanes' sums are added up, lane 0 first, or, as a ``tree``, lane i and lane i + count/2, and so
    on with the lower halves; their sum is added to c or +0.  The loops of SIMD units and of GPU
    kernels; the analysis of fan-in: Higham 2002, §4.1."""

    count: int
    tree: bool = False
    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"lanes{self.count}" + ("-tree" if self.tree is True else "")

    def steps(self, k: int) -> tuple[int, int]:
        return (k + self.count - 1, 1) if k else (0, 0)

    def check(self) -> None:
        _require_count("lanes: count", self.count, 1, MOST_INPUTS)
        if not isinstance(self.tree, bool):
            raise SpecError(f"lanes: tree={self.tree!r}: True or False is needed", part="order")
        if self.tree and self.count & (self.count - 1):
            message = f"lanes: count={self.count}: a halving tree needs a power of two"
            raise SpecError(message, part="order")


@dataclass(frozen=True)
class Tree:
    """``width`` exact products at a time, added up in adjacent pairs, the pairs' sums again, and
    so on; every sum of two is rounded, an odd one goes up as it is.  The root is added to the
    accumulator, which starts at c or +0."""

    width: int

    @property
    def group(self) -> int:
        """Products added up at a time."""
        return self.width

    def __str__(self) -> str:
        return f"tree{self.width}"

    def steps(self, k: int) -> tuple[int, int]:
        roots = -(-k // self.width)
        return k - roots, roots

    def check(self) -> None:
        _require_count("tree width", self.width, 2, MOST_INPUTS)


@dataclass(frozen=True)
class DotAdd:
    """s = c or +0, then s = R(s + the exact sum of the next ``width`` products): one rounding, or
    overflow, for all of them.  VPDPBUSD(S), DP4A: Intel 64 and IA-32 Architectures Software
    Developer's Manual, volume 2.

    partial : the format that each exact sum is rounded to, rne and saturating, whatever the unit
        does, before it is added; None leaves it exact.  VPMADDUBSW: int16.
    """

    width: int
    partial: SumFormat | None = None

    @property
    def group(self) -> int:
        """Products added up at a time."""
        return self.width

    def __str__(self) -> str:
        return f"dot{self.width}" + (f"/{self.partial}" if self.partial else "")

    def steps(self, k: int) -> tuple[int, int]:
        groups = -(-k // self.width)
        return (groups, groups) if self.partial else (groups, 0)

    def check(self) -> None:
        _require_count("dot width", self.width, 2, MOST_INPUTS)
        _require_sum("partial", self.partial)


@dataclass(frozen=True)
class Bins:
    """One operand is a table of ``count`` values, the codebook (b, where both are): the other's
    values are added, k ascending, into the bin of the codebook's value at k, each from +0 in the
    accumulator's format.  Then s = c or +0, and s = R(s + bin·value) for ascending values of the
    codebook, in ``outer`` (None: the accumulator's format): one multiplier for all products.
    PASM: Garland, Gregg 2018, ACM TACO 15(3); weight sharing: Han et al. 2016, EIE."""

    count: int
    outer: SumFormat | None = None
    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return f"bins{self.count}" + (f"/{self.outer}" if self.outer else "")

    def steps(self, k: int) -> tuple[int, int]:
        return (k, self.count) if k else (0, 0)

    def check(self) -> None:
        _require_count("bins: count", self.count, 2, MOST_INPUTS)
        _require_sum("outer", self.outer)


@dataclass(frozen=True)
class Exact:
    """One rounding of the exact total, c included (Kulisch)."""

    group: ClassVar[int] = 1

    def __str__(self) -> str:
        return "exact"

    def steps(self, k: int) -> tuple[int, int]:
        return k, 0

    def check(self) -> None:
        """Nothing can be wrong."""


@dataclass(frozen=True)
class Fused:
    """Blocks of ``terms`` products and the running sum, aligned to the largest exponent among them
    and added at once; one rounding a block, whose result is the next running sum.

    terms : L, products of a block.
    fraction : F; every term is cut toward zero (``nearest``: rounded, ties to even) to F fraction
        bits of the largest exponent; None keeps all, an exact dot product.
    zero : exponent of a zero product and of a zero sum; None: they have none.
    nearest : how terms lose their low bits.
    result : what a block is rounded to, values of the accumulator (None: all of them).
    promote : products after which the sum, from +0, is added, rne, to the accumulator, which c
        starts; None never does.
    exact : of block formats, elements' products that are summed exactly and make one term, with the
        scales' significands; its exponent is the sum of the scales'.  None: products are terms.

    The exponent of x is max(floor(log2 |x|), emin), a product's is the sum of its factors'.
    Tensor cores: Khattak, Mikaitis, arXiv 2512.07004; MMA-Sim, arXiv 2511.10909.  Promotion:
    DeepSeek-V3, arXiv 2412.19437, §3.3.2.
    """

    terms: int
    fraction: int | None = None
    zero: int | None = None
    nearest: bool = False
    result: FloatFormat | None = None
    promote: int | None = None
    exact: int | None = None

    @property
    def group(self) -> int:
        """Products that become one addend of the outer sum, or, without one, a block's."""
        return self.promote or self.terms

    def __str__(self) -> str:
        fraction = "" if self.fraction is None else f"f{self.fraction}" + "n" * self.nearest
        zero = "" if self.zero is None else f"z{self.zero}"
        promote = "" if self.promote is None else f"p{self.promote}"
        exact = "" if self.exact is None else f"g{self.exact}"
        return f"fused{self.terms}{fraction}{zero}{promote}{exact}" + (
            f"/{self.result}" if self.result else ""
        )

    def steps(self, k: int) -> tuple[int, int]:
        if self.promote is None:
            return -(-k // self.terms), 0
        whole, last = divmod(k, self.promote)
        blocks = whole * -(-self.promote // self.terms) - (-last // self.terms)
        return blocks, -(-k // self.promote)

    def check(self) -> None:
        _require_count("fused: terms", self.terms, 1, MOST_INPUTS)
        if self.fraction is not None:
            _require_count("fused: fraction", self.fraction, 0, MOST_FRACTION)
        if self.zero is not None:
            _require_count("fused: zero", self.zero, -MOST_INPUTS, MOST_INPUTS)
        if self.promote is not None:
            _require_count("fused: promote", self.promote, 1, LONGEST_CHUNK)
        if self.exact is not None:
            self._check_exact(self.exact)
        if not isinstance(self.nearest, bool):
            message = f"fused: nearest={self.nearest!r}: True or False is needed"
            raise SpecError(message, part="order")
        if self.fraction is None and (self.nearest or self.zero is not None):
            message = "fused: nearest and zero need a fraction: an exact sum aligns nothing"
            raise SpecError(message, part="order")
        if not isinstance(self.result, FloatFormat | None):
            message = f"fused: result={self.result!r}: a float format or None is needed"
            raise SpecError(message, part="order")

    def _check_exact(self, products: int) -> None:
        """Groups fill blocks."""
        _require_count("fused: exact", products, 2, MOST_INPUTS)
        if self.terms % products or self.promote is not None or self.fraction is None:
            message = f"{self}: groups divide the terms of a block that is aligned, unpromoted"
            raise SpecError(message, part="order")


# Orders in which sums start at +0 and enter the sum that c starts.
SPLIT = (Chunked, Lanes, Tree)
Order = (
    Sequential
    | Reversed
    | Chunked
    | Lanes
    | Tree
    | DotAdd
    | Bins
    | Fused
    | Staged
    | Kahan
    | DoubleWord
    | LogSum
    | Exact
)


def canonical(order: Order, accumulator: Format) -> Order:
    """The one spelling of equal hardware."""
    if isinstance(order, Chunked) and order.outer == accumulator:
        return Chunked(order.length)
    if isinstance(order, Bins) and order.outer == accumulator:
        return Bins(order.count)
    if isinstance(order, Fused) and order.result == accumulator:
        return replace(order, result=None)
    if isinstance(order, LogSum) and isinstance(accumulator, LogFormat):
        return LogSum(None if order.places == accumulator.fraction_bits else order.places)
    if isinstance(order, Lanes) and order.count <= 2:
        return Lanes(order.count)  # two lanes have but one sum
    return order


def _require_sum(name: str, fmt: object) -> None:
    """What such sums are rounded to is no table."""
    if isinstance(fmt, TableFormat):
        message = f"{name} format {fmt}: a float, a posit, an integer or fixed point is needed"
        raise SpecError(message, part=name)
    if not isinstance(fmt, Format | None):
        raise SpecError(f"{name}={fmt!r}: a format or None is needed")
