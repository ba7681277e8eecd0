"""What turns a wide sum into a narrow integer, once per output."""

from __future__ import annotations

from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import Piece, out_of_range
from hwsim.formats import SumFormat
from hwsim.units import Requantization


def requantizer(how: Requantization, wide: SumFormat, fmt: SumFormat) -> list[Piece]:
    """Multiplier, shifters and rounders, zero point and clamp; they work once per output."""
    product = wide.width + how.multiplier_bits
    if how.high_rounding is None:
        shift = t.shifter(product, product - 1, sticky=True)
    else:
        shift = t.shifter(wide.width, wide.width - 1) + out_of_range(wide, "saturate")
        shift += _requant_rounder(wide.width, how.multiplier_bits, how.high_rounding)
        shift += t.shifter(wide.width, wide.width - 1, sticky=True)
    shift += _requant_rounder(wide.width, 1, how.rounding)
    limits = t.adder(wide.width) + 2 * (t.comparator(wide.width) + t.mux(fmt.width))
    pieces = [
        Piece("requantization multiplier", t.multiplier(wide.width, how.multiplier_bits)),
        Piece("requantization shift", shift, str(how)),
        Piece("zero point and clamp", limits, f"{fmt}"),
    ]
    return [replace(piece, per="output") for piece in pieces]


def _requant_rounder(kept: int, dropped: int, mode: str) -> t.Logic:
    """half-up adds the bit below the last one, which is all that a two's complement rna does."""
    return t.rounder(kept, dropped, "rna" if mode == "half-up" else mode)
