"""IEEE P3109: every code of every narrow format, projections, published tables and counts.

`Standard` is the report read once more, apart from hwsim.reference: values by table, rounding and
saturation as the clauses say them, on Fractions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import gfloat
import numpy as np
import pytest
from gfloat.formats import Domain, Signedness, format_info_p3109

import hwsim
from hwsim import reference
from hwsim.errors import SpecError
from hwsim.formats import FloatFormat, parse_format, plain_overflow
from hwsim.reference.rounding import round_value
from hwsim.reference.values import Kind, Value, from_ratio, infinity, to_fraction, zero
from tests.formats.test_strangers import GFLOAT_MODES

MODES = ("rne", "rna", "rup", "rdn", "rtz", "rto")
SATURATIONS = ("saturate_all", "saturate", "sat_none")  # SatFinite, SatPropagate, SatNone
INFINITIES = {math.inf: infinity(), -math.inf: infinity(True)}
Number = Fraction | float  # floats are NaN, Inf


class Standard(NamedTuple):
    """Binary{k}p{p}{s|u}{e|f} by the report's clauses 4.7.2 (decode), 4.7.4 and 4.7.5."""

    k: int
    p: int
    signed: bool
    extended: bool

    def __str__(self) -> str:
        return f"binary{self.k}p{self.p}{'us'[self.signed]}{'fe'[self.extended]}"

    @property
    def bias(self) -> int:
        return 2 ** (self.k - self.p - self.signed)

    def decode(self, code: int) -> Number:
        half = 2 ** (self.k - 1)
        nan, last = (half, half - 1) if self.signed else (2 * half - 1, 2 * half - 2)
        if code == nan:
            return math.nan
        if self.signed and code > half:
            return -self.decode(code - half)
        if self.extended and code == last:
            return math.inf
        field, trailing = divmod(code, 2 ** (self.p - 1))
        if field == 0:
            return Fraction(trailing) * Fraction(2) ** (2 - self.p - self.bias)
        significand = 1 + Fraction(trailing, 2 ** (self.p - 1))
        return significand * Fraction(2) ** (field - self.bias)

    @property
    def largest(self) -> Fraction:
        codes = range(2 ** (self.k - self.signed))
        return max(Fraction(v) for v in map(self.decode, codes) if math.isfinite(v))

    def rounded(self, x: Fraction, mode: str) -> Fraction:
        if x == 0:
            return x
        e = 0
        while Fraction(2) ** e > abs(x):
            e -= 1
        while Fraction(2) ** (e + 1) <= abs(x):
            e += 1
        q = max(e, 1 - self.bias) - self.p + 1
        steps = abs(x) / Fraction(2) ** q
        whole = math.floor(steps)
        nu = steps - whole
        even = whole % 2 == 0 if self.p > 1 else whole == 0 or (q + self.bias) % 2 == 0
        away = {
            "rne": nu > Fraction(1, 2) or (nu == Fraction(1, 2) and not even),
            "rna": nu >= Fraction(1, 2),
            "rup": nu > 0 and x > 0,
            "rdn": nu > 0 and x < 0,
            "rtz": False,
            "rto": nu > 0 and even,
        }[mode]
        return (whole + away) * Fraction(2) ** q * (1 if x > 0 else -1)

    def saturated(self, x: Number, mode: str, saturation: str) -> Number:
        high = self.largest
        low = -high if self.signed else Fraction(0)
        if low <= x <= high:
            return x
        below, end = x < low, low if x < low else high
        if saturation == "saturate_all":
            return end
        if math.isinf(x):
            if self.extended and (self.signed or not below):
                return x
            return math.nan if saturation == "sat_none" and below and not self.signed else end
        if saturation == "saturate" or mode == "rtz" or mode == ("rup" if below else "rdn"):
            return end
        if below and not self.signed:
            return math.nan
        # Inf has an odd code in signed formats, the largest finite value in unsigned ones.
        if not self.extended or (mode == "rto" and not self.signed):
            return end
        return -math.inf if below else math.inf

    def project(self, x: Number, mode: str, saturation: str) -> Number:
        return self.saturated(
            x if isinstance(x, float) else self.rounded(x, mode), mode, saturation
        )


def every(widest: int) -> Iterator[Standard]:
    """All formats of up to ``widest`` bits that float64 holds."""
    for k in range(3, widest + 1):
        for signed in (True, False):
            for p in range(max(1, k - signed - 10), k - signed + 1):
                yield from (Standard(k, p, signed, extended) for extended in (True, False))


def as_value(x: Number) -> Value:
    """A number of the standard as the reference's value."""
    if isinstance(x, float):
        return INFINITIES[x]
    return from_ratio(x) if x else zero()


def number(v: Value) -> Number:
    """And back."""
    if v.kind is Kind.NAN:
        return math.nan
    if v.kind is Kind.INFINITE:
        return -math.inf if v.negative else math.inf
    return to_fraction(v)


def same(x: Number, y: Number) -> bool:
    """The same datum; there is one zero."""
    return x == y or (x != x and y != y)


@pytest.mark.parametrize("k", range(3, 11))
def test_every_code(k: int) -> None:
    """Values of all codes, of all precisions, both signs and domains; and back."""
    formats = [fmt for fmt in every(k) if fmt.k == k]
    assert len(formats) == 4 * k - 2 - 2 * max(0, k - 11) - 2 * max(0, k - 12)
    for standard in formats:
        codes = np.arange(2**k)
        wanted = np.array([float(standard.decode(int(c))) for c in codes])
        for found in (hwsim.decode(codes, str(standard)), reference.decode(codes, str(standard))):
            assert np.array_equal(found, wanted, equal_nan=True), str(standard)
            assert not np.signbit(found[found == 0]).any(), str(standard)
        assert np.array_equal(hwsim.encode(wanted, str(standard)), codes), str(standard)
        assert np.array_equal(reference.encode(wanted, str(standard)), codes), str(standard)


@pytest.mark.parametrize("k", range(11, 17))
def test_codes_of_wide_formats(k: int) -> None:
    """The same of 2000 seeded codes and both ends."""
    generator = np.random.default_rng(k)
    formats = [fmt for fmt in every(k) if fmt.k == k]
    for standard in formats:
        ends = [0, 1, 2 ** (k - 1) - 2, 2 ** (k - 1) - 1, 2 ** (k - 1), 2**k - 2, 2**k - 1]
        codes = np.array([*ends, *generator.integers(0, 2**k, 200)])
        wanted = np.array([float(standard.decode(int(c))) for c in codes])
        assert np.array_equal(hwsim.decode(codes, str(standard)), wanted, equal_nan=True)
        assert np.array_equal(hwsim.encode(wanted, str(standard)), codes), str(standard)


def points(standard: Standard) -> list[Number]:
    """Values, ties, what lies beside both, both ends and beyond; Inf."""
    codes = range(2 ** (standard.k - standard.signed))
    found = {Fraction(v) for v in map(standard.decode, codes) if math.isfinite(v)}
    ascending = sorted(found)
    top, step = ascending[-1], ascending[-1] - ascending[-2]
    found |= {(a + b) / 2 for a, b in pairwise(ascending)}
    found |= {top + step * Fraction(n, 4) for n in range(1, 9)} | {top * 5}
    tiny = ascending[1] / 2**20
    found |= {x + d for x in list(found) for d in (tiny, -tiny)}
    return [*sorted(found | {-x for x in found}), math.inf, -math.inf]


@pytest.mark.parametrize("saturation", SATURATIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [3, 4, 5])
def test_projection(k: int, mode: str, saturation: str) -> None:
    """Rounding and saturation are the report's, in the reference and in the kernels."""
    compared = 0
    for standard in (fmt for fmt in every(k) if fmt.k == k):
        fmt = parse_format(str(standard))
        xs = points(standard)
        wanted = [standard.project(x, mode, saturation) for x in xs]
        plain = plain_overflow(saturation, fmt, mode)
        for rule in {saturation, plain}:
            got = [number(round_value(as_value(x), fmt, mode, rule).value) for x in xs]
            wrong = [x for x, *pair in zip(xs, got, wanted, strict=True) if not same(*pair)]
            assert wrong == [], (str(standard), rule)
        floats = np.array([float(x) for x in xs])
        for dtype in (np.float64, np.float32):
            exact = [dtype(x) == x for x in xs]
            values = hwsim.round(floats[exact].astype(dtype), fmt, mode, saturation)
            expected = np.array([float(x) for x in wanted])[exact]
            assert np.array_equal(values, expected, equal_nan=True), str(standard)
            codes = hwsim.encode(floats[exact].astype(dtype), fmt, mode, saturation)
            assert np.array_equal(hwsim.decode(codes, fmt), expected, equal_nan=True)
        compared += len(xs)
    assert compared > 500


TABLES = {  # SHA-256, 12 hex digits, of Multiply and Add of all pairs: SatFinite, Propagate, None
    ("Binary8p4se", "rne"): "9a2f2c7dd0f1/9708fd1d171f 5b5ee95d918c/de732fe51bf3 "
    "1278cf043233/6bce342a894e",
    ("Binary8p3se", "rne"): "e9b5cea5b622/beacca1232c4 80836d2e6eea/f3b9ba89117b "
    "67c6f79197b5/cff576894ccf",
    ("Binary8p4se", "rtz"): "a75ee4ba6ffa/56fc40527513 f7079b8a89d9/2ed1320664a1 "
    "f7079b8a89d9/2ed1320664a1",
}


def products_and_sums(name: str, mode: str, saturation: str) -> tuple[bytes, bytes]:
    """Codes of x·y and x + y of all pairs of values, x outer, by units of one product."""
    x = hwsim.decode(np.arange(256), name)
    unit = f"{name}x{name}+{name}:{mode}:{saturation}"
    products = hwsim.matmul(x[:, None], x[None, :], unit)
    one = np.full((1, 256), 1.0)
    sums = hwsim.matmul(x[:, None], one, unit, c=np.broadcast_to(x, (256, 256)))
    codes = [hwsim.encode(values, name) for values in (products, sums)]
    return codes[0].tobytes(), codes[1].tobytes()


@pytest.mark.parametrize(("name", "mode"), TABLES)
def test_published_tables(name: str, mode: str) -> None:
    """Multiply and Add of all pairs, by fused units, are those of the published digests."""
    rows = [
        "/".join(
            hashlib.sha256(codes).hexdigest()[:12]
            for codes in products_and_sums(name, mode, saturation)
        )
        for saturation in SATURATIONS
    ]
    assert " ".join(rows) == TABLES[name, mode]


@pytest.mark.parametrize("bits", [1, 2, 3, 5])
@pytest.mark.parametrize("variant", "abc")
@pytest.mark.parametrize("name", ["binary5p3se", "binary6p1sf", "binary6p4ue"])
def test_draws_counted(name: str, variant: str, bits: int) -> None:
    """Of all R, as many round away as the report's formula says, whatever the share of a step."""
    fmt = parse_format(name)
    assert isinstance(fmt, FloatFormat)
    low, high = (fmt.magnitude(c) for c in (fmt.largest_code // 2, fmt.largest_code // 2 + 1))
    nu_bits = bits + 3
    for share in range(2**nu_bits):
        x = low + (high - low) * Fraction(share, 2**nu_bits)
        nu = Fraction(share, 2**nu_bits)
        if fmt.precision == 1:  # low is one step, and ν the share of it above
            assert high == 2 * low
        results = [
            to_fraction(round_value(from_ratio(x), fmt, f"sr{bits}{variant}", "saturate", r).value)
            for r in range(2**bits)
        ]
        scaled = nu * 2**bits
        floor = math.floor(scaled)
        wanted = {
            "a": floor,
            "b": (math.floor(2 * scaled) + 1) // 2,
            "c": round(scaled),  # Fractions round ties to even
        }[variant]
        assert set(results) <= {low, high}
        assert results.count(high) == wanted, float(nu)


@pytest.mark.parametrize("name", ["Binary8p4se", "binary8p3sf", "binary10p4uf", "binary12p1se"])
@pytest.mark.parametrize("rounding", ["sr4", "sr8b", "sr5c"])
def test_draws_of_arrays(name: str, rounding: str) -> None:
    """Kernels draw as the reference does, by every saturation."""
    generator = np.random.default_rng(3)
    x = generator.standard_normal(500) * 2.0 ** generator.integers(-12, 20, 500)
    for saturation in SATURATIONS:
        got = hwsim.round(x, name, rounding, saturation, seed=7)
        assert np.array_equal(
            got, reference.round(x, name, rounding, saturation, seed=7), equal_nan=True
        )


def test_constants() -> None:
    """Facts of the report's tables."""
    assert hwsim.encode([2.0, math.inf, -math.inf, math.nan], "Binary8p4se").tolist() == [
        *(0x48, 0x7F, 0xFF, 0x80)
    ]
    largest = {"8p4se": 224, "8p3se": 49152, "8p3sf": 57344, "8p4sf": 240, "8p1se": 2**62}
    for name, value in largest.items():
        assert parse_format(f"Binary{name}").largest == value
    assert parse_format("BINARY8P1SE").smallest == Fraction(1, 2**63)


@pytest.mark.parametrize(
    "name",
    ["binary2p1se", "binary17p8se", "binary8p0se", "binary8p8se", "binary8p9ue", "binary16p4se"],
)
def test_refused(name: str) -> None:
    """Widths and precisions that P3109 lacks, and values beyond float64."""
    with pytest.raises(SpecError, match="Binary"):
        parse_format(name)


def test_fields_are_fixed() -> None:
    """No other bias, no format without subnormals or zero."""
    for field in ({"bias": 3}, {"zero_field": "zero"}):
        with pytest.raises(SpecError, match="P3109"):
            FloatFormat(4, 4, specials="p3109e", **field)  # type: ignore[arg-type]


# --- gfloat, which follows report 3.x -------------------------------------------------------------


@pytest.mark.parametrize("mode", GFLOAT_MODES)
def test_gfloat(mode: str) -> None:
    """gfloat agrees but where a finite-domain format overflows unsaturated: it gives NaN; and
    where unsigned formats take negative numbers, whose sign it drops."""
    compared = differ = 0
    for standard in every(5):
        info = format_info_p3109(
            *(standard.k, standard.p),
            Signedness.Signed if standard.signed else Signedness.Unsigned,
            Domain.Extended if standard.extended else Domain.Finite,
        )
        xs = [x for x in points(standard) if float(x) == x and (standard.signed or x >= 0)]
        for saturation, flag in (("saturate_all", True), ("sat_none", False)):
            for x in xs:
                theirs = gfloat.round_float(info, float(x), GFLOAT_MODES[mode], flag)
                ours = standard.project(x, mode, saturation)
                compared += 1
                if not same(float(ours), theirs):
                    differ += 1
                    assert not standard.extended
                    assert not flag
                    assert math.isnan(theirs)
    assert compared > 1000
    assert differ > 10
