"""The laws hold of hwsim's own arithmetic, see every mutant, and say what is wrong in few words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

import hwsim
from hwsim import MacUnit, SpecError, reference
from hwsim.formats import Format
from hwsim.testing import (
    CONVERSION_LAWS,
    CONVERSIONS,
    UNIT_LAWS,
    UNITS,
    Conversion,
    Product,
    Report,
    check,
    hard_numbers,
    strategies,
)

FORMATS = ("e4m3", "e5m2", "e4m3fnuz", "e2m1", "e3m2_nosub", "e4m2_normal0", "e5m3merged", "e8m0")
FORMATS += ("int8", "uint4", "fixed3.4", "ufixed1.3", "int8_sym", "e6m4", "int12", "e4m0none")
FORMATS += ("e3m2_unsigned",)
UNDER_TEST = ("e5m2xe5m2+e6m9", "int8xint8+int16", "int8xint8+int12:saturate")
UNDER_TEST += ("e4m3xe4m3+fp16:chunk4/fp32:rtz", "e2m1xe3m2+bf16:mul_add:rup", "uint8xint8+exact")
UNDER_TEST += ("fixed3.4xe4m3+e5m5:rdn", "e4m3fnuzxe5m2+fp32:rto:out=e5m2", "int4xint4+int9_sym")


@pytest.mark.parametrize("name", FORMATS)
def test_hwsim_obeys_the_laws_of_rounding(name: str) -> None:
    report = check(name)
    assert report.ok, report
    judged = [v for v in report.verdicts if not v.skipped]
    assert len(judged) >= 4
    assert all(v.cases >= 10 for v in judged), report


@pytest.mark.parametrize("unit", UNDER_TEST)
def test_hwsim_obeys_the_laws_of_units(unit: str) -> None:
    report = check(unit, cases=200)
    assert report.ok, report
    judged = [v for v in report.verdicts if not v.skipped]
    assert len(judged) >= 4
    assert all(v.cases >= 50 for v in judged), report


@pytest.mark.parametrize(
    "unit",
    [
        *("int8xe4m3+fp16", "e4m3_unsignedxe4m3+fp16", "fp64xint64+fp64:rup"),
        *("e3m3b0xe3m3b0+fp32:daz", "e4m3xe4m3+int16:mul_add/fp16"),
        *("e5m2xe5m2+e4m3:exact:rto:out=e2m3", "uint8xint8+uint12"),
        *("e2m1xe2m1+e3m2:tree3:sr2", "e2m1xe2m1+e3m2:lanes3:sr2c", "e2m1xe2m1+e3m2:dot2:sr2"),
    ],
)
def test_right_arithmetic_is_never_called_broken(unit: str) -> None:
    """Mixed, coarse, unsigned, flushed and wrapping units; all their single products count."""
    report = check(unit, cases=60)
    assert report.ok, report
    about = hwsim.mac(unit)
    pairs = report.verdicts[0]
    few = max(about.a.width, about.b.width) > 8
    assert pairs.cases >= (1 << 9 if few else 0.9 * 2 ** (about.a.width + about.b.width - 2))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b, unit, c: int(np.nan),
        lambda a, b, unit, c: None,
        lambda a, b, unit, c: 1.0,
        lambda a, b, unit, c: np.full((a.shape[0], b.shape[1]), np.inf),
        lambda a, b, unit, c: np.full((a.shape[0], b.shape[1]), np.nan),
        lambda a, b, unit, c: hwsim.matmul(a, b, unit) * (a.shape[1] != 1),
    ],
    ids=["raises", "none", "scalar", "inf", "nan", "no single products"],
)
def test_functions_that_fail_are_broken(function: Callable[..., Any]) -> None:
    report = check("e4m3xe4m3+fp16:out=e5m2", function, cases=40)
    broken = {v.law for v in report.verdicts if not v.ok}
    assert broken >= {"single products", "dot products"}, report


def test_a_seeded_rounding_that_raises_is_broken() -> None:
    def rounding(x: Any, fmt: Format, how: str, rule: str, seed: int = 0) -> Any:
        if seed:
            raise RuntimeError("no other streams")
        return hwsim.round(x, fmt, how, rule)

    report = check("e4m3:sr3:saturate", rounding)
    assert [v.law for v in report.verdicts if not v.ok] == ["streams"]
    assert "no other streams" in str(report)


@pytest.mark.parametrize("name", ["int64", "uint64", "int54_sym", "fixed3.60", "ufixed0.64"])
def test_codes_of_54_bits_and_more_obey_the_laws(name: str) -> None:
    """Integers and fixed point that float64 does not hold: exact fractions in, codes out."""
    report = check(name)
    assert report.ok, report
    judged = [v for v in report.verdicts if not v.skipped]
    assert len(judged) >= 10
    assert all(v.cases >= 1000 for v in judged), report


WIDE_MUTANTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "through float64": ("int60:rtz:saturate", lambda y: y.astype(np.float64).astype(np.int64)),
    "one more": ("int64:rne:saturate", lambda y: np.where(y == 3, 4, y)),
    "a circle too short": (
        "int64:rne:wrap",
        lambda y: np.where(y < -(2**62), y + np.int64(2**63 - 1), y),
    ),
    "an end too low": ("fixed3.60:rdn:saturate", lambda y: np.clip(y, -(2**63), 2**62)),
    "an end too high": ("int54_sym:rup:saturate", lambda y: np.where(y <= 1 - 2**53, y - 1, y)),
    "odd made even": ("uint64:rto:saturate", lambda y: y & ~np.uint64(1)),
}


@pytest.mark.parametrize("name", WIDE_MUTANTS)
def test_every_mutant_of_wide_codes_is_seen(name: str) -> None:
    spec, change = WIDE_MUTANTS[name]
    report = check(spec, lambda x, fmt, r, rule: change(hwsim.round(x, fmt, r, rule)))
    broken = {v.law for v in report.verdicts if not v.ok}
    assert "the reference" in broken
    assert len(broken) > 1, (broken, report)


@pytest.mark.parametrize(("old", "new"), [("rne", "rna"), ("rna", "rne"), ("rtz", "rdn")])
def test_another_rounding_of_wide_codes_is_seen(old: str, new: str) -> None:
    report = check(f"fixed3.60:{old}:saturate", swapped(old, new))
    assert len([v for v in report.verdicts if not v.ok]) > 1, report


def test_nothing_to_judge_is_no_success() -> None:
    with pytest.raises(ValueError, match="does not apply to int64:rtz:saturate: not to nearest"):
        CONVERSIONS["ties"](Conversion("int64", "rtz"))
    assert check("int53:rne").ok
    with pytest.raises(ValueError, match=r"function: a result of shape \(\) for x of shape"):
        check("e4m3", lambda x, fmt, rounding, rule: 0.0)


@settings(max_examples=15, deadline=None)
@given(strategies.formats(8))
def test_any_format_obeys_them(fmt: Format) -> None:
    report = check(fmt)
    assert report.ok, report


# --- mutants ------------------------------------------------------------------------------------
Rounding = Callable[[Any, Format, str, str], Any]


def swapped(old: str, new: str) -> Rounding:
    """One rounding in the place of another."""
    return lambda x, fmt, r, rule: hwsim.round(x, fmt, new if r == old else r, rule)


def by_way_of(**changes: Any) -> Rounding:
    """Rounded to another format before."""

    def mutant(x: Any, fmt: Any, rounding: str, rule: str) -> Any:
        wide = replace(fmt, **{key: getattr(fmt, key) + d for key, d in changes.items()})
        return hwsim.round(hwsim.round(x, wide, rounding, rule), fmt, rounding, rule)

    return mutant


def instead(**changes: Any) -> Rounding:
    """Rounded to another format."""

    def mutant(x: Any, fmt: Any, rounding: str, rule: str) -> Any:
        other = replace(fmt, **{key: getattr(fmt, key) + d for key, d in changes.items()})
        return hwsim.round(x, other, rounding, rule)

    return mutant


def after(change: Callable[[Any, Any], Any]) -> Rounding:
    """hwsim's values, changed: ``change(x, values)``."""

    def mutant(x: Any, fmt: Any, rounding: str, rule: str) -> Any:
        return change(x, hwsim.round(x, fmt, rounding, rule).astype(np.float64))

    return mutant


def ties_to_odd(x: Any, fmt: Any, rounding: str, rule: str) -> Any:
    y = hwsim.round(x, fmt, rounding, rule).astype(np.float64)
    down, up = (hwsim.round(x, fmt, r, rule).astype(np.float64) for r in ("rdn", "rup"))
    tie = (x - down == up - x) & (down < up) & np.isfinite(up - down)
    return np.where(tie, down + up - y, y) if rounding == "rne" else y


def without_sticky(x: Any, fmt: Any, rounding: str, rule: str) -> Any:
    """What lies far below the last place is cut off first."""
    with np.errstate(over="ignore"):
        return hwsim.round(x.astype(np.float32), fmt, rounding, rule)


def flushed(x: Any, y: Any) -> Any:
    return np.where(np.abs(y) < 2.0**-6, np.copysign(0.0, y), y)


MUTANTS: dict[str, tuple[str, Rounding]] = {
    **{
        f"{old} is {new}": (f"e4m3:{old}:saturate", swapped(old, new))
        for old, new in [
            *(("rne", "rna"), ("rne", "rtz"), ("rne", "rup"), ("rna", "rne"), ("rna", "rdn")),
            *(("rtz", "rdn"), ("rtz", "rne"), ("rup", "rdn"), ("rup", "rtz"), ("rdn", "rup")),
            *(("rdn", "rtz"), ("rto", "rtz"), ("rto", "rne"), ("rtz", "rto")),
        ]
    },
    "ties to odd": ("e4m3:rne:saturate", ties_to_odd),
    "rounded twice": ("e4m3:rne:saturate", by_way_of(precision=1)),
    "no sticky bit": ("e4m3:rup:saturate", without_sticky),
    "a bit less": ("e4m3:rne:saturate", instead(precision=-1)),
    "a bit more": ("e5m2:rne:inf", instead(precision=1)),
    "an exponent bit more": ("e5m2:rne:inf", instead(exponent_bits=1)),
    "subnormals flushed": ("e4m3:rne:saturate", after(flushed)),
    "no sign of zero": ("e4m3:rne:saturate", after(lambda x, y: y + 0.0)),
    "no overflow": ("e5m2:rne:inf", after(lambda x, y: np.clip(y, -57344, 57344))),
    "overflow to Inf": ("e4m3:rne:saturate", after(lambda x, y: np.where(x > 448, np.inf, y))),
    "one value amiss": ("e4m3:rne:saturate", after(lambda x, y: np.where(y == 1.75, 1.875, y))),
    "negative numbers amiss": ("e4m3:rne:saturate", after(lambda x, y: np.abs(y))),
    "a clamp for a turn": ("int8:rne:wrap", after(lambda x, y: np.clip(np.rint(x), -128, 127))),
    "a turn for a clamp": (
        "int8:rne:saturate",
        lambda x, fmt, r, rule: hwsim.round(np.clip(x, -1e9, 1e9), fmt, r, "wrap"),
    ),
    "a turn too short": (
        "int8:rne:wrap",
        lambda x, fmt, r, rule: hwsim.round(x, "int7", r, "wrap"),
    ),
    "halves down": ("int8:rna:saturate", after(lambda x, y: np.clip(np.ceil(x - 0.5), -128, 127))),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_of_a_rounding_is_seen(name: str) -> None:
    """And not by the comparison with the reference alone."""
    spec, mutant = MUTANTS[name]
    report = check(spec, mutant)
    broken = {v.law for v in report.verdicts if not v.ok}
    assert "the reference" in broken
    assert len(broken) > 1, (broken, report)
    assert all(v.counterexample for v in report.verdicts if v.law in broken)
    assert check(spec).ok


def other_unit(**changes: Any) -> Callable[..., Any]:
    return lambda a, b, unit, c: hwsim.matmul(a, b, replace(unit, **changes), c=c)


def reversed_order(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    return hwsim.matmul(a[:, ::-1], b[::-1], unit, c=c)


def c_last(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    total = hwsim.matmul(a, b, unit).astype(np.float64)
    return hwsim.round(total if c is None else total + c, unit.accumulator)


def a_term_less(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    """The rest of K that fills no four is forgotten."""
    k = a.shape[1] - a.shape[1] % 4
    return hwsim.matmul(a[:, :k], b[:k], unit, c=c)


def float32_sums(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    start = 0.0 if c is None else c
    with np.errstate(all="ignore"):
        total = a.astype(np.float64) @ b.astype(np.float64) + start
    return hwsim.round(total, unit.accumulator)


def wrong_row(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    y = hwsim.matmul(a, b, unit, c=c).copy()
    y[1:2] *= 2
    return y


def narrow(a: Any, b: Any, unit: MacUnit, c: Any) -> Any:
    return hwsim.matmul(a, b, replace(unit, accumulator=hwsim.format("int15")), c=None)


UNIT_MUTANTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "another rounding": ("e3m2xe3m2+e6m9", other_unit(rounding="rtz")),
    "ties away": ("e3m2xe3m2+e5m4", other_unit(rounding="rna")),
    "products rounded": ("e3m2xe3m2+e5m3", other_unit(multiplier=hwsim.RoundedProduct())),
    "a bit less": ("e4m3xe4m3+fp16", other_unit(accumulator=hwsim.format("e5m9"))),
    "a bit more": ("e4m3xe4m3+fp16", other_unit(accumulator=hwsim.format("e5m11"))),
    "k descending": ("e3m2xe3m2+e5m4", reversed_order),
    "c added last": ("e3m2xe3m2+e5m5:saturate", c_last),
    "one rounding of all": ("e3m2xe3m2+e5m3:saturate", float32_sums),
    "the last terms forgotten": ("int4xint4+int32", a_term_less),
    "a row doubled": ("int4xint4+int32", wrong_row),
    "no wrapping": ("int4xint4+int8", other_unit(overflow="saturate")),
    "no clamp": ("int4xint4+int8:saturate", other_unit(overflow="wrap")),
    "a narrower circle": ("int8xint8+int16", narrow),
    "chunks of another length": (
        "e3m2xe3m2+e5m4:chunk4",
        other_unit(order=hwsim.Chunked(5)),
    ),
    "lanes half to half": (
        "e3m2xe3m2+e5m3:lanes4",
        other_unit(order=hwsim.Lanes(4, tree=True)),
    ),
    "one lane more": ("e3m2xe3m2+e5m3:lanes4", other_unit(order=hwsim.Lanes(5))),
    "a narrower tree": ("e3m2xe3m2+e5m3:tree4", other_unit(order=hwsim.Tree(2))),
    "a group rounded within": ("e3m2xe3m2+e5m3:dot4", other_unit(order=hwsim.Tree(4))),
    "saturating term by term": (
        "uint4xint4+int9:saturate:dot4",
        other_unit(order=hwsim.Sequential()),
    ),
    "no chunks": ("e3m2xe3m2+e5m4:chunk4", other_unit(order=hwsim.Sequential())),
}


@pytest.mark.parametrize("name", UNIT_MUTANTS)
def test_every_mutant_of_a_unit_is_seen(name: str) -> None:
    spec, mutant = UNIT_MUTANTS[name]
    report = check(spec, mutant, cases=150)
    assert not report.ok, report


@pytest.mark.parametrize("spec", sorted({spec for spec, _ in UNIT_MUTANTS.values()}))
def test_no_mutant_is_no_failure(spec: str) -> None:
    assert check(spec, lambda a, b, unit, c: hwsim.matmul(a, b, unit, c=c), cases=40).ok


# --- users --------------------------------------------------------------------------------------
def test_a_strangers_rounding() -> None:
    """ml_dtypes rounds float32 as the laws want."""

    def cast(x: Any, fmt: Format, rounding: str, rule: str) -> Any:
        with np.errstate(over="ignore"):
            return x.astype(np.float32).astype(ml_dtypes.bfloat16)

    law = CONVERSIONS["idempotent"]
    assert law(Conversion("bf16", "rne", "inf", cast)).cases > 1000
    report = check("bf16:rne:inf", cast)  # by way of float32: rounded twice
    assert {v.law for v in report.verdicts if not v.ok} >= {"nearest", "the reference"}


def test_a_law_alone_is_an_assertion() -> None:
    with pytest.raises(AssertionError, match=r"ties: e4m3:rne:saturate: R\(.*\) = "):
        CONVERSIONS["ties"](Conversion("e4m3", "rne", "saturate", ties_to_odd))
    with pytest.raises(ValueError, match="does not apply to e4m3:rtz:saturate: not to nearest"):
        CONVERSIONS["ties"](Conversion("e4m3", "rtz", "saturate"))
    assert UNITS["wraps"](Product("int8xint8+int12", outputs=50)).cases >= 50


@pytest.mark.parametrize(
    "unit", ["bf16xbf16+bf16:kahan", "e4m3xe4m3+fp16:double", "pow2_6xbf16+bf16:kahan"]
)
def test_what_sums_keep(unit: str) -> None:
    """A plain sum in the place of one that keeps what it loses is too far away."""
    plain = other_unit(order=hwsim.Sequential(), rounding="rtz")
    law, known = UNITS["kept"], "pow2" not in unit
    assert (law.applies(Product(unit)) == "") == known
    if known:
        assert law(Product(unit, outputs=200)).cases >= 50
        with pytest.raises(AssertionError, match="too far from the exact sum"):
            law(Product(unit, plain, outputs=400))


def test_counterexamples_are_short() -> None:
    """Terms are left out while the difference stays; the simplest number is named."""
    report = check("int8xint8+int32", a_term_less, cases=300)
    dots = next(v for v in report.verdicts if v.law == "dot products")
    assert dots.counterexample.count(",") <= 4, dots.counterexample
    twice = check("e4m3:rne:saturate", MUTANTS["one value amiss"][1])
    kept = next(v for v in twice.verdicts if v.law == "values stay")
    assert kept.counterexample.startswith("e4m3:rne:saturate: R(1.75) = 1.875;")


def test_reports() -> None:
    report = check("e2m1:rtz")
    found = report.to_dict()
    assert isinstance(report, Report)
    assert found["ok"] is True
    assert found["cases"] == report.cases == sum(v["cases"] for v in found["verdicts"])
    assert "holds" in str(report)
    assert "does not apply: not to nearest" in str(report)
    assert len(report.verdicts) == len(CONVERSION_LAWS)
    assert len(check("int4xint4+int8", cases=10).verdicts) == len(UNIT_LAWS)


def test_hard_numbers_hold_every_boundary() -> None:
    """Of an 8-bit format: all values, all ties, and the float64 on either side of each."""
    x = hard_numbers("e4m3")
    values = reference.decode(np.arange(127, dtype=np.uint8), "e4m3").astype(np.float64)
    ties = (values[:-1] + values[1:]) / 2
    for wanted in (values, -values, ties, np.nextafter(ties, 0), np.nextafter(ties, 1e9)):
        assert np.isin(wanted, x).all()
    assert (np.diff(x) >= 0).all()


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("e4m3:foo",), {}, "'foo' is no rounding and no overflow rule"),
        (("e4m3:wrap",), {}, "cannot obey wrap"),
        (("nonsense",), {}, "nonsense"),
        (("int8xint8+",), {}, "int8xint8"),
        (("e4m3",), {"cases": 0}, "cases=0: an integer from 1"),
        (("e4m3",), {"seed": -1}, "seed=-1: an integer from 0"),
        (("e4m3", 3), {}, "function=3: a callable"),
    ],
)
def test_bad_input(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises((SpecError, ValueError, TypeError), match=message):
        check(*arguments, **options)


@settings(max_examples=30, deadline=None)
@given(strategies.mac_units(8))
def test_drawn_units_run(unit: MacUnit) -> None:
    """Every drawn unit is one; its dot products are the reference's."""
    found = UNITS["dot products"].applies(Product(unit))
    if not found:
        UNITS["dot products"](Product(unit, outputs=20))


@settings(max_examples=50, deadline=None)
@given(strategies.codes("e4m3"), strategies.numbers("e5m2"), strategies.arrays("int8", (2, 3)))
def test_drawn_codes_numbers_and_arrays(code: int, number: float, array: Any) -> None:
    assert 0 <= code < 256
    assert not np.isnan(number)
    assert array.shape == (2, 3)
    assert (reference.round(array, "int8") == array).all()


def test_a_function_that_raises_breaks_laws() -> None:
    """Its error is a counterexample, of roundings as of products."""
    for spec, law in (("e4m3:rne:saturate", "nearest"), ("e4m3xe4m3+fp16", "single products")):
        report = check(spec, lambda *given, **options: 1 / 0, cases=6)
        found = {v.law: v.counterexample for v in report.verdicts}
        assert "ZeroDivisionError: division by zero" in found[law]
        assert not report.ok
