"""MAC units as values: operand formats, multiplier, accumulator, order and output.

A `MacUnit` says what hardware computes.  The reference, the kernels and the cost model are
readings of it; none of them is known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import UnionType
from typing import cast, get_args

from hwsim.errors import SpecError
from hwsim.formats import (
    BlockFormat,
    FixedFormat,
    FloatFormat,
    Format,
    GridFormat,
    IntFormat,
    LogFormat,
    PositFormat,
    SumFormat,
    TableFormat,
    check_overflow,
    check_rounding,
    plain_overflow,
    stochastic_of,
)
from hwsim.units.compensated import COMPENSATED
from hwsim.units.logsums import LogSum
from hwsim.units.multipliers import ExactMultiplier, IntegerMultiplier, Logarithmic, core_bits
from hwsim.units.orders import (
    Bins,
    Chunked,
    DotAdd,
    Fused,
    Order,
    Sequential,
    Tree,
    canonical,
)
from hwsim.units.requantization import Requantization
from hwsim.units.staged import Staged
from hwsim.units.tables import TableMultiplier

MOST_STORED_BITS = 8


@dataclass(frozen=True)
class ExactProduct:
    """The product enters the sum unrounded (fma: one rounding per step)."""


@dataclass(frozen=True)
class RoundedProduct:
    """The product is first rounded to ``format`` (None: the accumulator's): mul_add."""

    format: SumFormat | None = None


@dataclass(frozen=True)
class StoredProduct:
    """Products are looked up by both operands' codes, of up to 8 bits each: every entry is the
    exact product rounded once to ``format``, rne and saturating, whatever the unit's sums do.  At
    least one operand is a table.  Han, Mao, Dally 2016, arXiv 1510.00149: K_w × K_a products."""

    format: GridFormat


Multiplier = ExactProduct | RoundedProduct | StoredProduct


@dataclass(frozen=True)
class MacUnit:
    """A multiply-accumulate unit: acc ← R(acc + a·b), in this order, with these roundings.

    Parameters
    ----------
    a, b : formats of the left (M×K) and right (K×N) operands.
    accumulator : format of the running sum; of a `LogSum` a logarithmic one.
    rounding : rne, rna, rtz, rup, rdn, rto or sr (`Stochastic`); used by product, inner sum, outer
        sum and output.
    overflow : inf, inf_always, saturate, saturate_all, sat_none, nan or wrap; None gives each of
        these formats its own default (Inf where it exists, else saturate; integers wrap).
    order : `Sequential`, `Reversed`, `Chunked`, `Lanes`, `Tree`, `DotAdd`, `Bins`, `Fused`,
        `Staged`, `Kahan`, `DoubleWord`, `LogSum` or `Exact`.
    multiplier : `ExactProduct`, `RoundedProduct` or `StoredProduct`.
    output : format of the result; None for that of the (outer) accumulator.
    daz : subnormal operands a and b count as zeros of their sign; c does not.
    requantization : how integer sums are scaled into an integer ``output``; None does not scale.
    core : what multiplies the operands' significands (magnitudes of integers and fixed point, of
        their width; a signed table and a shifter the integers themselves; of logarithms their
        fractions); None is exact.  It has the bits of the wider operand's, a table at least those.
        The product's sign is the exact one's, and so is what becomes of NaN and Inf.
    ftz : a, b and c under the smallest normal of their formats, −0 too, count as +0, and every
        rounded number that is subnormal in its format becomes a zero of its sign.
    nan : code of the output format that a NaN result has; None for the format's canonical one.
    a_block, b_block : where operands come in blocks, how; a and b are then the elements' formats.
        Blocks lie along k.  Chunks and trees add products of elements, and scale their sums, so
        they lie within blocks; other orders add products of values, element times scale.

    Raises SpecError where no hardware could obey the description.

    >>> str(MacUnit(FloatFormat(5, 3), FloatFormat(5, 3), FloatFormat(6, 10)))
    'e5m2xe5m2+e6m9'
    """

    a: Format
    b: Format
    accumulator: SumFormat
    rounding: str = "rne"
    overflow: str | None = None
    order: Order = field(default_factory=Sequential)
    multiplier: Multiplier = field(default_factory=ExactProduct)
    output: SumFormat | None = None
    daz: bool = False
    requantization: Requantization | None = None
    core: IntegerMultiplier | None = None
    ftz: bool = False
    nan: int | None = None
    a_block: BlockFormat | None = None
    b_block: BlockFormat | None = None

    def __post_init__(self) -> None:
        _require("a", self.a, Format)
        _require("b", self.b, Format)
        _require("order", self.order, Order)
        if not isinstance(self.order, LogSum):
            _require_grid("accumulator", self.accumulator)
        _require("multiplier", self.multiplier, Multiplier)
        self._check_parts()
        if isinstance(self.order, LogSum):
            self._check_log_sum(self.order)
        object.__setattr__(self, "rounding", check_rounding(self.rounding))
        if self.overflow is not None and not isinstance(self.overflow, str):
            raise SpecError(f"overflow={self.overflow!r}: a rule's name or None is needed")
        for name, flag in (("daz", self.daz), ("ftz", self.ftz)):
            if not isinstance(flag, bool):
                raise SpecError(f"{name}={flag!r}: True or False is needed")
        if self.daz and self.ftz:
            message = (
                "ftz reads subnormals as +0, daz as zeros of their sign: one of them, not both"
            )
            raise SpecError(message, part="ftz")
        self._check_core()
        self._check_bins()
        self._check_blocks()
        self._drop_defaults()
        for name, fmt in [*self.rounded_formats().items(), ("order", self.block_format)]:
            if not fmt.has_zero or (isinstance(fmt, FloatFormat) and not fmt.signed):
                message = f"{name} format {fmt}: a sum needs a format with zero and a sign"
                raise SpecError(message, part=name)
        if self.overflow is not None:
            for fmt in self.rounded_formats().values():
                self._check_overflow(self.overflow, fmt)
        self._check_requantization()
        if isinstance(self.order, Fused | Staged):
            self._check_fused(self.order)
        self._check_nan()
        if isinstance(self.order, COMPENSATED) and not isinstance(self.accumulator, FloatFormat):
            message = (
                f"{self.order}: accumulator {self.accumulator}: only floats round what they add"
            )
            raise SpecError(message, part="accumulator")

    def _check_nan(self) -> None:
        """A code that stands for NaN."""
        fmt = self.output_format
        if self.nan is None:
            return
        _require("nan", self.nan, int)
        if not isinstance(fmt, FloatFormat) or not _is_nan(self.nan, fmt):
            message = f"nan=0x{self.nan:x}: a code of NaN in the output's format {fmt} is needed"
            raise SpecError(message, part="nan")
        if self.nan == fmt.nan_code:
            object.__setattr__(self, "nan", None)

    def _check_blocks(self) -> None:
        """Elements multiply exactly, and sums that are scaled lie within blocks."""
        blocks = {"a": (self.a_block, self.a), "b": (self.b_block, self.b)}
        for name, (block, element) in blocks.items():
            _require(f"{name}_block", block, BlockFormat | None)
            if block is not None and block.element != element:
                message = f"{name}_block={block}: its elements are {block.element}, not {element}"
                raise SpecError(message, part=name)
        if not self.is_blocked:
            return
        if not isinstance(self.multiplier, ExactProduct):
            raise SpecError("blocks: products of elements are exact", part="multiplier")
        if self.core is not None:
            raise SpecError(f"blocks: products of elements are exact, not {self.core}", part="core")
        for name, flag in (("daz", self.daz), ("ftz", self.ftz)):
            if flag:
                raise SpecError(f"blocks: their elements keep subnormals, no {name}", part=name)
        if isinstance(self.order, Bins | Staged | LogSum):
            raise SpecError(f"{self.order}: an order that blocks do not have", part="order")
        if isinstance(self.order, Fused) and self.order.exact:
            self._check_groups(self.order.exact)
        if self.scales_sums and self.block_size % self.order.group:
            message = f"{self.order}: its sums are scaled, so they lie within blocks: a divisor of "
            raise SpecError(message + f"{self.block_size} is needed", part="order")

    def _check_groups(self, products: int) -> None:
        """Products that are added before they are scaled share their scales."""
        if self.block_size % products:
            message = f"{self.order}: groups lie within blocks: a divisor of {self.block_size}"
            raise SpecError(message + " is needed", part="order")

    def _check_fused(self, order: Fused | Staged) -> None:
        """Terms have exponents, and a block's result is a value of the accumulator."""
        for name, fmt in (("a", self.a), ("b", self.b), ("accumulator", self.accumulator)):
            if not isinstance(fmt, FloatFormat):
                raise SpecError(f"{order}: {name} {fmt}: a float format is needed", part=name)
        if isinstance(order, Fused) and order.exact and not self.is_blocked:
            raise SpecError(f"{order}: groups are of block formats' elements", part="order")
        if self.core is not None:
            raise SpecError(f"{order}: its products are exact; {self.core} is not", part="core")
        if self.product_format is not None:
            raise SpecError(f"{order}: its products are exact, no mul_add", part="multiplier")
        result, acc = self.block_format, self.accumulator
        assert isinstance(result, FloatFormat)
        assert isinstance(acc, FloatFormat)
        fine = result.quantum_exponent >= acc.quantum_exponent and result.largest <= acc.largest
        if result.precision > acc.precision or not fine:
            message = f"{order}: not every value of {result} is one of {acc}"
            raise SpecError(message, part="order")

    def _check_log_sum(self, order: LogSum) -> None:
        """Logarithms in, and out of every step."""
        sums = self.log_accumulator
        parts: tuple[tuple[str, Format], ...] = (("a", self.a), ("b", self.b))
        for name, fmt in (*parts, ("accumulator", sums)):
            if not isinstance(fmt, LogFormat):
                raise SpecError(f"{order}: {name} {fmt}: a logarithmic format is needed", part=name)
        if not sums.signed or not sums.has_zero or sums.domain != "log":
            message = f"{order}: accumulator {sums}: sums need a sign, a zero and the log domain"
            raise SpecError(message, part="accumulator")
        if self.core is not None:
            raise SpecError(f"{order}: logarithms are added; nothing is {self.core}", part="core")
        if not isinstance(self.multiplier, ExactProduct):
            message = f"{order}: logarithms are added, and rounded to the accumulator's field"
            raise SpecError(message, part="multiplier")
        if stochastic_of(check_rounding(self.rounding)):
            message = f"{order}: rounding {self.rounding}: no draw is defined between logarithms"
            raise SpecError(message, part="rounding")

    def _check_requantization(self) -> None:
        if self.requantization is None:
            return
        _require("requantization", self.requantization, Requantization)
        summed = "accumulator" if self.outer_format == self.accumulator else "outer"
        for name, fmt in ((summed, self.outer_format), ("output", self.output_format)):
            if not is_integer(fmt):
                message = f"requantization of {fmt}: integer sums and an integer output are needed"
                raise SpecError(message, part=name)

    def _check_parts(self) -> None:
        """Fields of order and multiplier, and the optional output."""
        self.order.check()
        if isinstance(self.multiplier, RoundedProduct):
            _require_grid("product", self.multiplier.format, optional=True)
        if isinstance(self.multiplier, StoredProduct):
            self._check_stored(self.multiplier.format)
        _require_grid("output", self.output, optional=True)
        self._check_products()

    def _check_products(self) -> None:
        """Values that float64 only comes near to have no exact products."""
        for name, fmt in (("a", self.a), ("b", self.b)):
            adds = isinstance(self.core, Logarithmic) or isinstance(self.order, LogSum)
            if not fmt.has_exact_values and not adds:
                message = (
                    f"operand format {fmt}: most of its values are irrational, so an exact "
                    "multiplier has no product of them; a logarithmic multiplier is needed, as in "
                    "log4.3xlog4.3:log8+fp32"
                )
                raise SpecError(message, part=name)

    def _check_core(self) -> None:
        """The multiplier of significands fits them."""
        if self.core is None:
            return
        _require("core", self.core, IntegerMultiplier)
        self.core.check(self.a, self.b)
        bits, needed = self.core.bits, core_bits(self.a, self.b)
        table = isinstance(self.core, TableMultiplier)
        if bits < needed or (bits > needed and not table):
            message = f"{self.core}: {bits} bits; {self.a} and {self.b} have {needed}"
            raise SpecError(message, part="core")
        if isinstance(self.core, TableMultiplier) and self.core.signed:
            if not all(isinstance(f, FixedFormat) and f.signed for f in (self.a, self.b)):
                message = f"{self.core}: its operands are signed; {self.a} and {self.b} are not"
                raise SpecError(message, part="core")

    def _check_stored(self, fmt: GridFormat) -> None:
        """A table of products is small, and one of codes."""
        if isinstance(fmt, TableFormat | PositFormat):
            message = f"product format {fmt}: entries are floats, integers or fixed point"
            raise SpecError(message, part="product")
        _require("product", fmt, GridFormat)
        widest, tables = max(self.a.width, self.b.width), (self.a, self.b)
        if widest > MOST_STORED_BITS or not any(isinstance(f, TableFormat) for f in tables):
            message = f"products/{fmt} of {self.a} and {self.b}: codes of up to {MOST_STORED_BITS} "
            raise SpecError(message + "bits, one of them a table's, are needed", part="multiplier")
        if self.core is not None:
            raise SpecError(f"products/{fmt}: no core multiplies", part="core")
        if not fmt.has_zero:
            raise SpecError(f"product format {fmt}: a format with zero is needed", part="product")

    def _check_bins(self) -> None:
        """A codebook with a value for each bin."""
        if not isinstance(self.order, Bins):
            return
        if not isinstance(self.multiplier, ExactProduct):
            word = "stored ones" if isinstance(self.multiplier, StoredProduct) else "mul_add"
            message = f"{self.order}: bins times values are exact products, not {word}"
            raise SpecError(message, part="multiplier")
        if self.core is not None:
            message = f"{self.order}: bins times values are exact products, not {self.core}"
            raise SpecError(message, part="core")
        if codebook_side(self) is None:
            message = f"{self.order}: {self.a} and {self.b}: neither is a table of "
            raise SpecError(message + f"{self.order.count} values", part="order")

    @staticmethod
    def _check_overflow(rule: str, fmt: Format) -> None:
        try:
            check_overflow(rule, fmt)
        except SpecError as error:
            raise SpecError(error.message, part="overflow") from None

    def _drop_defaults(self) -> None:
        """Spell every unit one way, so that equal hardware compares equal."""

        def change(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        change("order", canonical(self.order, self.accumulator))
        if isinstance(self.multiplier, RoundedProduct):
            if self.multiplier.format == self.accumulator:
                change("multiplier", RoundedProduct())
        if self.output == self.outer_format:
            change("output", None)
        if isinstance(self.core, ExactMultiplier):
            change("core", None)
        if not has_subnormal_values(self.a) and not has_subnormal_values(self.b):
            change("daz", False)
        everything = (self.a, self.b, *self.rounded_formats().values())
        if not any(isinstance(fmt, FloatFormat) for fmt in everything):
            change("ftz", False)
        formats = self.rounded_formats().values()
        if all(self.overflow == fmt.default_overflow for fmt in formats):
            change("overflow", None)

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, f.name) for f in fields(self)))

    def __hash__(self) -> int:
        return self._hash  # units are keys of every plan

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: hashes of strings differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    # --- blocks -------------------------------------------------------------------------------
    @property
    def is_blocked(self) -> bool:
        """Whether an operand comes in blocks."""
        return self.a_block is not None or self.b_block is not None

    @property
    def scales_sums(self) -> bool:
        """Whether sums of elements' products are scaled, not the products."""
        return self.is_blocked and isinstance(self.order, Chunked | Tree)

    @property
    def operands(self) -> tuple[Format | BlockFormat, Format | BlockFormat]:
        """What a and b come in."""
        return self.a_block or self.a, self.b_block or self.b

    @cached_property
    def block_size(self) -> int:
        """Elements that share their scales on both sides; 0 without blocks."""
        return math.gcd(*(block.size for block in (self.a_block, self.b_block) if block))

    @cached_property
    def of_values(self) -> MacUnit:
        """The unit on values, element times scale: the same results where sums are not scaled."""
        a = self.a_block.values if self.a_block else self.a
        b = self.b_block.values if self.b_block else self.b
        return replace(self, a=a, b=b, a_block=None, b_block=None)

    @property
    def of_elements(self) -> MacUnit:
        """The unit on elements, whose scales are left out."""
        return replace(self, a_block=None, b_block=None)

    # --- what the defaults resolve to ---------------------------------------------------------
    @cached_property
    def product_format(self) -> SumFormat | None:
        """Format that products are rounded to; None when they stay exact."""
        if not isinstance(self.multiplier, RoundedProduct):
            return None
        return self.multiplier.format or self.accumulator

    @cached_property
    def block_format(self) -> SumFormat:
        """Format that inner sums are rounded to."""
        if isinstance(self.order, Fused) and self.order.result is not None:
            return self.order.result
        if isinstance(self.order, DotAdd) and self.order.partial is not None:
            return self.order.partial
        return self.accumulator

    @cached_property
    def outer_format(self) -> SumFormat:
        """Format of the sum that c enters and the output leaves."""
        if isinstance(self.order, Chunked | Bins) and self.order.outer is not None:
            return self.order.outer
        return self.accumulator

    @cached_property
    def output_format(self) -> SumFormat:
        """Format of the results."""
        return self.output or self.outer_format

    @property
    def log_accumulator(self) -> LogFormat:
        """The accumulator of a `LogSum`, the only order whose sums lie on no grid."""
        return cast(LogFormat, self.accumulator)

    @property
    def summing(self) -> MacUnit:
        """The unit up to its sum: without output conversion and requantization."""
        return replace(self, output=None, requantization=None, nan=None)

    def overflow_of(self, fmt: Format) -> str:
        """Overflow rule that holds in ``fmt``, one of the unit's rounded formats; of rules that do
        the same there, the plain one."""
        rule = self.overflow or fmt.default_overflow
        return plain_overflow(rule, fmt, self.rounding)

    def rounded_formats(self) -> dict[str, SumFormat]:
        """Every format that something is rounded to by the unit's rules, by its role."""
        saturates = isinstance(self.order, DotAdd)  # its partial sums, by a rule of their own
        roles = {
            "product": self.product_format,
            "accumulator": self.accumulator,
            "order": None if saturates else self.block_format,
            "outer": self.outer_format,
            "output": None if self.requantization else self.output_format,
        }
        return {name: fmt for name, fmt in roles.items() if fmt is not None}

    def __str__(self) -> str:
        core = "" if self.core is None else f":{self.core}"
        a, b = self.operands
        parts = [f"{a}x{b}{core}+{self.accumulator}"]
        if self.rounding != "rne":
            parts.append(self.rounding)
        if self.overflow is not None:
            parts.append(self.overflow)
        if order := self._order_text():
            parts.append(order)
        if isinstance(self.multiplier, RoundedProduct):
            fmt = self.multiplier.format
            parts.append(f"mul_add/{fmt}" if fmt else "mul_add")
        if isinstance(self.multiplier, StoredProduct):
            parts.append(f"products/{self.multiplier.format}")
        if self.daz:
            parts.append("daz")
        if self.ftz:
            parts.append("ftz")
        if self.output is not None:
            parts.append(f"out={self.output}")
        if self.requantization is not None:
            parts.append(str(self.requantization))
        if self.nan is not None:
            parts.append(f"nan=0x{self.nan:x}")
        return ":".join(parts)

    def _order_text(self) -> str:
        """The order, where it is not the default: sequential, or block by block."""
        if not self.is_blocked:
            return str(self.order)
        if self.order == default_order(self.block_size):
            return ""
        return str(self.order) or "seq"


def default_order(block_size: int) -> Order:
    """The order of a unit that names none: of blocks, one rounding for each exact dot product."""
    return DotAdd(block_size) if block_size > 1 else Sequential()


def codebook_side(unit: MacUnit) -> int | None:
    """Which operand's values the unit's bins stand for: 1 for b, 0 for a, None for neither."""
    assert isinstance(unit.order, Bins)
    for side, fmt in ((1, unit.b), (0, unit.a)):
        if isinstance(fmt, TableFormat) and len(fmt.entries) == unit.order.count:
            return side
    return None


def is_integer(fmt: Format) -> bool:
    """Whether every value of ``fmt`` is an integer held in two's complement."""
    return isinstance(fmt, FixedFormat) and fmt.fraction_bits == 0


def has_subnormal_values(fmt: Format) -> bool:
    """Whether a float format has nonzero values under its smallest normal one."""
    return isinstance(fmt, FloatFormat) and fmt.smallest < fmt.smallest_normal


def _is_nan(code: int, fmt: FloatFormat) -> bool:
    """Whether ``code`` is one of a format's codes of NaN."""
    if not 0 <= code < 1 << fmt.width or fmt.specials == "fnuz":
        return fmt.has_nan and code == fmt.nan_code
    magnitude = code & ~fmt.sign_code
    return magnitude > fmt.largest_code and not (fmt.has_inf and magnitude == fmt.inf_code)


def has_whole_values(fmt: Format) -> bool:
    """Whether every value of ``fmt`` is an integer: of two's complement, or of a table."""
    return is_integer(fmt) or (isinstance(fmt, TableFormat) and fmt.quantum_exponent >= 0)


def default_exact_accumulator(a: Format, b: Format) -> GridFormat:
    """What ``+exact`` abbreviates: int64 for integer operands, else fp32."""
    return IntFormat(64) if has_whole_values(a) and has_whole_values(b) else FloatFormat(8, 24)


def _require_grid(name: str, value: object, optional: bool = False) -> None:
    """Sums are rounded to floats, posits, integers and fixed point, but for those of `LogSum`."""
    if isinstance(value, TableFormat):
        message = f"{name} format {value}: a float, a posit, an integer or fixed point is needed"
        if name == "accumulator" and isinstance(value, LogFormat):
            message += "; sums of logarithms have the order lns (log4.3xlog4.3+log6.6:lns)"
        raise SpecError(message, part=name)
    _require(name, value, SumFormat | None if optional else SumFormat)


def _require(name: str, value: object, allowed: type | UnionType) -> None:
    if not isinstance(value, allowed):
        names = ", ".join(t.__name__ for t in get_args(allowed) or (allowed,))
        raise SpecError(f"{name}={value!r}: one of {names} is needed")
