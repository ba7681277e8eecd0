"""The plan of a unit on this data: for each of its accumulators a datapath, in one carrier."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

from hwsim_kernels.paths import (
    ALL,
    AWAY,
    CLAMP,
    DRAWN,
    EXACT,
    HALF,
    INFINITE,
    INNOCUOUS,
    NATIVE,
    NEAREST,
    NONE,
    NOTHING,
    PLAIN,
    SCALE,
    STICKY,
    TRUNCATE,
    UNBOUNDED,
    UP,
    Path,
)

from hwsim.formats import FloatFormat, GridFormat, PositFormat, stochastic_of
from hwsim.simulate.choices import Choice, choose, plainly_cut
from hwsim.simulate.cores import kind, kind_in
from hwsim.simulate.facts import Facts, Unknown
from hwsim.simulate.grids import magnitude
from hwsim.simulate.orders import depth_of, exact_groups, joints, stays_finite
from hwsim.simulate.sums import CARRIERS, Addend, Bounds, Carrier, Sum, product_of, way_of
from hwsim.units import SPLIT, Chunked, DotAdd, Lanes, MacUnit, Sequential, Tree

KNOWN = (Sequential, Chunked, Lanes, Tree, DotAdd)  # orders that have kernels in register tiles


@dataclass(frozen=True, eq=False)  # a key by identity: `plan` gives the same one again
class Plan:
    """The datapaths of a unit on this data; ``negated`` where operands enter with other signs
    (rdn is rup of the negated sum)."""

    unit: MacUnit
    inner: Choice
    outer: Choice | None
    negated: bool

    @cached_property
    def finite(self) -> bool:
        """Whether finite operands give finite sums."""
        paths = [choice.path for choice in (self.inner, self.outer) if choice]
        return all(path.limit not in INFINITE and path.sums != NATIVE for path in paths)

    @cached_property
    def ideal(self) -> bool:
        """Whether tighter bounds of the data would change little."""
        path = self.inner.path
        loose = path.sums == STICKY or path.limit != UNBOUNDED or path.ordered
        return path.width == 32 and not loose


def plan(unit: MacUnit, facts: Facts | Unknown, level: int) -> Plan | None:
    """The cheapest plan that is proved; None where there is none."""
    # A bound that two passes over the data give, and a plan that many products share.
    quick = _plan(unit, level, Bounds.around(facts))
    if quick is not None and quick.ideal:
        return quick
    return _plan(unit, level, Bounds.of(facts, facts.sum_bound)) or quick


@lru_cache(maxsize=1 << 12)
def _plan(unit: MacUnit, level: int, facts: Bounds) -> Plan | None:
    """The cheaper one of what both carriers offer."""
    formats = (unit.a, unit.b, unit.accumulator, unit.outer_format)
    if unit.product_format is not None or way_of(unit.rounding) is None:
        return None
    if any(isinstance(fmt, PositFormat) for fmt in formats[2:]):
        return None
    if not isinstance(unit.order, KNOWN) or any(fmt.carried_as_codes for fmt in formats):
        return None
    product_kind = kind(unit)
    if product_kind is None or (product_kind != PLAIN and not facts.finite):
        return None
    simple = isinstance(unit.order, Sequential | Chunked)
    how = stochastic_of(unit.rounding)
    if how and not simple and (how.lfsr or isinstance(unit.order, DotAdd)):
        return None  # a register's bits come one after the other
    if not simple and product_kind != PLAIN and (level != NONE or isinstance(unit.order, DotAdd)):
        return None
    if level != NONE and any(fmt.lowest >= 0 for fmt in formats[2:]):
        return None  # overflow is watched for in magnitude
    kinds = {isinstance(fmt, FloatFormat) for fmt in formats[2:]}
    if unit.rounding == "rdn" and len(kinds) == 2:
        return None  # floats would be negated, and integers have another range then
    if unit.rounding == "rdn" and formats[3].has_negative_zero > formats[2].has_negative_zero:
        return None  # chunk sums of 0 would be −0 in negated arithmetic, some of them
    if level == ALL and not simple:
        return None
    plans = []
    for carrier in CARRIERS:
        choices = _choices(unit, facts, level, carrier)
        if choices is not None:
            negated = unit.rounding == "rdn" and isinstance(unit.outer_format, FloatFormat)
            plans.append(Plan(unit, *choices, negated))
            if plans[-1].ideal:
                break
    return min(plans, key=lambda plan: _cost(plan.inner.path), default=None)


def _cost(path: Path) -> int:
    """Halves of a step: float64 has half the lanes, and a sum's error costs more than that."""
    apart = path.sums == STICKY and path.rounding not in DRAWN
    return (path.width // 32) * (3 if apart else 1)


def _choices(
    unit: MacUnit, facts: Bounds, level: int, carrier: Carrier
) -> tuple[Choice, Choice | None] | None:
    """The datapaths of inner and outer sums in one carrier; None where one is not proved."""
    order, entering = unit.order, product_of(unit, facts)
    assert isinstance(unit.accumulator, GridFormat)
    inner = Sum(
        *(unit, unit.accumulator, entering, facts, level),
        *(True, facts.length, carrier, facts.finite),
    )
    if isinstance(order, DotAdd):
        return exact_groups(inner, order)
    if isinstance(order, Chunked):
        inner = replace(inner, steps=min(facts.length, order.length))
    if isinstance(order, Tree):
        inner = replace(inner, steps=depth_of(order, facts.length), leaves=True)
    first = choose(inner)
    if first is None:
        return None
    if unit.core is not None:  # its mass is not told by the operands' sums
        found = kind_in(unit, kind(unit) or PLAIN, carrier.width)
        first = replace(first, path=first.path._replace(product=found, ordered=level == ALL))
    if not isinstance(order, SPLIT):
        return first, None
    outer = _outer(inner, first) if isinstance(order, Chunked) else joints(inner, first)
    second = choose(outer)
    return None if second is None else (first, second)


def _outer(inner: Sum, choice: Choice) -> Sum:
    """The accumulator of chunk sums."""
    unit, fmt = inner.unit, inner.fmt
    order, into = unit.order, unit.outer_format
    assert isinstance(order, Chunked)
    assert isinstance(into, GridFormat)
    chunks = max(1, -(-inner.facts.length // order.length))
    # Each chunk sum is at most the bound of one; all of them together that of one long sum.
    largest = inner.bound if inner.bounded else magnitude(fmt)
    mass = inner.bound if inner.bounded else math.inf
    sums = Addend(inner.precision, inner.quantum, largest, mass, f"chunk sum in {fmt}")
    finite = stays_finite(inner, choice)
    return replace(inner, fmt=into, addend=sums, inner=False, steps=chunks, finite=finite)


def relatives(level: int, way: int | None, clocked: bool) -> list[Path]:
    """The paths that float formats meet by one rounding."""
    if way in DRAWN:
        return [path._replace(clocked=clocked) for path in drawn_family(level, way)]
    return family(level) if way == NEAREST else [] if way is None else cut_family(level, way)


def cut_family(level: int, way: int) -> list[Path]:
    """The same by a directed rounding, or to nearest with ties away."""
    infinite = {AWAY: (SCALE,), UP: (HALF,), TRUNCATE: ()}[way]
    paths = []
    for carrier, limit in product(CARRIERS, (UNBOUNDED, CLAMP, *infinite)):
        signs = limit == SCALE and level == NONE
        exact = Path(carrier.width, EXACT, NOTHING, limit, signs=signs, level=level)
        paths.append(exact)
        paths += [exact._replace(sums=sums, rounding=way) for sums in (EXACT, STICKY)]
    return paths


def drawn_family(level: int, rounding: int) -> list[Path]:
    """The same by one of sr's rules."""
    paths = []
    for carrier, floor, limit in product(CARRIERS, (False, True), (UNBOUNDED, CLAMP, SCALE)):
        if level == NONE and floor and limit == UNBOUNDED:
            continue
        for sums in (STICKY,) if plainly_cut(rounding, level, floor) else (EXACT, STICKY):
            path = Path(carrier.width, sums, rounding, limit, floor, signs=floor, level=level)
            paths.append(path)
    return paths


def family(level: int) -> list[Path]:
    """The paths that float formats meet in rne, nothing or only the cheap part counted."""
    paths = []
    for carrier in CARRIERS:
        plain = Path(carrier.width, NATIVE, NOTHING, UNBOUNDED, level=level)
        paths.append(plain)
        for limit in (UNBOUNDED, CLAMP, SCALE):
            scaled = limit == SCALE and level == NONE
            paths.append(plain._replace(sums=EXACT, limit=limit, signs=scaled))
            for sums in (EXACT, INNOCUOUS, STICKY) if level else (INNOCUOUS, STICKY):
                path = plain._replace(sums=sums, rounding=NEAREST, limit=limit)
                if not scaled:
                    paths.append(path)
                if level or limit != UNBOUNDED:
                    paths.append(path._replace(floor=True, signs=True))
    return paths
