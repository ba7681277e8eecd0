"""The kernel that serves every unit: integers of any width, alone and where it is chosen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.extending import intrinsic

import hwsim
from hwsim import MacUnit, reference
from hwsim.formats import OVERFLOWS, ROUNDINGS, FixedFormat
from hwsim.simulate import conversions, describe, products, ways, wide
from hwsim.simulate.facts import Facts
from hwsim.simulate.tally import exact_total
from hwsim.units import Bins
from tests.simulate.comparison import bits, check_matmul, outcome, same
from tests.simulate.unit_strategies import products as any_products
from tests.simulate.unit_strategies import units

Array = npt.NDArray[Any]


@intrinsic
def machine_fma(typing_context, x, y, z):  # type: ignore[no-untyped-def]
    """llvm.fma: the processor's own."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.fma(*args)

    return x(x, y, z), codegen


@numba.njit
def fused(column: Array, row: Array, sums: Array) -> None:
    """sums ← fma(column, row, sums)."""
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            sums[i, j] = machine_fma(column[i, 0], row[0, j], sums[i, j])


@pytest.fixture
def no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast side must not ask the slow one."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the reference computed")

    class Nothing:
        round = encode = matmul = staticmethod(refuse)

    monkeypatch.setattr(products, "reference", Nothing)
    monkeypatch.setattr(conversions, "reference", Nothing)


WAYS_OF = ways.ways_of


def without_kernels(unit: MacUnit) -> tuple[ways.Way, ...]:
    """No way, but for bins, whose sums are those of other units."""
    return WAYS_OF(unit) if isinstance(unit.order, Bins) else ()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, no_reference: None) -> None:
    """No other kernel computes."""
    monkeypatch.setattr(ways, "ways_of", without_kernels)


@pytest.fixture(scope="module")
def alone_for_all() -> Iterator[None]:
    """`alone`, once for all the examples of a property."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "ways_of", without_kernels)
        yield


@settings(max_examples=50)
@given(unit=units(), data=st.data())
def test_any_unit_alone(alone_for_all: None, unit: MacUnit, data: st.DataObject) -> None:
    """Bits, counts and refusals of units that faster kernels would have taken, too."""
    product = data.draw(any_products(unit))
    a, b, c = product.operands(unit)
    check_matmul(a, b, unit, c, threads=product.threads)


# --- hard cases: unit, a (K), b (K), c ------------------------------------------------------------
TINY = 2.0**-1074
HUGE = np.finfo(np.float64).max
EDGE = 1 + 2.0**-52
CASES: dict[str, tuple[str, Any, Any, Any]] = {
    "a tie of the product broken 1000 places below": ("fp64", [EDGE, TINY], [EDGE, 1.0], None),
    "the product cancels to its last bit": ("fp64", [EDGE], [EDGE], -(1 + 2.0**-51)),
    "the sum is 2^-104": ("fp64", [EDGE, 1.0], [1 - 2.0**-53, -1.0], None),
    "the addend is all sticky": ("fp64", [2.0**-600], [2.0**-600], 1.0),
    "the accumulator is all sticky": ("fp64", [2.0**500], [2.0**500], TINY),
    "the accumulator is all sticky, subtracted": ("fp64", [2.0**500], [2.0**500], -TINY),
    "subnormal ties": ("fp64", [TINY, TINY], [0.5, 0.5], None),
    "below half of the smallest": ("fp64", [TINY], [0.25], None),
    "a subnormal product beside a normal one": ("fp64", [2.0**-537] * 2, [2.0**-537, 1], -TINY),
    "overflow by a product beyond float64": ("fp64", [HUGE], [HUGE], -HUGE),
    "products beyond float64 cancel": ("fp64:exact", [HUGE, HUGE], [HUGE, -HUGE], 1.0),
    "overflow by half a step": ("fp64", [2.0**485], [2.0**485], HUGE),
    "overflow by less": ("fp64", [2.0**485], [2.0**484], HUGE),
    "overflow by a sticky bit": ("fp64:saturate", [TINY], [1.0], HUGE),
    "lost mass: X is the largest value itself": ("e5m50:saturate", [2.0**-1000], [1.0], 65535.0),
    "lost mass far beyond the range": ("e5m50:saturate", [2.0**900], [2.0**-1], TINY),
    "lost mass under a wrapped sum": ("fixed2.2:wrap", [2.0**900, TINY], [1.0, 1.0], 1.25),
    "parity of the code, even": ("e5m0fn", [1.5], [2.0], None),
    "parity of the code, odd": ("e5m0fn", [1.5], [1.0], None),
    "the smallest power or zero": ("e5m0fn", [2.0**-16], [1.0], None),
    "no subnormals with 53 bits": ("e10m52fn_nosub", [2.0**-511, 2.0**-510], [0.5, 1.0], None),
    "an integer of 64 bits saturates": ("int64:saturate", [2.0**62] * 3, [1.0, 1.0, -1.0], None),
    "an integer of 64 bits wraps": ("int64:wrap", [2.0**62] * 3, [1.0, 1.5, -1.0], 7),
    "an unsigned one": ("uint64:saturate", [2.0**63, 2.0**63, -1.0], [1.0, 1.0, 1.0], 5),
    "an unsigned one wraps": ("uint64:wrap", [-1.0, 0.5, 2.0**64], [1.0, 1.0, 3.0], None),
    "a turn of 2^2000": ("int8:wrap", [2.0**1000, 3.0], [2.0**1000, 1.0], 100),
    "a turn of 2^2000, exact": ("int8:wrap:exact", [2.0**1000, 3.0, 0.5], [2.0**1000, 1, 1], 100),
    "a half under a far turn": ("fixed4.4:wrap:exact", [2.0**90, 2.0**-5], [1.0, 3.0], None),
    "a far turn that leaves the sign bit": (
        *("int64:wrap", [(1 + 2.0**-30) * 2.0**64], [(1 + 2.0**-35) * 2.0**64], 1),
    ),
    "no turn, exact, but a whole circle": ("fixed3.60:wrap:exact", [3.0, 4.5], [3.0, 1.0], None),
    "lost mass: y is the accumulator, X a tie far above": (
        *("fp16:saturate", [(2.0**27 - 1) * 2.0**400], [(2.0**27 + 1) * 2.0**400], 65504.0),
    ),
    "NaN reaches a product format": ("fp32:mul_add/e4m3none", [np.inf], [0.0], None),
    "zeros of both signs": ("fp64", [-0.0], [1.0], 0.0),
    "zeros of one sign": ("fp64:exact", [-0.0], [1.0], -0.0),
    "no negative zero": ("e10m50fnuz", [-TINY], [2.0**-10], None),
    "mixed wrap": ("int16:mul_add/fp16", [300.0, 250.0], [250.0, 300.0], None),
    "a product wraps, the sum does not": ("fp16:mul_add/int8", [100.0, 3.0], [2.0, 0.5], None),
    "a chunk wraps into a float": ("int8:chunk2/fp16", [100.0] * 4, [1.0] * 4, None),
    "a float wraps out": ("fp32:chunk2:out=fixed3.4", [100.25] * 4, [1.0, 1.5, -1.0, 3.0], None),
    "Inf reaches a circle": ("fp32:out=int16", [np.inf], [1.0], None),
    "NaN reaches a circle": ("fp32:out=int16", [np.inf], [0.0], None),
    "Inf enters a circle": ("int16:wrap", [np.inf], [1.0], None),
    "an Inf that a rounded product saturates": ("int16:mul_add/e4m3none", [np.inf], [1.0], None),
}


@pytest.mark.parametrize("name", CASES)
def test_hard_case(name: str, alone: None) -> None:
    """Every rounding, both signs, every telemetry level: the reference's bits and counts."""
    spec, a, b, c = CASES[name]
    left, right = np.array(a, np.float64).reshape(1, -1), np.array(b, np.float64).reshape(-1, 1)
    start = None if c is None else np.array([[c]])
    for rounding in ROUNDINGS:
        unit = f"fp64xfp64+{spec}:{rounding}"
        check_matmul(left, right, unit, start)
        if not hwsim.mac(unit).outer_format.lowest >= 0:
            check_matmul(-left, right, unit, None if start is None else -start)


def test_machine_fma(alone: None) -> None:
    """Half a million steps of fp64 against the machine's own fused multiply-add."""
    rng = np.random.default_rng(5)
    # Outputs of every size: an exponent for each row and column, and a spread within them.
    a = np.ldexp(rng.normal(size=(80, 80)), np.linspace(-560, 400, 80, dtype=int)[:, None])
    b = np.ldexp(rng.normal(size=(80, 80)), rng.integers(-560, 400, (1, 80)))
    b = np.ldexp(b, rng.integers(-40, 40, (80, 1)))
    wanted = np.zeros((80, 80))
    for k in range(80):
        fused(a[:, k : k + 1], b[k : k + 1], wanted)
    assert np.isfinite(wanted).all()
    assert (np.abs(wanted) < 2.0**-1000).any()
    assert bits(hwsim.matmul(a, b, "fp64xfp64+fp64")) == bits(wanted)


def test_python_integers(no_reference: None) -> None:
    """Saturating and wrapping sums of 64 bits against plain loops over Python's integers."""
    rng = np.random.default_rng(6)
    a = rng.integers(-(2**63), 2**63 - 1, (5, 40), np.int64, endpoint=True)
    b = rng.integers(-3, 3, (40, 6), np.int64, endpoint=True)
    low, high = -(2**63), 2**63 - 1
    for rule in ("saturate", "wrap"):
        wanted = np.zeros((5, 6), np.int64)
        for i, j in np.ndindex(5, 6):
            total = 0
            for x, y in zip(a[i].tolist(), b[:, j].tolist(), strict=True):
                total += x * y
                total = min(max(total, low), high) if rule == "saturate" else total
            wanted[i, j] = (total - low) % 2**64 + low
        assert bits(hwsim.matmul(a, b, f"int64xint64+int64:{rule}")) == bits(wanted)
        check_matmul(a, b, f"int64xint3+int64:{rule}:chunk7")


@pytest.mark.parametrize("rest", ["int64", "int64:exact", "int64:chunk2", "int64:saturate:chunk2"])
def test_the_lowest_integer_has_a_magnitude(rest: str, no_reference: None) -> None:
    """|−2^63| is no int64: bounds of the data must not think it negative."""
    low = -(2**63)
    for a, b in (([[low, 1]], [[1], [1]]), ([[1, 3]], [[low], [low + 1]]), ([[low]], [[low]])):
        check_matmul(np.array(a), np.array(b), f"int64xint64+{rest}")
        check_matmul(np.array(a), np.array(b), f"int64xint64+{rest}", np.array(low))


# --- small formats, every code --------------------------------------------------------------------
SMALL = ("e2m2_nosub", "e3m1none", "e2m1fnuz_nosub", "e3m1none_normal0", "e2m2merged", "e4m0fn")
SMALL += ("fixed2.2", "ufixed2.2", "int4_sym")


def _values(name: str) -> Array:
    """All values of a format but NaN."""
    fmt = hwsim.format(name)
    codes = np.arange(1 << fmt.width)
    if isinstance(fmt, FixedFormat) and fmt.symmetric:
        codes = codes[codes != 1 << (fmt.width - 1)]
    found = reference.decode(codes, name)
    return found[~np.isnan(found)]


@pytest.mark.parametrize("name", SMALL)
def test_every_pair_into_everything(name: str, no_reference: None) -> None:
    """c + a·b for all values of a and b, into sum, product, chunk sum and output, by all rules,
    by the chosen kernel and by the wide one; a sixteenth of c's values, in turn, and a rounding.
    """
    values = _values(name)
    roles = (f"+{name}", f"+fp32:mul_add/{name}", f"+fp32:chunk1/{name}", f"+fp32:out={name}")
    cases = 0
    for seed, (role, rule) in enumerate(itertools.product(roles, ("", *OVERFLOWS))):
        rounding = ROUNDINGS[seed % len(ROUNDINGS)]
        spec = f"{name}x{name}{role}:{rounding}" + (f":{rule}" if rule else "")
        try:
            unit = hwsim.mac(spec)
        except hwsim.SpecError:
            continue
        c = values[seed % 16 :: 16]
        pairs = np.stack(np.meshgrid(values, values), -1).reshape(-1, 2)
        wanted = _pairwise(reference.matmul, pairs, c, unit)
        with pytest.MonkeyPatch.context() as patch:
            for _ in ("chosen", "wide"):
                got = _pairwise(hwsim.matmul, pairs, c, unit)
                assert same(got, wanted), spec
                patch.setattr(ways, "ways_of", without_kernels)
        cases += 0 if isinstance(got, str) else got.size
    assert cases >= 500


def _pairwise(matmul: Any, pairs: Array, c: Array, unit: MacUnit) -> Any:
    """c + a·b for every pair (a, b), as a batch of 1×1 products, and every c; or a refusal."""
    a, b = pairs[:, 0, None, None], pairs[:, 1, None, None]
    shape = (len(pairs), 1, len(c))
    return outcome(matmul, a, np.broadcast_to(b, shape), unit, c=np.broadcast_to(c, shape))


# --- round, encode, decode ------------------------------------------------------------------------
WIDE = ("fp64", "e9m51", "e10m52none_nosub", "e10m51_normal0", "e11m50fnuz", "e3m4_unsigned")
WIDE += ("int52", "int54", "int64", "uint64", "uint60", "fixed3.60", "ufixed0.64", "fixed20.33")
WIDE += ("fixed0.53", "int64_sym", "fixed30.33_sym", "e4m0none", "e11m40_unsigned")
WIDE += ("e4m3none_unsigned_normal0_nozero", "e4m0none_unsigned_normal0_nozero")


def _inputs(fmt: Any) -> list[Array]:
    """Numbers around ends, grid and midpoints, in every dtype that has its own path."""
    rng = np.random.default_rng(7)
    ends = [float(x) for x in (fmt.largest, fmt.lowest, fmt.smallest, fmt.smallest_normal)]
    steps = np.concatenate([np.arange(-9, 10) / 4, rng.normal(size=40)])
    near = [e * (1 + d * 2.0**-52) for e in ends for d in range(-3, 4)]
    near += [e + s * float(fmt.smallest) for e in ends for s in steps]
    with np.errstate(all="ignore"):
        floats = np.array([*near, *(2 * e for e in ends), 0.0, -0.0, 1.0, -1.0, HUGE, -HUGE, TINY])
        floats = floats[np.isfinite(floats)]
        singles = floats.astype(np.float32)
    whole = rng.integers(-(2**63), 2**63 - 1, 30, np.int64) >> rng.integers(0, 62, 30)
    edges = np.array([0, 1, -1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)], np.int64)
    big = np.array([2**64 - 1, 2**63, 2**63 + 1, 2**54 + 3, 5], np.uint64)
    return [floats, singles[np.isfinite(singles)], np.concatenate([whole, edges]), big]


def _legal_rules(fmt: Any) -> Iterator[str]:
    for rule in OVERFLOWS:
        try:
            hwsim.formats.check_overflow(rule, fmt)
        except hwsim.SpecError:
            continue
        yield rule


@pytest.mark.parametrize("name", WIDE)
def test_conversions(name: str, no_reference: None) -> None:
    """Values and codes of every dtype, rounding and rule, and back."""
    fmt = hwsim.format(name)
    cases = 0
    inputs = [x if fmt.has_zero else x[x > 0] for x in _inputs(fmt)]
    for rounding, rule in itertools.product(ROUNDINGS, _legal_rules(fmt)):
        for x in (*inputs, np.array([np.inf, 1.0]), np.array([1.0, -np.inf])):
            wanted = outcome(reference.round, x, fmt, rounding, rule)
            got = outcome(hwsim.round, x, fmt, rounding, rule)
            assert same(got, wanted), (rounding, rule, x)
            if isinstance(wanted, str):
                continue
            codes = reference.encode(x, fmt, rounding, rule)
            assert bits(hwsim.encode(x, fmt, rounding, rule)) == bits(codes)
            assert bits(hwsim.decode(codes, fmt)) == bits(got)
            cases += x.size
    assert cases > 500


@pytest.mark.parametrize("name", ["fixed3.60", "int64", "ufixed4.60", "fp64"])
def test_nan_choices(name: str) -> None:
    """NaN becomes zero or the largest value, which is a code where arrays hold codes."""
    for nan in ("zero", "max", "error"):
        wanted = outcome(reference.round, [np.nan, 1.5], name, nan=nan)
        got = outcome(hwsim.round, [np.nan, 1.5], name, nan=nan)
        assert same(got, wanted)


# --- codes on both sides --------------------------------------------------------------------------
CODED = ("fixed3.60xfixed3.60+fixed3.60", "fixed3.60xe4m3+fp32", "int8xufixed4.60+fixed20.40")
CODED += ("fixed10.50xint60+int64:saturate", "uint64xuint64+uint64", "int64xfp64+fp64:rup")
CODED += ("fixed3.60xfixed3.60+fp64:exact", "uint64xint64+fixed3.60:chunk3/int64:mul_add")
CODED += ("fixed1.60xfixed3.60+fixed3.60:out=fp16", "int60xint60+int64:wrap:out=fixed3.60")


def _codes(name: Any, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Arrays as `hwsim.matmul` takes them: codes, small and at the ends, or floats."""
    if not isinstance(name, FixedFormat):
        return rng.normal(size=shape)
    low, high = name.lowest_code, name.largest_code
    found = rng.integers(low, high, shape, np.int64 if name.signed else np.uint64, endpoint=True)
    shift = rng.integers(0, name.width, shape).astype(found.dtype)
    return np.where(rng.random(shape) < 0.1, found.dtype.type(low), found >> shift)


@pytest.mark.parametrize("spec", CODED)
def test_operands_in_codes(spec: str, no_reference: None) -> None:
    """matmul and conv2d, with and without c, against the reference; strict takes codes too."""
    unit, rng = hwsim.mac(spec), np.random.default_rng(8)
    a, b = _codes(unit.a, (3, 7), rng), _codes(unit.b, (7, 4), rng)
    c = _codes(unit.outer_format, (3, 4), rng)
    for start in (None, c):
        check_matmul(a, b, unit, start)
    if isinstance(unit.a, FixedFormat) and isinstance(unit.b, FixedFormat):
        y = hwsim.matmul(a, b, unit, c=hwsim.round(0, unit.outer_format), strict=True)
        assert bits(y) == bits(reference.matmul(a, b, unit))
    x, w = _codes(unit.a, (2, 2, 4, 5), rng), _codes(unit.b, (3, 2, 2, 3), rng)
    wanted = reference.conv2d(x, w, unit, padding=1, stride=(1, 2))
    assert bits(hwsim.conv2d(x, w, unit, padding=1, stride=(1, 2))) == bits(wanted)


def test_codes_are_never_guessed() -> None:
    """Floats are no codes; codes out of range saturate, and strict refuses them."""
    one = np.ones((1, 1))
    for matmul in (hwsim.matmul, reference.matmul):
        with pytest.raises(TypeError, match=r"b: fixed3\.60 is wider than 53 bits"):
            matmul(one, one, "fp32xfixed3.60+fp32")
        with pytest.raises(TypeError, match=r"c: fixed3\.60 is wider than 53 bits"):
            matmul(one, one, "fp32xfp32+fixed3.60", c=one)
    wild = np.array([[2**62]])
    assert hwsim.matmul(wild, one, "fixed1.60xfp32+fixed1.60").item() == 2**61 - 1
    with pytest.raises(ValueError, match=r"a\[0, 0\] = 4611686018427387904 is no value"):
        hwsim.matmul(wild, one, "fixed1.60xfp32+fixed1.60", strict=True)
    with pytest.raises(ValueError, match=r"a\[0, 0\] = 9.22.*e\+18 is no value of int64"):
        hwsim.matmul([[2.0**63]], one, "int64xfp32+fp32", strict=True)
    assert hwsim.matmul([[-(2.0**63)]], one, "int64xfp32+fp32", strict=True).item() == -(2.0**63)


# --- what is promised -----------------------------------------------------------------------------
def test_hwsim_mac_says_so() -> None:
    """No unit of known parts is left to the reference, and `describe` names the kernel."""
    for spec in ("fp64xfp64+fp64:rup", "int64xint64+int64:saturate", "fp32xfp32+e5m0fn"):
        assert describe(hwsim.mac(spec))[0].startswith("integers of any width, slowly: ")


def test_unknown_parts_run_on_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """A multiplier that no kernel knows is never taken for another one."""
    monkeypatch.setattr(wide, "MULTIPLIERS", ())
    a, b = np.array([[1.5, 2.0]]), np.array([[EDGE], [3.0]])
    y, counted = hwsim.matmul(a, b, "fp64xfp64+fp64:rup", telemetry="counts")
    assert bits(y) == bits(reference.matmul(a, b, "fp64xfp64+fp64:rup"))
    assert (counted.additions, counted.complete, counted.largest) == (2, False, 0.0)


def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of outputs, in any order, on any number of threads."""
    rng = np.random.default_rng(9)
    facts = Facts(rng.normal(size=(2, 9, 11)), rng.normal(size=(2, 11, 13)), None)
    unit = hwsim.mac("fp64xfp64+e9m51:rdn:chunk4/fp64")
    y, totals = wide.wide_product(facts, unit, 2, 1)
    for block, threads in ((1, 2), (40, 3), (200, 1)):
        monkeypatch.setattr(wide, "BLOCK", block)
        again, counted = wide.wide_product(facts, unit, 2, threads)
        assert bits(again) == bits(y)
        assert (counted.inner == totals.inner).all()
        assert exact_total(*counted.lost) == exact_total(*totals.lost)
