"""What each law of MAC units compares, on one product."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from hwsim import reference
from hwsim.formats import FixedFormat, FloatFormat, PositFormat, TableFormat, stochastic_of
from hwsim.testing.draws import STYLES, apart, values
from hwsim.testing.products import Array, Case, Judge, Product, Refused, both, compared, equal
from hwsim.testing.verdicts import Finding
from hwsim.units import MacUnit

PAIRS = 1 << 16  # products of two codes: all of them where there are no more
Sides = tuple[Callable[[], Array], Callable[[], Array]]
MIRRORS = {"rup": "rdn", "rdn": "rup"}


def pairs(subject: Product) -> Finding:
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


def dots(subject: Product) -> Finding:
    judge = _against_reference(subject)
    return compared(subject, subject.draws(), judge, "the reference gives")


def apart_sums(subject: Product) -> Finding:
    generator, size = np.random.default_rng(subject.seed), 16
    cases = range(-(-subject.outputs // size**2))
    drawn = (Case(*apart(subject.unit, size, size, generator)) for _ in cases)
    return compared(subject, drawn, _against_reference(subject), "the reference gives")


def zeros(subject: Product) -> Finding:
    """Zeros of both signs, and what the unit takes for zeros, times anything."""
    unit, generator = subject.unit, np.random.default_rng(subject.seed)
    sides = []
    for fmt, shape in ((unit.a, (6, 1)), (unit.b, (1, 6))):
        nothing = values(fmt, shape, "zeros", generator)
        if unit.daz or unit.ftz:
            signs = generator.choice([1.0, -1.0], shape) if fmt.lowest < 0 else 1.0
            nothing = np.where(generator.random(shape) < 0.5, signs * float(fmt.smallest), nothing)
        sides.append((nothing, values(fmt, shape, "middle", generator)))
    c = values(unit.outer_format, (6, 6), "zeros", generator)
    (a, x), (b, y) = sides
    cases = [Case(*pair, start) for pair in ((a, y), (x, b), (a, b)) for start in (None, c, -c)]
    return compared(subject, iter(cases), _against_reference(subject), "the reference gives")


def commutes(subject: Product) -> Finding:
    def judge(case: Case) -> Sides:
        c, unit = None if case.c is None else case.c.T, subject.unit
        core = None if unit.core is None else unit.core.mirrored
        turned = partial(subject, case.b.T, case.a.T, c, a=unit.b, b=unit.a, core=core)
        return partial(subject, case.a, case.b, case.c), lambda: turned().T

    return compared(subject, subject.draws(), judge, "operands exchanged give")


def symmetric(subject: Product) -> Finding:
    rounding = subject.unit.rounding
    mirror = MIRRORS.get(rounding, rounding)

    def judge(case: Case) -> Sides:
        c = None if case.c is None else -case.c
        return (
            lambda: subject(case.a, case.b, case.c) + 0,
            lambda: -subject(-case.a, case.b, c, rounding=mirror) + 0,
        )

    return compared(subject, subject.draws("finite", *STYLES[2:]), judge, "-f(-a, b, -c) is")


def exact(subject: Product) -> Finding:
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
    if isinstance(fmt, PositFormat):
        return _whole_posits(fmt)
    return int(min(fmt.largest, -fmt.lowest))


def _whole_posits(fmt: PositFormat) -> int:
    """The last power of two under which every binade has as many fraction bits as its exponent."""
    exponent, most = 0, fmt.width - 3 - fmt.exponent_bits
    while most - (exponent >> fmt.exponent_bits) >= exponent:
        exponent += 1
    return 1 << exponent


def same_whatever_runs_it(subject: Product) -> Finding:
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
        if not draws(subject):  # whose draws are numbered by outputs of the whole
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


def monotone(subject: Product) -> Finding:
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


def directed(subject: Product) -> Finding:
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


def bounded(subject: Product) -> Finding:
    """|f − Σ| ≤ ((1 + u)^(K+1) − 1)·(|c| + Σ|a·b|) + K·η, u = 2^−p to nearest, else 2^(1−p)
    (Higham 2002, §3.1); η the smallest value, of which half, or all, is lost where a sum
    underflows."""
    fmt = subject.unit.accumulator
    assert isinstance(fmt, FloatFormat)
    u = Fraction(1, 2 ** (fmt.precision - (subject.unit.rounding not in ("rne", "rna"))))
    return within(subject, fmt, lambda steps: (1 + u) ** (steps + 1) - 1)


def within(subject: Product, fmt: FloatFormat, share: Callable[[int], Fraction]) -> Finding:
    """|f − Σ| ≤ share(terms)·Σ|terms| + terms·η, η the smallest value of the accumulator's format,
    ``fmt``."""

    def near(case: Case) -> Array:
        """The results; where one is too far away, the exact sum."""
        y = subject(case.a, case.b, case.c).astype(np.float64)
        for i, j in np.ndindex(*y.shape):
            one = case.output(i, j)
            pairs = zip(one.a[0].tolist(), one.b[:, 0].tolist(), strict=True)
            terms = [Fraction(p) * Fraction(q) for p, q in pairs]
            terms += [] if one.c is None else [Fraction(one.c.item())]
            exact, steps = sum(terms, Fraction(0)), len(terms)
            most = sum(map(abs, terms), Fraction(0)) * share(steps)
            most += steps * fmt.smallest
            if not np.isfinite(y[i, j]) or abs(Fraction(float(y[i, j])) - exact) > most:
                y[i, j] = float(exact)
        return y

    def judge(case: Case) -> Sides:
        result = lambda: subject(case.a, case.b, case.c).astype(np.float64)  # noqa: E731
        return result, lambda: near(case)

    few = replace(subject, outputs=max(1, subject.outputs // 4))
    return compared(few, few.draws("middle", "cancelling"), judge, "too far from the exact sum,")


def modular(subject: Product) -> Finding:
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


def clamped(subject: Product) -> Finding:
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


def telemetry(subject: Product) -> Finding:
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


def draws(subject: Product) -> bool:
    """Whether outputs draw random bits by their places."""
    return stochastic_of(subject.unit.rounding) is not None
