"""Hypothesis strategies: MAC units of every kind, and operands that hurt them.

Formats come from a list that has every kind of special, field 0, width and carrier in it; arrays
are seeded, so that a failing example stays short: unit, shapes, style, seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import assume
from hypothesis import strategies as st

import hwsim
from hwsim import Lanes, MacUnit
from hwsim.formats import OVERFLOWS, ROUNDINGS
from hwsim.testing import values

Array = npt.NDArray[Any]

FLOATS = (
    *("e5m2", "e4m3", "e5m2fnuz", "e4m3fnuz", "e4m3b11fnuz", "e4m3ieee", "e3m4", "e3m2", "e2m3"),
    *("e2m1", "bf16", "fp16", "e6m9", "dlfloat16", "tf32", "fp32", "e5m2_nosub", "e8m7_nosub"),
    *("e6m9_nosub", "e5m10fnuz", "e8m23fn", "e5m30", "e8m3", "e9m10", "e11m20", "e10m40", "e3m8"),
    *("e2m10none", "e4m9fn", "e3m3_normal0", "e5m4merged", "e7m0fn", "e8m5fnuz", "e4m3b120"),
)
FIXED = ("int8", "int4", "uint8", "int1", "int16", "int18", "int32", "int8_sym", "int40", "int50")
FIXED += ("uint32", "fixed2.5", "fixed0.7", "ufixed1.7", "fixed8.8", "fixed4.20", "fixed10.30")
# Beyond what float64 rounds: integers of any width.
RARE = ("fp64", "int52", "int64", "uint64", "fixed3.60", "fixed20.33", "int60", "ufixed4.60")
RARE += ("e9m51", "e10m50none", "e10m52fn_nosub", "e5m0fn", "e4m0none", "e6m0fnuz", "e8m51merged")
OPERANDS_ONLY = ("e8m0", "e4m4_unsigned", "uint4")


ORDERS = ("lanes1", "lanes2", "lanes3", "lanes4-tree", "lanes8-tree", "tree2", "tree3", "tree4")
ORDERS += ("tree7", "tree16", "dot2", "dot4", "dot5", "rev2", "rev3")


def _one_of(*groups: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.one_of(*(st.sampled_from(group) for group in groups))


@st.composite
def any_float(draw: st.DrawFn) -> str:
    """An eXmY that nobody named."""
    bias = draw(st.sampled_from(["", "", "", "b0", "b3", "b20"]))
    specials = draw(st.sampled_from(["", "ieee", "fn", "fnuz", "none", "merged"]))
    field = draw(st.sampled_from(["", "", "_nosub", "_normal0"]))
    return f"e{draw(st.integers(2, 8))}m{draw(st.integers(1, 14))}{bias}{specials}{field}"


SUMS = st.one_of(_one_of(FLOATS, FLOATS, FIXED), any_float(), _one_of(FLOATS, FIXED, RARE))
OPERANDS = st.one_of(SUMS, _one_of(FLOATS, OPERANDS_ONLY), _one_of(RARE))


@st.composite
def units(draw: st.DrawFn) -> MacUnit:
    """Any unit that hardware could obey."""
    a = draw(OPERANDS)
    b = draw(st.one_of(st.just(a), OPERANDS))
    spec = f"{a}x{b}+{draw(SUMS)}:{draw(st.sampled_from(ROUNDINGS))}"
    spec += draw(st.sampled_from(["", "", *(f":{rule}" for rule in OVERFLOWS)]))
    orders = ("seq", "seq", "chunk", "chunk", "exact", *ORDERS)
    order = draw(st.one_of(st.sampled_from(orders), st.sampled_from(ORDERS)))
    if order == "chunk":
        spec += f":chunk{draw(st.sampled_from([1, 2, 3, 4, 8]))}"
        spec += draw(st.one_of(st.just(""), SUMS.map("/{}".format)))
    else:
        spec += f":{order}"
        own = order.startswith("dot") and draw(st.booleans())
        spec += f"/{draw(SUMS)}" if own else ""
    spec += draw(st.one_of(st.just(""), st.just(""), st.just(":mul_add")))
    if spec.endswith("mul_add"):
        spec += draw(st.one_of(st.just(""), SUMS.map("/{}".format)))
    spec += draw(st.sampled_from(["", "", ":daz", ":ftz"]))
    spec += draw(st.one_of(st.just(""), st.just(""), SUMS.map(":out={}".format)))
    try:
        return hwsim.mac(spec)
    except hwsim.SpecError:
        assume(False)
        raise


@dataclass(frozen=True)
class Product:
    """One call: shapes, the style of the operands, a seed."""

    batch: tuple[int, ...]
    m: int
    k: int
    n: int
    style: str
    c_style: str | None
    seed: int
    threads: int

    def operands(self, unit: MacUnit) -> tuple[Array, Array, Array | None]:
        """a (…, m, k), b (k, n), c (m, n) or None."""
        generator = np.random.default_rng(self.seed)
        a = values(unit.a, (*self.batch, self.m, self.k), self.style, generator)
        b = values(unit.b, (self.k, self.n), self.style, generator)
        if self.style == "cancelling" and a.dtype.kind == "f":
            half = self.k // 2
            a[..., half : 2 * half] = -a[..., :half]
            b[half : 2 * half] = b[:half]
        c = None
        if self.c_style is not None:
            c = values(unit.outer_format, (self.m, self.n), self.c_style, generator)
        return a, b, c


STYLES = ("codes", "codes", "finite", "tiny", "middle", "middle", "huge", "root", "cancelling")


@st.composite
def products(draw: st.DrawFn, unit: MacUnit) -> Product:
    """Shapes around the chunk length and the lanes; operands around both ends of the range."""
    order = unit.order
    length = order.count if isinstance(order, Lanes) else order.group if order.group > 1 else 5
    k = draw(st.sampled_from([0, 1, 2, length, length + 1, max(0, length - 1), 7, 19, 40]))
    m, n = draw(st.sampled_from([(1, 1), (2, 3), (3, 2), (1, 65), (66, 1), (0, 2), (2, 0)]))
    batch = draw(st.sampled_from([(), (), (2,), (0,)])) if m * n < 60 else ()
    return Product(
        batch=batch,
        m=m,
        k=min(k, 6) if m * n > 60 else k,
        n=n,
        style=draw(st.sampled_from(STYLES)),
        c_style=draw(st.sampled_from([None, None, "codes", "zeros", "middle", "huge", "tiny"])),
        seed=draw(st.integers(0, 2**32 - 1)),
        threads=draw(st.sampled_from([1, 2])),
    )
