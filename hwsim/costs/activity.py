"""Energy by data: what a layer's words switch, against words of random operands.

A node's constant is the energy of an operation on random operands (`hwsim.costs.nodes`).  Every
part of a unit is scaled by how much switches in it, or at its inputs and outputs, relative to the
same count on random operands.  Only plain numbers come in; `hwsim.cost` does not change.

Flip-flops spend energy without data, too.  Of the 24 transistors of a master-slave flip-flop of
transmission gates, 12 hang on the clock (four gates of two, two inverters), which moves twice a
cycle; its data move, at random, every second cycle.  So 12 · 2 of 12 · 2 + 12 · ½ is the clock's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase

from hwsim.costs.model import Cost, Part

CLOCK_SHARE = 0.8
GATINGS = ("none", "zero", "clock", "both")

# What scales a part, by its name; the first row that fits.  All else lies between product and sum.
ROLES = (
    ("random generator", "random"),
    ("scale *", "random"),
    ("outer *register", "outer register"),
    ("outer *", "outer"),
    ("product register", "product register"),
    ("bins", "sum register"),
    ("*register", "sum register"),
    ("significand multiplier", "array"),
    ("operand decode", "operands"),
    ("codebook", "operands"),
    ("logarithms", "operands"),
    ("leading ones and steering", "operands"),
    ("exponent adder", "product"),
    ("product bias", "product"),
    ("product *", "product"),
    ("product's *", "product"),
    ("products", "multiplier"),
    ("sign*", "multiplier"),
    ("magnitudes and sign", "multiplier"),
    ("zero", "multiplier"),
    ("shifter", "multiplier"),
    ("normaliser", "multiplier"),
    ("truncated array", "multiplier"),
    ("table of *", "multiplier"),
    ("additions", "multiplier"),
    ("*addition", "multiplier"),
    ("sum of logarithms", "multiplier"),
    ("sum of blocks", "multiplier"),
    ("antilogarithm", "multiplier"),
    ("shift*", "multiplier"),
)


@dataclass(frozen=True)
class Switching:
    """How much switched, in all, and how often there was occasion to.

    a, b, product : bits of the words at a multiplier's inputs and output.  array : transistors in
    an exact multiplier's array; 0 where the multiplier is none.  Over ``macs`` MACs.
    moved : MACs after which the product differs.
    added : bits of the sums at an adder that works; sums : of the registers, whose words differ
    ``sums_moved`` times of ``steps``.  outer, outer_moved : of the outer register, over ``chunks``.
    results : bits between one finished sum and the next, over ``outputs``.
    """

    macs: float = 0.0
    steps: float = 0.0
    chunks: float = 0.0
    outputs: float = 0.0
    a: float = 0.0
    b: float = 0.0
    array: float = 0.0
    product: float = 0.0
    moved: float = 0.0
    added: float = 0.0
    sums: float = 0.0
    sums_moved: float = 0.0
    outer: float = 0.0
    outer_moved: float = 0.0
    results: float = 0.0

    def __add__(self, other: Switching) -> Switching:
        return Switching(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def per(self, name: str) -> float:
        """``name`` each time that there was occasion to; 0 without any."""
        occasions = {"added": self.steps, "sums": self.steps, "sums_moved": self.steps}
        occasions |= {"outer": self.chunks, "outer_moved": self.chunks, "results": self.outputs}
        times = occasions.get(name, self.macs)
        found: float = getattr(self, name)
        return found / times if times else 0.0


@dataclass(frozen=True)
class PartActivity:
    """A part's energy in a layer, on random operands and on its own, and what the latter is by."""

    name: str
    by: str
    random_pj: float
    data_pj: float


@dataclass(frozen=True)
class DataEnergy:
    """A layer's arithmetic on random operands (as `hwsim.cost` has it) and on its own, in pJ."""

    random_pj: float = 0.0
    data_pj: float = 0.0
    parts: tuple[PartActivity, ...] = field(default=(), repr=False)

    @property
    def ratio(self) -> float:
        """Times the energy on random operands; 1 where there is none."""
        return self.data_pj / self.random_pj if self.random_pj else 1.0

    def __add__(self, other: DataEnergy) -> DataEnergy:
        found: dict[tuple[str, str], list[float]] = {}
        for part in (*self.parts, *other.parts):
            sums = found.setdefault((part.name, part.by), [0.0, 0.0])
            sums[0] += part.random_pj
            sums[1] += part.data_pj
        parts = tuple(PartActivity(*key, *sums) for key, sums in found.items())
        return DataEnergy(self.random_pj + other.random_pj, self.data_pj + other.data_pj, parts)


def role_of(part: Part) -> str:
    """What a part's energy is scaled by.

    >>> from hwsim import cost
    >>> [(part.name, role_of(part)) for part in cost("int8xint8+int32").parts][1:]
    [('adder', 'addition'), ('accumulator register', 'sum register')]
    """
    if part.per == "output":
        return "results"
    found = (role for pattern, role in ROLES if fnmatchcase(part.name, pattern))
    return next(found, "addition")


def data_energy(
    price: Cost,
    times: tuple[float, float, float],
    data: Switching,
    random: Switching,
    gating: str = "none",
) -> DataEnergy:
    """The energy of a layer by its own data.

    Parameters: ``price`` of the unit; ``times`` that it makes a MAC, a chunk (or group), an output;
    ``data`` what the layer switches (under ``zero`` gating: what is left), ``random`` what random
    operands do, without gating; ``gating`` none, zero, clock (a register whose word stays has no
    clock) or both.  ValueError for another gating.
    """
    check_gating(gating)
    uses = dict(zip(("mac", "chunk", "output"), times, strict=True))
    parts = []
    for part in price.parts:
        role, random_pj = role_of(part), uses[part.per] * part.use_energy_pj
        factor = _factor(role, data, random, gating in ("clock", "both"))
        parts.append(PartActivity(part.name, role, random_pj, random_pj * factor))
    total = sum(part.random_pj for part in parts)
    return DataEnergy(total, sum(part.data_pj for part in parts), tuple(parts))


def check_gating(gating: str) -> None:
    """ValueError for what is no gating."""
    if gating not in GATINGS:
        raise ValueError(f"gating={gating!r}: allowed are {', '.join(GATINGS)}")


def _factor(role: str, data: Switching, random: Switching, clock_gated: bool) -> float:
    """Times the energy on random operands."""
    if role == "random":
        return 1.0
    if role.endswith(" register"):
        words = {"product": ("product", "moved"), "sum": ("sums", "sums_moved")}
        bits, moved = words.get(role.split()[0], ("outer", "outer_moved"))
        clock = data.per(moved) if clock_gated else 1.0
        return CLOCK_SHARE * clock + (1 - CLOCK_SHARE) * _ratio(data.per(bits), random.per(bits))
    return _ratio(_activity(role, data, random), _activity(role, random, random))


def _activity(role: str, counts: Switching, random: Switching) -> float:
    """What switches at a part each time it works; ``random`` says which counts there are."""
    operands, product = counts.per("a") + counts.per("b"), counts.per("product")
    if role == "operands":
        return operands
    if role == "product":
        return product
    if role == "array" and random.array:
        return counts.per("array")
    if role in ("array", "multiplier"):
        return operands + product
    if role == "results":
        return counts.per("results")
    if role == "outer":
        return counts.per("sums") + counts.per("outer")
    group = random.macs / random.steps if random.steps else 1.0
    return group * product + counts.per("added")


def _ratio(value: float, of: float) -> float:
    return value / of if of else 1.0
