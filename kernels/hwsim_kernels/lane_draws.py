"""Stochastic rounding in vectors of lanes: random bits, and how a sum takes them."""

from __future__ import annotations

from hwsim_kernels.draws import FACTORS, SHIFTS
from hwsim_kernels.paths import DRAWN_B, DRAWN_C, Path, Scalars
from hwsim_kernels.terms import Error, cut
from hwsim_kernels.vectors import (
    Vector,
    absolute,
    bits,
    floats,
    halves,
    inverted,
    select,
    shifted,
    shifted_left,
    sign_mask,
    spliced,
)


def random_bits(states: list[list[Vector]], factor: Vector, g: Scalars) -> list[Vector]:
    """Draws from vectors of splitmix64's states (lanes of 64 bits; in lanes of 32 bits those of
    even columns, then those of odd ones), in place: N bits of the mixed word, ``place`` places up.

    ``factor`` is the mixer's second one, times 2^place in lanes of 32 bits.  Those need the bits
    z = 0 … N − 1 and 31 … 30 + N of the product, which stay below 64 then: place + 31 + N ≤ 63.
    Even columns find them in the low word; odd ones, one place further up, in the high one.
    Several draws go side by side: each is a chain of which the next need not await the end.
    """
    words = [z for pair in states for z in pair]
    for shift, by in ((SHIFTS[0], signed(FACTORS[0])), (SHIFTS[1], factor)):
        words = [z ^ shifted(z, z.constant(shift)) for z in words]
        if g.draw.width == 32 and by is factor:
            words = [z * (factor + factor if i % 2 else factor) for i, z in enumerate(words)]
        else:
            words = [z * by for z in words]
    if g.draw.width == 64:
        last = words[0].constant(SHIFTS[2])
        return [shifted_left(z ^ shifted(z, last), g.place) & g.draw for z in words]
    found = []
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = spliced(even, odd, SHIFTS[2], factor)
        other = spliced(odd, even, -SHIFTS[2], factor)
        found.append((halves(one) ^ halves(other)) & g.draw)
    return found


def register_bits(state: Vector, feedback: Vector, g: Scalars) -> tuple[Vector, Vector]:
    """A draw from shift registers, in place, and the registers one clock later (Galois form)."""
    draw = shifted_left(state, g.place) & g.draw
    zero = state.constant(0)
    moved = shifted(state, state.constant(1)) ^ (feedback & (zero - (state & 1)))
    return draw, moved


def signed(word: int) -> int:
    """64 bits as a signed integer."""
    return word - (1 << 64) if word >> 63 else word


def drawn(
    s: Vector, e: Error | None, g: Scalars, path: Path, draw: Vector, lost: Vector | None = None
) -> Vector:
    """s + e by a draw: magnitudes are cut to P bits, the draw is added, the rest dropped.

    P ≥ p + N + 2.  A and B see N and N + 1 bits under the last place, and none below them; C's
    nearest needs to know whether there are any: ``lost``, where the cut is made (or NaN).
    """
    m = cut(s, e.value if e else None)
    lost = e.exists if e else lost
    if not path.floor:
        return floats(drawn_bits(m, g, path, draw, lost))
    # Under the smallest normal value the grid is that of |s| plus it.
    a = absolute(floats(m))
    base = select(a < g.smallest_normal, g.smallest_normal, a.constant(0.0))
    t = a + base
    rest = a - (t - base)
    m = select(rest < 0.0, bits(t) - 1, bits(t))
    lost = rest.ne(0.0) if lost is None else lost | rest.ne(0.0)
    y = floats(drawn_bits(m, g, path, draw, lost)) - base
    y = floats(bits(y) | (bits(s) & sign_mask(s.width)))
    return y if path.signs else y + 0.0


def drawn_bits(m: Vector, g: Scalars, path: Path, draw: Vector, lost: Vector | None) -> Vector:
    """The draw added, and the cut: carries run into the exponent."""
    if path.rounding == DRAWN_B:
        draw = draw | g.nudge
    if path.rounding == DRAWN_C:
        # To nearest at the draw's place, and then the draw: of exact ties those of odd draws stay.
        odd = (draw & (g.nudge + g.nudge)).ne(0)
        stays = odd if lost is None else odd & inverted(lost)
        draw = draw | select(stays, g.below, g.nudge)
    return (m + draw) & g.keep
