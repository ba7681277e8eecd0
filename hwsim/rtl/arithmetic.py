"""Products and sums of numbers on wires, exact, or with a last bit that is sticky."""

from __future__ import annotations

from dataclasses import replace

from hwsim.rtl.hdl import Bits, Cat, Const, Datapath, Mux, block
from hwsim.rtl.numbers import Number, moved, normalised
from hwsim.rtl.parts import inverted, negated, shift_right

GUARD = 3  # bits under both significands: guard, round, and room for one step of cancellation


@block
def multiply(path: Datapath, x: Number, y: Number, plain_zero: bool = False) -> Number:
    """x·y, exactly.  plain_zero : a zero is +0 (an operand is an integer).

    A significand of one bit, a power of two's, changes nothing but an exponent.
    """
    if x.bits == 1 and x.leading == 0:
        x, y = y, x
    power = y.bits == 1 and y.leading == 0
    more = 0 if power else 1  # the product's first bit is one place further up
    sign = path.wire(x.sign ^ y.sign, "product_sign")
    zero = x.zero if isinstance(y.zero, Const) else path.wire(x.zero | y.zero, "product_zero")
    invalid = (x.infinite & y.zero) | (x.zero & y.infinite)
    significand = x.significand * y.significand
    if power:
        significand = Cat(*(bit & y.significand for bit in x.significand))
    return Number(
        path.wire(sign & ~zero, "plain_sign") if plain_zero else sign,
        path.wire(x.exponent + y.exponent, "product_exponent"),
        path.wire(significand, "product", x.bits if power else x.bits + y.bits),
        zero,
        path.wire(x.infinite | y.infinite, "product_infinite"),
        path.wire(x.nan | y.nan | invalid, "product_nan"),
        x.origin + y.origin + more,
        x.least + y.least + more,
        x.most + y.most + more,
        x.leading + y.leading + more,
        more + max(x.loose + y.most, x.most + y.loose),
        quiet=False,
    )


def add(
    path: Datapath, x: Number, y: Number, below: int, down: bool = False, precision: int = 0
) -> Number:
    """x + y, sign and magnitude.

    below : bits under the last place that decide a rounding.  down : x − x is −0.  precision : of
    the result, where it is more than that of either.

    A significand twice as long as y's stays where it is, and y is aligned beside it; otherwise the
    one of the larger exponent stays, in a window that is smaller then.
    """
    below = max(GUARD, below)
    if x.leading > 1 and x.loose > y.least:
        x = normalised(path, x)
    if x.bits >= 2 * y.bits and y.quiet:
        return _beside(path, x, y, below, down)
    below += max(0, precision - max(x.bits, y.bits))
    return _larger_first(path, x, y, below, down)


@block
def _beside(path: Datapath, x: Number, y: Number, below: int, down: bool) -> Number:
    """A window of y's bits, ``below``, and x's, which stay; y moves right from its top."""
    ahead = y.bits + below
    own = max(x.bits, ahead)  # where x leads, this many bits decide
    origin = x.origin + ahead
    span = range(min(x.least + ahead - y.most, 0), x.most + ahead - y.least + 1)
    distance = path.wire(x.exponent - moved(path, y, origin), "distance", span)
    stay = path.wire((distance < 0) | x.zero, "stay")
    aligned = shift_right(path, y.significand, unless(stay, distance, span), ahead + own)
    still = Cat(Const(0, 1 + own - x.bits), x.significand)
    least, most = y.least, max(y.most, x.most + ahead)
    top = Mux(stay, moved(path, y, origin), x.exponent)
    exponent = path.wire(top, "top", range(least - origin, most - origin + 1))
    return _sum(path, (y, aligned), (x, still), (exponent, origin, least, most), down)


@block
def _larger_first(path: Datapath, x: Number, y: Number, below: int, down: bool) -> Number:
    """The one of the larger exponent stays, the other moves right; a zero lets the other stay."""
    width, origin = max(x.bits, y.bits) + below, y.origin
    far = max(x.most - y.least, y.most - x.least)
    span = range(-far, far + 1)
    distance = path.wire(moved(path, x, origin) - y.exponent, "distance", span)
    swap = path.wire((distance < 0) | x.zero, "swap")
    if not y.quiet:
        swap = path.wire(swap & ~y.zero, "swap_it")
    amount = path.wire(Mux(swap, -distance, distance), "amount", span)
    none = x.zero if y.quiet else path.wire(x.zero | y.zero, "one_alone")
    left = Cat(Const(0, width - x.bits), x.significand)
    right = Cat(Const(0, width - y.bits), y.significand)
    big = path.wire(Mux(swap, right, left), "big")
    small = path.wire(Mux(swap, left, right), "small")
    aligned = shift_right(path, small, unless(none, amount, span), width)
    least, most = y.least if y.quiet else min(x.least, y.least), max(x.most, y.most)
    top = Mux(swap, y.exponent, moved(path, x, origin))
    exponent = path.wire(top, "top", range(least - origin, most - origin + 1))
    first = replace(x, sign=path.wire(Mux(swap, y.sign, x.sign), "big_sign"))
    other = replace(y, sign=path.wire(Mux(swap, x.sign, y.sign), "small_sign"))
    infinite = path.wire(Mux(swap, y.infinite, x.infinite), "big_infinite")
    first = replace(first, infinite=infinite)
    other = replace(other, infinite=path.wire(Mux(swap, x.infinite, y.infinite), "small_infinite"))
    still = Cat(Const(0, 1), big)
    return _sum(path, (first, still), (other, aligned), (exponent, origin, least, most), down)


def unless(none: Bits, amount: Bits, span: range) -> Bits:
    """A shift of 0 where ``none``; of ``amount`` elsewhere, where it is not negative."""
    bits = amount[: max(1, (span.stop - 1).bit_length())]
    return Cat(*(bit & ~none for bit in bits))


@block
def _sum(
    path: Datapath,
    first: tuple[Number, Bits],
    second: tuple[Number, Bits],
    top: tuple[Bits, int, int, int],
    down: bool,
) -> Number:
    """Two aligned words, the second turned where signs differ, to sign and magnitude.

    top : exponent of the words' first bit, its origin, least and most.
    """
    (x, a), (y, b), (exponent, origin, least, most) = first, second, top
    held = path.rank("alignment", {"first": a, "second": b, "exponent": exponent})
    a, b, exponent = held["first"], held["second"], held["exponent"]
    x, y = (replace(n, **path.rank("alignment", _flags(n))) for n in (x, y))
    bits = len(a) + 1  # the carry
    differ = path.wire(x.sign ^ y.sign, "differ")
    turned = path.wire(inverted(Cat(b, Const(0, bits - len(b))), differ), "turned")
    total = path.wire(a + turned + differ, "total", bits)
    negative = path.wire(total[-1] & differ, "negative")
    zero = path.wire(~total.any(), "sum_zero")
    of_zero = (x.sign | y.sign) if down else (x.sign & y.sign)
    infinite = path.wire(x.infinite | y.infinite, "sum_infinite")
    second_leads = Mux(infinite, ~x.infinite, negative)
    sign = Mux(zero & ~infinite, of_zero, Mux(second_leads, y.sign, x.sign))
    nan = x.nan | y.nan | (x.infinite & y.infinite & differ)
    return Number(
        path.wire(sign, "sum_sign"),
        exponent,
        negated(path, total, negative),
        zero,
        infinite,
        path.wire(nan, "sum_nan"),
        origin + 1,
        least + 1,
        most + 1,
        bits - 1,
        most + 1,
    )


def _flags(x: Number) -> dict[str, Bits]:
    return {name: getattr(x, name) for name in ("sign", "zero", "infinite", "nan")}
