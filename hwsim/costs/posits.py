"""What turns posits into sign, exponent and significand, and back.

Decoder: two's complement to sign and magnitude, the run of the regime counted (each bit compared
with the first, then a leading-zero counter), and shifted out.  Encoder: the regime's run put before
exponent and fraction by a right shifter with a sticky bit, one rounding of the word, ends that
never become 0 or NaR, and two's complement.  As in Jaiswal & So 2018, DATE; Chaurasiya et al. 2018,
ICCD.
"""

from __future__ import annotations

from hwsim.costs import primitives as t
from hwsim.formats import PositFormat


def decoder(fmt: PositFormat) -> t.Logic:
    """Code to sign, exponent, significand, zero and NaR."""
    places = fmt.width - 1
    special = t.gate_tree(places) + 2 * t.AND
    if places == 1:
        return special
    run = t.XOR * (places - 1) + t.leading_zero_counter(places)
    regime = t.complementer(t.bits_for(places) + 1)  # −run where the run is of zeros
    found = t.complementer(places) + run
    return special | found + (t.shifter(places, places - 1) | regime)


def encoder(fmt: PositFormat, bits: int, exponent: int, rounding: str) -> t.Logic:
    """Sign, exponent of ``exponent`` bits and a normalised significand of ``bits`` to a code."""
    places = fmt.width - 1
    length = t.complementer(exponent) + 2 * t.comparator(exponent)  # the run's, within the ends
    tail = fmt.exponent_bits + bits - 1  # what stands behind the regime
    word = places + min(tail, 2)  # bits under these only make the sticky one
    shift = t.shifter(word, places, sticky=True) | t.gate_tree(tail - places)
    ends = 2 * t.AND * places  # neither 0 nor NaR
    # A long regime pushes bits out, however few there are.
    return (
        length
        + shift
        + t.rounder(places, max(tail, 1), rounding)
        + ends
        + t.complementer(fmt.width)
    )
