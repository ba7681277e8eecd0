"""Numbers between two blocks of a datapath: what wires stand for.  Every width is static."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwsim.rtl.hdl import Bits, Const, Datapath, Mux, block
from hwsim.rtl.parts import leading_zeros, shift_left

NO = Const(0, 1)


@dataclass(frozen=True)
class Number:
    """(−1)^sign · significand · 2^(exponent + origin − bits + 1), or a zero, Inf or NaN.

    sign, zero, infinite, nan : flags; of a zero the significand is 0, of Inf and NaN anything.
    exponent : + origin is the weight of the significand's first bit.
    significand : unsigned; its last bit may stand for all that lies below it (sticky).
    origin : static part of the exponent.
    least, most : bounds of exponent + origin of finite numbers; of a zero's too.
    leading : most leading zeros of a significand that is not 0.
    loose : no number of a larger exponent has more than one leading zero.
    quiet : whether a zero has the least exponent, so that it moves nothing it is added to.
    code : what it was rounded to and decoded from, where that is wanted again.
    """

    sign: Bits
    exponent: Bits
    significand: Bits
    zero: Bits
    infinite: Bits
    nan: Bits
    origin: int
    least: int
    most: int
    leading: int
    loose: int
    quiet: bool = True
    code: Bits = None

    @property
    def bits(self) -> int:
        """Width of the significand."""
        return len(self.significand)

    @property
    def may_be_infinite(self) -> bool:
        """Whether the flag of Inf is a wire."""
        return not isinstance(self.infinite, Const)

    @property
    def lowest(self) -> int:
        """Weight of the least last bit."""
        return self.least - self.bits + 1

    @property
    def top(self) -> Bits:
        """The weight of the first bit."""
        return self.exponent + self.origin


@block
def normalised(path: Datapath, x: Number) -> Number:
    """x without leading zeros."""
    if x.leading == 0:
        return x
    shift = leading_zeros(path, x.significand[x.bits - x.leading - 1 :])
    significand = shift_left(path, x.significand, shift, x.leading)
    least = x.least - x.leading
    exponent = path.wire(
        x.exponent - shift, "exponent", range(least - x.origin, x.most - x.origin + 2)
    )
    return replace(
        x, exponent=exponent, significand=significand, least=least, leading=0, loose=least
    )


def ranked(path: Datapath, where: str, x: Number) -> Number:
    """x after a pipeline rank, if one stands there."""
    wires = ("sign", "exponent", "significand", "zero", "infinite", "nan")
    return replace(x, **path.rank(where, {name: getattr(x, name) for name in wires}))


def moved(path: Datapath, x: Number, origin: int) -> Bits:
    """x's exponent, counted from another origin."""
    return x.exponent if origin == x.origin else x.exponent + (x.origin - origin)


def choose(select: Bits, yes: Bits, no: Bits) -> Bits:
    """``yes`` where select, else ``no``; a plain wire where select is a constant."""
    if isinstance(select, Const):
        return yes if select.value else no
    return Mux(select, yes, no)
