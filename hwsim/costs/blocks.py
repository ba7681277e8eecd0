"""Blocks of a datapath, composed from primitives: what is added, and what it is added to.

A block is a list of `Piece`: a name, its logic, and a remark that says what was counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hwsim.costs import posits
from hwsim.costs import primitives as t
from hwsim.formats import FixedFormat, FloatFormat, PositFormat, SumFormat, stochastic_of

Scaled = FloatFormat | PositFormat  # what has an exponent

GUARD_ROUND_STICKY = 3


@dataclass(frozen=True)
class Piece:
    """A part without a price yet: the logic of one, and how often it works.

    per : MAC, chunk or output.  copies : how many there are.  uses : how many work each time.
    levels : how many of them data goes through in a row.  beside : whether it works at the same
    time as the part before it.  clocked : whether it is flip-flops, which end a stage.
    """

    name: str
    logic: t.Logic
    note: str = ""
    per: str = "mac"
    copies: int = 1
    uses: int = 1
    levels: int = 1
    beside: bool = False
    clocked: bool = False

    @property
    def transistors(self) -> int:
        """Of one."""
        return self.logic.transistors


def register(name: str, bits: int, note: str = "", per: str = "mac") -> Piece:
    """Flip-flops of ``bits`` bits."""
    return Piece(name, t.register(bits), note or f"{bits} bits", per, clocked=True)


def longest_stage(pieces: Iterable[Piece]) -> int:
    """Levels of gates on the longest path between two registers.

    Parts stand in the order data meets them; those that work for each MAC, chunk and output are
    stages of their own.
    """
    longest, path, before, per = 0, t.NOTHING, t.NOTHING, ""
    for piece in pieces:
        if piece.clocked or piece.per != per:
            path = before = t.NOTHING
        if piece.clocked:
            continue
        own, per = piece.logic.in_a_row(piece.levels), piece.per
        before = before if piece.beside else path
        through = before + own
        path = path | through if piece.beside else through
        longest = max(longest, path.depth)
    return longest


@dataclass(frozen=True)
class Number:
    """A number on a wire between two blocks.

    bits : width; of the significand when ``floating``, else of the two's complement word.
    low, high : exponents: every value is a multiple of 2^low and below 2^(high + 1).
    smallest : exponent of the smallest nonzero magnitude.
    floating : sign, exponent, significand (normalised); else two's complement at weight 2^low.
    """

    bits: int
    low: int
    high: int
    smallest: int
    floating: bool


def number_of(fmt: SumFormat) -> Number:
    """How values of ``fmt`` travel once decoded."""
    low = fmt.quantum_exponent
    if isinstance(fmt, PositFormat):
        return Number(fmt.precision, low, fmt.emax, low, True)
    if isinstance(fmt, FloatFormat):
        smallest = low if fmt.has_subnormals else fmt.emin
        return Number(fmt.precision, low, fmt.emax, smallest, True)
    return Number(fmt.width, low, low + fmt.width - 1, low, False)


def stored(fmt: SumFormat) -> Number:
    """The same where leading zeros of subnormals stay: their exponent is the smallest normal's."""
    number = number_of(fmt)
    return replace(number, smallest=fmt.emin) if isinstance(fmt, FloatFormat) else number


def exponent_bits(*numbers: Number) -> int:
    """Width of a signed exponent that tells every value of ``numbers`` apart, and out of range."""
    low = min(n.smallest for n in numbers)
    high = max(n.high for n in numbers)
    return max(2, t.bits_for(high - low + 1) + 1)


def fields_decoder(fmt: SumFormat) -> t.Logic:
    """Hidden bit, zero and special codes of a float, the whole decoder of a posit; nothing for
    fixed point."""
    if isinstance(fmt, FixedFormat):
        return t.NOTHING
    if isinstance(fmt, PositFormat):
        return posits.decoder(fmt)
    x, f = fmt.exponent_bits, fmt.fraction_bits
    if fmt.zero_field == "zero":
        zero = t.gate_tree(x) + t.AND * f  # any fraction reads as zero
    else:
        zero = t.gate_tree(x + f) + t.AND  # and the exponent of field 0 reads as 1
    if fmt.specials == "ieee":
        return zero | (t.gate_tree(x) + t.AND)
    nan = t.AND if fmt.has_nan_at_minus_zero else t.gate_tree(x + f) * fmt.has_nan
    return zero | nan | t.gate_tree(x + f) * fmt.has_inf


def needs_normaliser(fmt: SumFormat) -> bool:
    """Whether values of ``fmt`` may have leading zeros on entry to a floating-point unit."""
    if isinstance(fmt, FloatFormat):
        return fmt.has_subnormals and fmt.precision > 1
    return not isinstance(fmt, PositFormat) and fmt.width > 1


def out_of_range(fmt: SumFormat, overflow: str) -> t.Logic:
    """Detect overflow and replace the result by a constant: one AND or OR per bit; of fixed point
    both, as there are two constants."""
    if overflow == "wrap":
        return t.NOTHING
    if isinstance(fmt, FixedFormat):
        return 2 * t.XOR + 2 * t.AND * fmt.width
    if isinstance(fmt, PositFormat):
        return t.NOTHING  # the encoder's ends
    whole = fmt.specials in ("ieee", "fnuz")  # overflow shows in the exponent alone
    detect = t.gate_tree(fmt.exponent_bits + (0 if whole else fmt.fraction_bits)) + 2 * t.AND
    return detect + t.AND * fmt.width


def special_results(fmt: SumFormat) -> t.Logic:
    """NaN and Inf operands override the result; nothing where ``fmt`` has neither."""
    if not (fmt.has_inf or fmt.has_nan):
        return t.NOTHING
    flags = 14 if fmt.has_inf else 8  # Inf · 0 and Inf − Inf are NaN
    return flags * t.AND + t.AND * fmt.width


def small_results(value: Number, fmt: FloatFormat, exponent: int) -> t.Logic:
    """Below the smallest normal: shift right onto the subnormal grid, or flush to zero.  A word in
    two's complement is on it if its shift to the left stops in time."""
    if not fmt.has_subnormals:
        return t.AND * fmt.width
    if not value.floating:
        return t.comparator(exponent) + t.mux(t.bits_for(value.bits))
    amount = t.constant_adder(exponent) | t.constant_comparator(exponent)
    reach = min(value.bits, fmt.emin - value.smallest)
    return amount + t.shifter(value.bits, reach, sticky=True)


def convert(value: Number, fmt: SumFormat, rounding: str, overflow: str, role: str) -> list[Piece]:
    """Round ``value`` into ``fmt``: normalise, round, and handle overflow."""
    target = number_of(fmt)
    exponent = exponent_bits(value, target)
    if isinstance(fmt, FixedFormat):
        return _to_fixed(value, fmt, rounding, overflow, role)
    if value.floating:  # a product of normalised significands needs one step at most
        normal = t.mux(value.bits) | t.incrementer(exponent)  # the step is the bias's carry
        note = "one step, and the new bias"
    else:
        above = value.bits  # bits that are more than sticky
        if isinstance(fmt, FloatFormat):
            above = max(1, min(above, value.high - target.low + GUARD_ROUND_STICKY))
        normal = t.complementer(value.bits) + t.normaliser(above)
        normal |= t.constant_adder(exponent)
        note = f"{value.bits} bits to sign and magnitude, leading zeros removed"
    if isinstance(fmt, PositFormat):
        return [
            Piece(f"{role} normalisation", normal, note),
            *_to_posit(value.bits, fmt, exponent, rounding, role),
        ]
    return [
        Piece(f"{role} normalisation", normal, note),
        *_packed(value, fmt, rounding, overflow, role),
    ]


def reformat(
    source: SumFormat, fmt: SumFormat, rounding: str, overflow: str, role: str
) -> list[Piece]:
    """A stored number of one format into another: between floats nothing is normalised but
    subnormals that the other format has as normal numbers."""
    if not (isinstance(source, FloatFormat) and isinstance(fmt, FloatFormat)):
        return convert(number_of(source), fmt, rounding, overflow, role)
    value = stored(source)
    other_bias = source.exponent_bias != fmt.exponent_bias
    change = t.constant_adder(exponent_bits(value, stored(fmt))) if other_bias else t.NOTHING
    if fmt.emin < source.emin and needs_normaliser(source):
        change |= t.normaliser(value.bits)
    return [Piece(f"{role} exponent", change), *_packed(value, fmt, rounding, overflow, role)]


def _packed(
    value: Number, fmt: FloatFormat, rounding: str, overflow: str, role: str
) -> list[Piece]:
    target = number_of(fmt)
    exponent = exponent_bits(value, target)
    small = value.smallest < fmt.emin
    dropped = max(value.bits - fmt.precision, int(value.low < target.low))
    large = value.high >= target.high
    limit = special_results(fmt) | (out_of_range(fmt, overflow) if large else t.NOTHING)
    grid = "right shifter onto the subnormal grid" if fmt.has_subnormals else "flush to zero"
    return [
        Piece(
            f"{role} small results",
            small_results(value, fmt, exponent) if small else t.NOTHING,
            grid,
        ),
        Piece(f"{role} rounding", t.rounder(fmt.width, dropped, rounding), rounding),
        Piece(f"{role} overflow and specials", limit, overflow),
    ]


def _to_posit(
    bits: int, fmt: PositFormat, exponent: int, rounding: str, role: str = ""
) -> list[Piece]:
    """A normalised significand of ``bits`` bits into a code."""
    encode = posits.encoder(fmt, bits, exponent, rounding)
    first = f"{role} " if role else ""
    return [
        Piece(f"{first}regime and rounding", encode, f"{fmt.width} bits, {rounding}"),
        Piece(f"{first}NaR", special_results(fmt)),
    ]


def _to_fixed(
    value: Number, fmt: FixedFormat, rounding: str, overflow: str, role: str
) -> list[Piece]:
    target = number_of(fmt)
    pieces = []
    dropped = max(0, target.low - value.low)
    if value.floating:
        pieces.append(placement(value, target, fmt.width + _kept_below(rounding, dropped)))
    rounder = t.rounder(fmt.width, dropped, rounding)
    return [
        *pieces,
        Piece(f"{role} rounding", rounder, rounding),
        Piece(f"{role} overflow", out_of_range(fmt, overflow), overflow),
    ]


def placement(value: Number, target: Number, width: int) -> Piece:
    """A float's significand to its place in a two's complement word of ``width`` bits."""
    exponent = exponent_bits(value, target)
    width = max(width, value.bits)
    shift = t.placer(value.bits, width)
    amount = t.constant_adder(exponent) | t.constant_comparator(exponent)
    note = f"{value.bits} bits into {width}, then two's complement"
    return Piece("alignment shifter", amount + shift + t.complementer(width), note)


def add_fixed(
    value: Number, fmt: FixedFormat, rounding: str, overflow: str, role: str = "adder"
) -> list[Piece]:
    """fmt ← R(fmt + value) in two's complement."""
    target = number_of(fmt)
    dropped = max(0, target.low - value.low)
    width = fmt.width
    if overflow != "wrap":  # the sum must be seen whole to be judged
        reach = target.high + 1 if value.floating else max(target.high, value.high) + 1
        width = reach - target.low + 1
    pieces = []
    if value.floating:
        kept = _kept_below(rounding, dropped)
        reached = value.high - max(value.low, target.low - kept) + 2  # and the sign
        pieces.append(placement(value, target, min(width + kept, reached)))
    return [
        *pieces,
        Piece(role, t.adder(width), f"{width} bits"),
        Piece("rounding", t.rounder(fmt.width, dropped, rounding), rounding),
        Piece("overflow", out_of_range(fmt, overflow), overflow),
    ]


def add_float(value: Number, fmt: Scaled, rounding: str, overflow: str) -> list[Piece]:
    """fmt ← R(fmt + value), one rounding.

    The two, of p and q bits, are compared and swapped, and the smaller is aligned in max(p, q) + 3
    bits; sr with N bits has N + 2 in place of the 3.
    """
    pieces = []
    if not value.floating:
        pieces = [
            Piece(
                "product to float",
                t.complementer(value.bits) + t.normaliser(value.bits),
                "sign and magnitude, then normalised",
            )
        ]
        value = replace(value, floating=True)
    exponent = exponent_bits(value, stored(fmt))
    window, aligned = _aligned(value, fmt, exponent, bits_below(rounding))
    back = _normalised(value, fmt, window, exponent)
    return [*pieces, *aligned, *back, *_float_back(fmt, window, exponent, rounding, overflow)]


def _kept_below(rounding: str, dropped: int) -> int:
    """Of bits under the last place of a word, those that are not sticky."""
    return min(dropped, bits_below(rounding) - 1)


def bits_below(rounding: str) -> int:
    """Bits under the last place of a sum that decide its rounding: guard, round and sticky, or a
    draw's N, a guard bit and sticky."""
    how = stochastic_of(rounding)
    return max(GUARD_ROUND_STICKY, how.bits + 2) if how else GUARD_ROUND_STICKY


def _farthest(value: Number, fmt: Scaled) -> int:
    """Places that the smaller of the two moves at most."""
    target = stored(fmt)
    return max(value.high - target.smallest, target.high - value.smallest)


def _aligned(value: Number, fmt: Scaled, exponent: int, below: int) -> tuple[int, list[Piece]]:
    """The larger of the two stays, the other is shifted, and both are added."""
    wide = max(fmt.precision, value.bits)
    window = wide + below
    amount = t.adder(exponent - 1) + t.complementer(exponent - 1) + t.gate_tree(exponent)
    swap = (t.comparator(exponent - 1 + wide) | amount) + t.mux(2 * (exponent - 1 + wide))
    reach = min(window - 1, _farthest(value, fmt))
    shift = t.shifter(window - 1, reach, sticky=True)
    return window, [
        Piece("accumulator decode", fields_decoder(fmt)),
        Piece("alignment shifter", swap + shift, f"compare, swap, {window} bits"),
        Piece("wide adder", t.magnitude_adder(window), f"{window} bits"),
    ]


def _normalised(value: Number, fmt: Scaled, window: int, exponent: int) -> list[Piece]:
    """A sum of ``window`` bits and its carry, without leading zeros; with subnormals the shift
    stops at the smallest exponent."""
    less = t.constant_adder(exponent) + t.narrow_adder(exponent, t.bits_for(window + 2))
    most = None
    after = t.NOTHING
    if isinstance(fmt, FloatFormat) and fmt.has_subnormals:
        most = max(value.high, fmt.emax) + 1 - fmt.emin
        less |= t.comparator(exponent)
        after = t.mux(t.bits_for(window + 2))
    elif isinstance(fmt, FloatFormat):
        after = t.AND * fmt.width  # flush to zero
    shift = (t.normaliser(window + 1, most) | less) + after
    return [Piece("normalisation", shift, f"leading zeros and shift, {window + 1} bits")]


def _float_back(
    fmt: Scaled, window: int, exponent: int, rounding: str, overflow: str
) -> list[Piece]:
    """Round and pack a sum of ``window`` bits and its carry."""
    if isinstance(fmt, PositFormat):
        return _to_posit(window + 1, fmt, exponent, rounding)
    return [
        Piece("rounding", t.rounder(fmt.width, window + 1 - fmt.precision, rounding), rounding),
        Piece(
            "overflow and specials", out_of_range(fmt, overflow) | special_results(fmt), overflow
        ),
    ]
