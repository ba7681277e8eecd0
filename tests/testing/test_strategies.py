"""The strategies draw what can be said, and nothing else; hwsim computes it as the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import MacUnit, reference
from hwsim.formats import FixedFormat, FloatFormat, Format, TableFormat, as_format
from hwsim.testing import STYLES, strategies, values
from hwsim.units import Lanes
from tests.simulate.comparison import bits, count_differences, outcome

FEW = settings(deadline=None, derandomize=True, max_examples=200, database=None)


def test_units_of_every_kind_are_drawn() -> None:
    """Each part of a description, and its absence; all read back from their names."""
    seen = set[object]()

    @settings(FEW, max_examples=1500)
    @given(strategies.mac_units())
    def draw(unit: MacUnit) -> None:
        assert hwsim.mac(str(unit)) == unit
        assert max(fmt.width for fmt in (unit.a, unit.b, *unit.rounded_formats().values())) <= 16
        parts = (unit.a, unit.accumulator, unit.order, unit.multiplier, unit.core)
        seen.update(type(part).__name__ for part in parts)
        seen.update((unit.rounding[:2], unit.overflow_of(unit.accumulator), "daz" * unit.daz))
        seen.update(("ftz" * unit.ftz, "own NaN" * (unit.nan is not None)))
        seen.update(name for name in ("output", "requantization") if getattr(unit, name))

    draw()
    formats = {"FloatFormat", "FixedFormat", "IntFormat", "LogFormat", "CodebookFormat"}
    orders = {"Sequential", "Chunked", "Lanes", "Tree", "DotAdd", "Bins", "Exact"}
    orders |= {"Reversed", "Fused", "Staged", "Kahan", "DoubleWord", "LogSum"}
    orders |= {"ftz", "own NaN"}
    cores = {"NoneType", "Mitchell", "Mbm", "Realm", "IterativeLog", "Drum", "Truncated"}
    cores |= {"TableMultiplier", "Shift", "Logarithmic"}
    words = {"rn", "rt", "ru", "rd", "sr", "inf", "saturate", "saturate_all", "nan", "wrap", "daz"}
    products = {"ExactProduct", "RoundedProduct", "StoredProduct", "output", "requantization"}
    assert formats | orders | cores | words | products <= seen


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (object, ""),
        (hwsim.Tree, ":tree2"),
    ],
)
def test_units_shrink_to_simple_ones(kind: type, wanted: str) -> None:
    unit = find(
        strategies.mac_units(),
        lambda u: isinstance(u.order, kind),
        settings=settings(FEW, max_examples=100),
    )
    assert str(unit) == f"e3m4xe3m4+e3m4{wanted}"


@settings(max_examples=100, deadline=None)
@given(strategies.formats(64), st.data())
def test_drawn_formats_hold_what_is_drawn_of_them(fmt: Format, data: st.DataObject) -> None:
    """Codes decode, arrays of every style are values."""
    assert as_format(str(fmt)) == fmt
    code = data.draw(strategies.codes(fmt))
    assert reference.decode(np.array([code], np.uint64), fmt).size == 1
    x = data.draw(strategies.arrays(fmt, (2, 3)))
    kept = reference.round(x, fmt, overflow="saturate") if not fmt.carried_as_codes else x
    assert np.array_equal(kept, x, equal_nan=x.dtype.kind == "f")


@settings(FEW)
@given(st.integers(2, 64), st.data())
def test_posits_of_any_limit(width: int, data: st.DataObject) -> None:
    """Beyond 57 bits none is held with two bits to spare, and narrower ones are drawn."""
    assert data.draw(strategies.posits(width)).width <= width


@pytest.mark.parametrize("name", ["e4m3", "fp16", "fp64", "int8", "uint4", "fixed3.60", "nf4"])
def test_hard_significands(name: str) -> None:
    """All ones and one-hot fractions of both signs; zeros."""
    fmt = as_format(name)
    x = values(fmt, (4000,), "hard", np.random.default_rng(1)).astype(np.float64)
    assert np.isfinite(x).all()
    assert (x == 0).any() == fmt.has_zero
    assert (x < 0).any() == (fmt.lowest < 0)
    if isinstance(fmt, FloatFormat):
        whole = np.ldexp(np.frexp(np.abs(x))[0], fmt.precision).astype(np.int64)
        ones = (1 << fmt.precision) - 1
        assert {ones, ones + 1 >> 1, (ones + 1 >> 1) + 1} <= set(whole.tolist())
    elif isinstance(fmt, FixedFormat):
        assert float(fmt.largest_code) in x
    else:
        assert isinstance(fmt, TableFormat)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([8, 16, 64]).flatmap(strategies.mac_units), st.data())
def test_any_drawn_unit_equals_the_reference(unit: MacUnit, data: st.DataObject) -> None:
    """Bits, counts at every level, and refusals."""
    order = unit.order
    part = order.count if isinstance(order, Lanes) else max(order.group, 3)
    m, k, n = data.draw(
        st.tuples(st.just(2), st.sampled_from([0, 1, part, part + 1, 9]), st.just(3))
    )
    styles = st.sampled_from((*STYLES, "zeros"))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    a = values(unit.a, (m, k), data.draw(styles), generator)
    b = values(unit.b, (k, n), data.draw(styles), generator)
    c = values(unit.outer_format, (m, n), data.draw(styles), generator)
    options: dict[str, Any] = {"rescaling": data.draw(strategies.rescalings(unit))}
    options |= {"seed": data.draw(st.integers(0, 3)), "c": data.draw(st.sampled_from([None, c]))}
    wanted = outcome(reference.matmul, a, b, unit, telemetry=True, **options)
    for level in (False, "counts", True):
        got = outcome(hwsim.matmul, a, b, unit, telemetry=level, **options)
        if isinstance(wanted, str) or isinstance(got, str):
            assert got is wanted or got == wanted, (level, got, wanted)
            continue
        assert bits(got[0] if level else got) == bits(wanted[0]), (level, got, wanted[0])
        if level:
            assert not count_differences(got[1], wanted[1], level == "counts")
