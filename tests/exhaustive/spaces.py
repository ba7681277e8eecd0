"""What `make exhaustive` goes through: formats, accumulators, and the rules each can obey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import hwsim
from hwsim import MacUnit, SpecError
from hwsim.formats import CATALOGUE, OVERFLOWS, Format, check_overflow

# Operands: every 8-bit format with a name, then one of each kind that fields can make: IEEE
# specials with few and many exponents, no specials, precision 1, subnormals alone (e1m3fn), none
# at all, normal numbers in field 0, no sign; integers and fixed point; and the narrow floats.
OPERANDS = ("e5m2", "e4m3", "e5m2fnuz", "e4m3fnuz", "e4m3b11fnuz", "e4m3ieee", "e3m4", "e8m0")
OPERANDS += ("int8", "uint8", "e2m5", "e6m1", "e1m3fn", "e7m0fn", "e3m4none", "e5m2_nosub")
OPERANDS += ("e4m3_normal0", "e4m4_unsigned", "int8_sym", "fixed3.4", "ufixed2.2")
OPERANDS += ("e3m2", "e2m3", "e2m1")
PAIRS = tuple(product(OPERANDS, OPERANDS))

# Sums: 8 bits, where most of them round, overflow or underflow; then wider ones of each carrier.
ACCUMULATORS = ("e5m2", "e4m3", "e5m2_nosub", "int8", "fixed3.4", "e6m9", "bf16", "int16")

# Products × accumulator whose single steps are gone through for every code of the accumulator.
CHAINS = (
    ("e5m2", "e5m2", "e5m2"),
    ("e4m3", "e4m3", "e4m3"),
    ("e4m3fnuz", "e4m3fnuz", "e4m3fnuz"),
    ("e3m4", "e3m4", "e4m3ieee"),
    ("e5m2_nosub", "e5m2_nosub", "e5m2_nosub"),
    ("e4m3_normal0", "e3m2", "e4m3_normal0"),
    ("e2m3", "e2m3", "e2m5none"),
    ("int8", "int4", "int8"),
    ("int4", "uint4", "uint8"),
    ("fixed1.2", "fixed3.4", "fixed3.4"),
    ("int4", "e4m3", "e5m2"),
    ("e2m1", "int4", "fixed5.2"),
)
# … and whose counts are compared too.
COUNTED = (
    ("e2m1", "e2m1", "e4m3"),
    ("e2m3", "e2m1", "e2m5none"),
    ("int4", "int4", "int8"),
    ("int4", "e2m1", "fixed3.4"),
    ("e3m2", "e2m1", "e4m3_nosub"),
)

# Conversions: every named format of up to 16 bits, and one of each kind besides.
_NAMED = tuple(name for name, entry in CATALOGUE.items() if entry.format.width <= 16)
TARGETS = _NAMED + tuple(name for name in OPERANDS if name not in _NAMED)
TARGETS += ("e8m3_nosub", "e5m10fnuz", "e3m8", "e4m7none", "e5m5merged", "e9m2", "e2m9none")
TARGETS += ("e6m0fn", "fixed0.7", "ufixed2.6", "fixed4.4_sym")


@dataclass(frozen=True)
class Part:
    """What one job has compared: how many results, and the SHA-256 of their bits."""

    cases: int
    digest: str


def rules(fmt: Format) -> tuple[str, ...]:
    """The overflow rules that ``fmt`` can obey."""
    return tuple(rule for rule in OVERFLOWS if _obeys(rule, fmt))


def units(a: str, b: str, accumulator: str, rounding: str, order: str = "") -> Iterator[MacUnit]:
    """a × b into the accumulator under each legal overflow rule."""
    for rule in rules(hwsim.format(accumulator)):
        yield hwsim.mac(f"{a}x{b}+{accumulator}:{rounding}:{rule}{order}")


def _obeys(rule: str, fmt: Format) -> bool:
    try:
        check_overflow(rule, fmt)
    except SpecError:
        return False
    return True
