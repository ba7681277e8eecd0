"""Laws of MAC units, for hwsim's products or anybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from hwsim import reference
from hwsim.formats import FixedFormat, FloatFormat, TableFormat, stochastic_of
from hwsim.testing.draws import STYLES, values
from hwsim.testing.orders import ORDER_LAWS
from hwsim.testing.products import Array, Case, Judge, Product, Refused, both, compared, equal, ours
from hwsim.testing.verdicts import Finding, Law
from hwsim.units import ExactProduct, MacUnit, Sequential, TableMultiplier
from hwsim.units.multipliers import Shift

PAIRS = 1 << 16  # products of two codes: all of them where there are no more
Sides = tuple[Callable[[], Array], Callable[[], Array]]
MIRRORS = {"rup": "rdn", "rdn": "rup"}


def _pairs(subject: Product) -> Finding:
    """Every product of two codes; where there are too many, of seeded ones."""
    unit, generator = subject.unit, np.random.default_rng(subject.seed)
    sides = []
    for fmt in (unit.a, unit.b):
        codes = np.arange(1 << fmt.width) if fmt.width <= 8 else _some(fmt, generator)
        if isinstance(fmt, TableFormat):
            codes = np.array(sorted(fmt.values_by_code))
            codes = codes if fmt.width <= 8 else generator.choice(codes, 32)
        if isinstance(fmt, FixedFormat):
            codes = codes[codes != 1 << (fmt.width - 1)] if fmt.symmetric else codes
        numbers = reference.decode(codes.astype(np.uint64), fmt)
        if not all(f.has_nan for f in unit.rounded_formats().values()):
            numbers = numbers[np.isfinite(numbers.astype(np.float64))]
        sides.append(numbers)
    rows, columns = sides[0][:, None], sides[1][None, :]
    cases = (Case(rows[i : i + 16], columns, None) for i in range(0, len(rows), 16))
    return compared(subject, cases, _against_reference(subject), "the reference gives")


def _some(fmt: Any, generator: np.random.Generator) -> Array:
    return generator.integers(0, (1 << fmt.width) - 1, 32, np.uint64, endpoint=True)


def _against_reference(subject: Product) -> Judge:
    def judge(case: Case) -> Sides:
        wanted = partial(reference.matmul, case.a, case.b, subject.unit, c=case.c)
        return partial(subject, case.a, case.b, case.c), wanted

    return judge


def _dots(subject: Product) -> Finding:
    judge = _against_reference(subject)
    return compared(subject, subject.draws(), judge, "the reference gives")


def _commutes(subject: Product) -> Finding:
    def judge(case: Case) -> Sides:
        c, unit = None if case.c is None else case.c.T, subject.unit
        core = None if unit.core is None else unit.core.mirrored
        turned = partial(subject, case.b.T, case.a.T, c, a=unit.b, b=unit.a, core=core)
        return partial(subject, case.a, case.b, case.c), lambda: turned().T

    return compared(subject, subject.draws(), judge, "operands exchanged give")


def _symmetric(subject: Product) -> Finding:
    rounding = subject.unit.rounding
    mirror = {"rounding": MIRRORS[rounding]} if rounding in MIRRORS else {}

    def judge(case: Case) -> Sides:
        c = None if case.c is None else -case.c
        return (
            lambda: subject(case.a, case.b, case.c) + 0,
            lambda: -subject(-case.a, case.b, c, **mirror) + 0,
        )

    return compared(subject, subject.draws("finite", *STYLES[2:]), judge, "-f(-a, b, -c) is")


def _exact(subject: Product) -> Finding:
    """Operands −1, 0, 1 and sums that every format on the way holds: whole numbers' product."""
    room = min(40, *map(_whole, subject.unit.rounded_formats().values()))
    generator = np.random.default_rng(subject.seed)

    def cases() -> Iterator[Case]:
        for _ in range(-(-subject.outputs // 6)):
            k = int(generator.integers(0, room + 1))
            yield Case(generator.integers(-1, 2, (2, k)), generator.integers(-1, 2, (k, 3)), None)

    def judge(case: Case) -> Sides:
        exact = (case.a @ case.b) * 1.0
        return lambda: subject(case.a, case.b).astype(np.float64) + 0.0, lambda: exact

    return compared(subject, cases(), judge, "the exact sum is")


def _whole(fmt: Any) -> int:
    """Whole numbers to this are values."""
    if isinstance(fmt, FloatFormat):
        return int(min(fmt.largest, 2**fmt.precision))
    return int(min(fmt.largest, -fmt.lowest))


def _same_whatever_runs_it(subject: Product) -> Finding:
    from hwsim import simulate

    generator = np.random.default_rng(subject.seed)
    count = 0
    for style in ("middle", "huge", "finite"):
        a = values(subject.unit.a, (2, 37, 70), style, generator)
        b = values(subject.unit.b, (70, 65), style, generator)

        def run(a: Array = a, b: Array = b, **options: Any) -> Array:
            return np.asarray(simulate.matmul(a, b, subject.unit, **options))

        case = Case(a, b, None)
        try:
            whole = run(threads=1)
        except ValueError:
            continue  # NaN in a format without one
        parts = np.concatenate([run(a=a[:, :5]), run(a=a[:, 5:])], axis=1)
        ways = {
            "two threads give": run(threads=2),
            "three threads give": run(threads=3),
            "1 MiB of memory gives": run(memory_limit=1 << 20),
            "counting gives": _counted(a, b, subject.unit),
        }
        if not _draws(subject):  # whose draws are numbered by outputs of the whole
            halves = np.concatenate([run(b=b[:, :9]), run(b=b[:, 9:])], 2)
            ways |= {"rows in two parts give": parts, "columns in two parts give": halves}
        for what, other in ways.items():
            count += whole.size
            wrong = np.argwhere(~equal(whole, other))
            if wrong.size:
                item, i, j = wrong[0].tolist()
                one = Case(case.a[item, i : i + 1], b[:, j : j + 1], None)
                found = f"{whole[item, i, j]}, {what} {other[item, i, j]}"
                return Finding(count, f"{subject}: {one} gives {found}")
    return Finding(count)


def _counted(a: Array, b: Array, unit: MacUnit) -> Array:
    from hwsim import simulate

    return np.asarray(simulate.matmul(a, b, unit, telemetry=True)[0])


def _monotone(subject: Product) -> Finding:
    """R(c + p) over ascending c."""
    generator = np.random.default_rng(subject.seed)
    count = 0
    while count < subject.outputs:
        style = ("finite", "middle", "huge", "tiny")[generator.integers(4)]
        c = np.sort(values(subject.unit.outer_format, (50, 1), style, generator), axis=0)
        a = np.repeat(values(subject.unit.a, (1, 1), style, generator), 50, axis=0)
        b = values(subject.unit.b, (1, 1), style, generator)
        got, wanted = both(_against_reference(subject), Case(a, b, c))
        count += 49
        if isinstance(got, Refused) and isinstance(wanted, Refused):
            continue
        if isinstance(got, Refused):
            return Finding(count, f"{subject}: a = [{a[0, 0]}], b = [{b[0, 0]}]: {got.why}")
        y = got[:, 0]
        fell = np.flatnonzero(y[1:] < y[:-1])
        if fell.size:
            i = fell[0]
            ends = f"c = {c[i, 0]} gives {y[i]}, c = {c[i + 1, 0]} gives {y[i + 1]}"
            return Finding(count, f"{subject}: a = [{a[0, 0]}], b = [{b[0, 0]}], {ends}")
    return Finding(count)


def _directed(subject: Product) -> Finding:
    def judge(case: Case) -> Sides:
        def nearer() -> Array:
            """One of rdn's and rup's results, which is the reference's."""
            units = (replace(subject.unit, rounding=r) for r in ("rdn", "rup"))
            down, up = (reference.matmul(case.a, case.b, unit, c=case.c) for unit in units)
            y = subject(case.a, case.b, case.c)
            good = (down <= y) & (y <= up) & ((y == down) | (y == up)) | np.isnan(y)
            return np.where(good, y, down)

        return partial(subject, case.a, case.b, case.c), nearer

    draws = subject.draws("finite", "tiny", "middle", "huge", lengths=(1,))
    return compared(subject, draws, judge, "which is not rdn's or rup's; rdn gives")


def _bounded(subject: Product) -> Finding:
    """|f − Σ| ≤ ((1 + u)^(K+1) − 1)·(|c| + Σ|a·b|) + K·η, u = 2^−p to nearest, else 2^(1−p)
    (Higham 2002, §3.1); η the smallest value, of which half, or all, is lost where a sum
    underflows."""
    fmt = subject.unit.accumulator
    assert isinstance(fmt, FloatFormat)
    u = Fraction(1, 2 ** (fmt.precision - (subject.unit.rounding not in ("rne", "rna"))))

    def near(case: Case) -> Array:
        """The results; where one is too far away, the exact sum."""
        y = subject(case.a, case.b, case.c).astype(np.float64)
        for i, j in np.ndindex(*y.shape):
            one = case.output(i, j)
            pairs = zip(one.a[0].tolist(), one.b[:, 0].tolist(), strict=True)
            terms = [Fraction(p) * Fraction(q) for p, q in pairs]
            terms += [] if one.c is None else [Fraction(one.c.item())]
            exact, steps = sum(terms, Fraction(0)), len(terms)
            most = sum(map(abs, terms), Fraction(0)) * ((1 + u) ** (steps + 1) - 1)
            most += steps * fmt.smallest
            if not np.isfinite(y[i, j]) or abs(Fraction(float(y[i, j])) - exact) > most:
                y[i, j] = float(exact)
        return y

    def judge(case: Case) -> Sides:
        result = lambda: subject(case.a, case.b, case.c).astype(np.float64)  # noqa: E731
        return result, lambda: near(case)

    few = replace(subject, outputs=max(1, subject.outputs // 4))
    return compared(few, few.draws("middle", "cancelling"), judge, "too far from the exact sum,")


def _modular(subject: Product) -> Finding:
    fmt = subject.unit.accumulator
    assert isinstance(fmt, FixedFormat)

    def judge(case: Case) -> Sides:
        c = 0 if case.c is None else case.c.astype(object)
        total = case.a.astype(object) @ case.b.astype(object) + c
        wanted = np.asarray((total - fmt.lowest_code) % 2**fmt.width + fmt.lowest_code)
        return (
            lambda: subject(case.a, case.b, case.c).astype(np.int64),
            lambda: wanted.astype(np.int64),
        )

    return compared(subject, subject.draws(), judge, f"the sum modulo 2^{fmt.width} is")


def _clamped(subject: Product) -> Finding:
    """Terms of one sign never come back from the end of the range."""
    fmt = subject.unit.accumulator
    low, high = int(fmt.lowest), int(fmt.largest)

    def judge(case: Case) -> Sides:
        a, b = (np.abs(x.astype(np.int64)) for x in (case.a, case.b))
        a, b = (
            np.minimum(a, int(subject.unit.a.largest)),
            np.minimum(b, int(subject.unit.b.largest)),
        )
        wanted = np.asarray(np.clip(a.astype(object) @ b.astype(object), low, high))
        return lambda: subject(a, b).astype(np.int64), lambda: wanted.astype(np.int64)

    return compared(subject, subject.draws(), judge, "the clamped sum is")


def _telemetry(subject: Product) -> Finding:
    from hwsim import simulate

    few = replace(subject, outputs=max(1, subject.outputs // 4))
    count = 0
    for case in few.draws():
        operands = case.a, case.b, subject.unit
        wanted = _counts(reference.matmul, *operands, c=case.c)
        got = _counts(simulate.matmul, *operands, c=case.c)
        where = f"a = {case.a.tolist()}, b = {case.b.tolist()}"
        if got is None or wanted is None:
            count += 1
            if got is not wanted:
                return Finding(count, f"{subject}: {where}: only one of both refuses")
            continue
        mine, theirs = got.to_dict(), wanted.to_dict()
        count += len(mine)
        pairs = {name: (mine[name], theirs[name]) for name in mine}
        wrong = {k: (x, y) for k, (x, y) in pairs.items() if x != y and not (x != x and y != y)}
        if wrong:
            return Finding(count, f"{subject}: {where}: (counted, reference) {wrong}")
    return Finding(count)


def _counts(product: Callable[..., Any], *operands: Any, c: Any) -> Any:
    """The telemetry of a product; None where it is refused (a NaN that a format cannot hold)."""
    try:
        return product(*operands, c=c, telemetry=True)[1]
    except ValueError:
        return None


def _integer(fmt: Any) -> bool:
    return isinstance(fmt, FixedFormat) and fmt.fraction_bits == 0 and fmt.width <= 62


def _signed_integers(s: Product, rule: str) -> bool:
    u = s.unit
    formats = (u.a, u.b, u.accumulator)
    plain = u.outer_format == u.accumulator and _multiplies(u)
    ends = u.output is None and u.requantization is None and not u.daz
    return plain and ends and all(map(_integer, formats)) and u.overflow_of(u.accumulator) == rule


def _multiplies(unit: MacUnit) -> bool:
    """Whether exact products enter the sum."""
    return isinstance(unit.multiplier, ExactProduct) and unit.core is None


def _mirrored(fmt: Any) -> bool:
    if isinstance(fmt, TableFormat):
        return fmt.mirrored
    return bool(fmt.lowest == -fmt.largest)


def _values(s: Product) -> bool:
    formats = (s.unit.a, s.unit.b, s.unit.outer_format, s.unit.output_format)
    return not any(fmt.carried_as_codes for fmt in formats) and s.unit.requantization is None


def _mirrors(s: Product) -> bool:
    u = s.unit
    formats = [u.a, *u.rounded_formats().values()]
    wraps = "wrap" in {u.overflow_of(fmt) for fmt in formats[1:]}
    free = not (isinstance(u.core, TableMultiplier) and u.core.signed)
    words = any(isinstance(fmt, FixedFormat) for fmt in (u.a, u.b))
    free = free and not (isinstance(u.core, Shift) and words)  # which go down
    return _values(s) and free and not wraps and all(map(_mirrored, formats))


def _one_step(s: Product) -> bool:
    u = s.unit
    plain = isinstance(u.order, Sequential) and _multiplies(u)
    rules = {u.overflow_of(fmt) for fmt in u.rounded_formats().values()}
    signed = u.accumulator.lowest < 0
    return _values(s) and plain and u.output is None and "wrap" not in rules and signed


def _float_sums(s: Product) -> bool:
    fmt = s.unit.accumulator
    wide = isinstance(fmt, FloatFormat) and fmt.largest >= 2**15 and fmt.has_subnormals
    wide = wide and not s.unit.daz
    return _one_step(s) and wide and all(f.largest >= 16 for f in (s.unit.a, s.unit.b))


def _has_ones(s: Product) -> bool:
    u = s.unit
    formats = [u.a, u.b, *u.rounded_formats().values()]
    ones = all(
        reference.round([0, 1, -1], f, "rtz", "saturate").tolist() == [0, 1, -1]
        for f in formats
        if f.lowest <= -1 <= 1 <= f.largest
    )
    ones = ones and not u.daz and u.core is None
    return _values(s) and ones and all(f.lowest <= -1 and f.largest >= 1 for f in formats)


def _draws(s: Product) -> bool:
    return stochastic_of(s.unit.rounding) is not None


def _is_ours(s: Product) -> bool:
    return s.function is ours and _values(s)


def _when(reason: str, holds: Callable[[Product], bool]) -> Callable[[Product], str]:
    return lambda subject: "" if holds(subject) else reason


CODES = "its values need integers of any width"
UNIT_LAWS = (
    Law(
        "single products",
        "R(a·b) for all pairs of codes (seeded ones beyond 8 bits) equals the reference's",
        _pairs,
        _when(CODES, _values),
    ),
    Law("dot products", "c + Σ a·b equals the reference's, all bits", _dots, _when(CODES, _values)),
    Law(
        "operands commute",
        "f(a, b) = f(bᵀ, aᵀ)ᵀ with the formats exchanged",
        _commutes,
        _when(f"{CODES}, or outputs draw by their places", lambda s: _values(s) and not _draws(s)),
    ),
    Law(
        "sign-symmetric",
        "f(−a, b, −c) = −f(a, b, c); rup mirrors rdn",
        _symmetric,
        _when("a range is not symmetric, or wraps, or words are moved downwards", _mirrors),
    ),
    Law(
        "exact where it fits",
        "sums of −1, 0, 1 that the accumulator holds are exact",
        _exact,
        _when("−1 or 1 is no value of some format, or products are approximate", _has_ones),
    ),
    Law(
        "threads, tiles, batches",
        "change nothing, nor does counting",
        _same_whatever_runs_it,
        _when("only of hwsim's own products", _is_ours),
    ),
    Law(
        "monotone",
        "R(c + a·b) never falls as c grows",
        _monotone,
        _when(
            "not one rounding of an exact product per step, or outputs draw by their places",
            lambda s: _one_step(s) and not _draws(s),
        ),
    ),
    Law(
        "between rdn and rup",
        "one step lies between, and is one of both",
        _directed,
        _when("not one rounding of an exact product per step", _one_step),
    ),
    Law(
        "error bound",
        "|f − Σ| ≤ ((1 + u)^(K+1) − 1)·Σ|terms| + K·η",
        _bounded,
        _when(
            "no wide float accumulator with one rounding of an exact product per step", _float_sums
        ),
    ),
    Law(
        "wraps",
        "integer sums modulo 2^n",
        _modular,
        _when("no integer accumulator that wraps", lambda s: _signed_integers(s, "wrap")),
    ),
    Law(
        "saturates",
        "sums of nonnegative terms are clamped once and stay",
        _clamped,
        _when("no saturating integers", lambda s: _signed_integers(s, "saturate")),
    ),
    Law(
        "telemetry",
        "every count equals the reference's",
        _telemetry,
        _when("only of hwsim's own products", _is_ours),
    ),
    *ORDER_LAWS,
)
