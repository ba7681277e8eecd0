"""A matrix product under test, the operands it is tried on, and how two results are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import FixedFormat, Format
from hwsim.testing.draws import STYLES, values
from hwsim.testing.verdicts import Finding
from hwsim.units import Lanes, MacUnit, as_unit, is_integer

Array = npt.NDArray[Any]
Function = Callable[..., Any]
SHAPES = ((1, 1), (2, 3), (3, 2), (1, 17), (5, 1))


def ours(a: Array, b: Array, unit: MacUnit, c: Array | None, seed: int = 0) -> Any:
    from hwsim import simulate  # imports numba

    return simulate.matmul(a, b, unit, c=c, seed=seed)


@dataclass(frozen=True)
class Product:
    """A matrix product under test: ``function(a, b, unit, c)`` for a (M, K), b (K, N), c (M, N) or
    None gives (M, N) values; by default `hwsim.matmul`.  One that draws random bits may also take
    ``seed``.  outputs : how many a law compares.

    >>> Product("int8xint8+int12:saturate")([[100, 1]], [[100], [1]]).tolist()
    [[2047]]
    """

    unit: MacUnit
    function: Function = ours
    outputs: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", as_unit(self.unit))

    def __str__(self) -> str:
        return str(self.unit)

    def __call__(
        self,
        a: npt.ArrayLike,
        b: npt.ArrayLike,
        c: Array | None = None,
        /,
        seed: int | None = None,
        **changes: Any,
    ) -> Array:
        """The product, on the unit with some fields changed."""
        unit = replace(self.unit, **changes) if changes else self.unit
        seeded = {} if seed is None else {"seed": seed}
        return np.asarray(self.function(np.asarray(a), np.asarray(b), unit, c, **seeded))

    def draws(self, *styles: str, lengths: tuple[int, ...] = ()) -> Iterator[Case]:
        """Seeded operands until there are enough outputs."""
        generator = np.random.default_rng(self.seed)
        order = self.unit.order
        part = order.count if isinstance(order, Lanes) else order.group if order.group > 1 else 5
        lengths = lengths or (0, 1, 2, part - 1, part, part + 1, 7, 19, 40)
        done = 0
        while done < self.outputs:
            m, n = SHAPES[generator.integers(len(SHAPES))]
            k = lengths[generator.integers(len(lengths))]
            style = (styles or STYLES)[generator.integers(len(styles or STYLES))]
            a = values(self.unit.a, (m, k), style, generator)
            b = values(self.unit.b, (k, n), style, generator)
            c = None
            if generator.random() < 0.6:
                c = values(self.unit.outer_format, (m, n), style, generator)
                c = _near_the_ends(c, self.unit.outer_format, generator)
            yield Case(a, b, c)
            done += m * n


def _near_the_ends(c: Array, fmt: Format, generator: np.random.Generator) -> Array:
    """Of fixed point, now and then the ends of the range: no sum of a few products gets there."""
    if not isinstance(fmt, FixedFormat) or fmt.carried_as_codes or generator.random() < 0.7:
        return c
    number = int if is_integer(fmt) else float
    ends = np.array([number(fmt.lowest), number(fmt.largest)], c.dtype)
    return np.asarray(ends[generator.integers(0, 2, c.shape)])


@dataclass(frozen=True)
class Case:
    """Operands of one call."""

    a: Array
    b: Array
    c: Array | None

    def output(self, i: int, j: int) -> Case:
        """The operands of one output alone."""
        c = None if self.c is None else self.c[i : i + 1, j : j + 1]
        return Case(self.a[i : i + 1], self.b[:, j : j + 1], c)

    def alone(self, k: int) -> Case:
        """One term alone."""
        return Case(self.a[:, k : k + 1], self.b[k : k + 1], self.c)

    def without(self, k: int) -> Case:
        """One term less."""
        return Case(np.delete(self.a, k, 1), np.delete(self.b, k, 0), self.c)

    def __str__(self) -> str:
        c = "" if self.c is None else f", c = {self.c.item()}"
        return f"a = {self.a[0].tolist()}, b = {self.b[:, 0].tolist()}{c}"


@dataclass(frozen=True)
class Refused:
    """An error in the place of a result."""

    why: str


Result = Array | Refused
Judge = Callable[[Case], tuple[Callable[[], Array], Callable[[], Array]]]


def attempt(call: Callable[[], Array], shape: tuple[int, ...]) -> Result:
    """What a call gives, or how it fails; an array of another shape is a failure, too."""
    try:
        result = np.asarray(call())
    except Exception as error:  # a user's function may raise anything
        return Refused(f"{type(error).__name__}: {error}")
    if result.shape != shape or result.dtype.kind not in "iuf":
        return Refused(f"a result of shape {result.shape} and dtype {result.dtype}, not {shape}")
    return result


def compared(subject: Product, cases: Iterator[Case], judge: Judge, what: str) -> Finding:
    """Two results per case, which must be equal; the first difference with as few terms as show it.

    Outputs that both refuse (a NaN that a format cannot hold) count as compared, one by one.
    """
    count = 0
    for case in cases:
        for part in _parts(case, judge):
            got, wanted = both(judge, part)
            right = equal(got, wanted)
            count += max(1, right.size)
            wrong = np.argwhere(~right)
            if wrong.size:
                at = tuple(wrong[0].tolist())
                return Finding(
                    count, _words(subject, _shrunk(part.output(*at), judge), judge, what)
                )
    return Finding(count)


def both(judge: Judge, case: Case) -> tuple[Result, Result]:
    """Both results of a case."""
    shape = (case.a.shape[0], case.b.shape[1])
    one, other = judge(case)
    return attempt(one, shape), attempt(other, shape)


def _parts(case: Case, judge: Judge) -> Iterator[Case]:
    """The case; or its outputs, where one of them may be why both sides refuse it whole."""
    m, n = case.a.shape[0], case.b.shape[1]
    if m * n > 1 and all(isinstance(result, Refused) for result in both(judge, case)):
        yield from (case.output(i, j) for i in range(m) for j in range(n))
    else:
        yield case


def equal(got: Result, wanted: Result) -> Array:
    """Where two results are the same: bits, but any NaN is any other; refusals are alike."""
    if isinstance(got, Refused) or isinstance(wanted, Refused):
        return np.full((1, 1), isinstance(got, Refused) and isinstance(wanted, Refused))
    if got.dtype.kind in "iu" or wanted.dtype.kind in "iu":
        return np.asarray(got == wanted)
    alike = np.isnan(got) & np.isnan(wanted)
    same: Array = ((got == wanted) & (np.signbit(got) == np.signbit(wanted))) | alike
    return same


def _shrunk(case: Case, judge: Judge) -> Case:
    """Terms, and c, are left out while the difference stays."""

    def differs(candidate: Case) -> bool:
        return bool((~equal(*both(judge, candidate))).any())

    if not differs(case):  # only among its neighbours
        return case
    while True:
        terms = range(case.a.shape[1])
        smaller = [case.alone(k) for k in terms] if len(terms) > 2 else []
        smaller += [case.without(k) for k in terms]
        smaller += [] if case.c is None else [replace(case, c=None)]
        found = next((candidate for candidate in smaller if differs(candidate)), None)
        if found is None:
            return case
        case = found


def _words(subject: Product, case: Case, judge: Judge, what: str) -> str:
    got, wanted = map(_shown, both(judge, case))
    return f"{subject}: {case} gives {got}, {what} {wanted}"


def _shown(result: Result) -> str:
    return result.why if isinstance(result, Refused) else str(result.reshape(-1).tolist())
