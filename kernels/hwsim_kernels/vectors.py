"""Vectors of lanes as Python values that write LLVM IR.

A datapath (`datapath`) is a plain function of such values: ``x + c``, ``bits(x) & mask``,
``select(x > y, x, y)``.  Calling it once, while a kernel is compiled, emits the instructions.
LLVM cuts the vectors into what the machine has (512, 256 or 128 bits); the bits are the same.
Another backend traces the same text over its own values: nothing here knows about loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import llvmlite.binding
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba.core import cgutils

GATHERS = bool(get_host_cpu_features().get("avx512f", False))
SHIFTS_BYTES = bool(get_host_cpu_features().get("avx512vbmi", False))
PERMUTES_WORDS = bool(get_host_cpu_features().get("avx512bw", False))
I32, I64 = ir.IntType(32), ir.IntType(64)
FLOATS = {32: ir.FloatType(), 64: ir.DoubleType()}
# Vectors of 512 bits whose instructions name the rounding that they do.
ROUNDS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
DOWNWARD, TOWARD_ZERO = 1 | 8, 3 | 8  # and no exceptions
ORDERED = {"<", ">", "<=", ">=", "=="}


class Vector:
    """One SSA value of vector type; operators emit the lane-wise instruction.

    Comparisons of floats are false for NaN, but ``ne``, which is true.
    """

    __slots__ = ("builder", "value")

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @property
    def width(self) -> int:
        """Bits of a lane."""
        element = self.value.type.element
        return 32 if element == FLOATS[32] else 64 if element == FLOATS[64] else element.width

    @property
    def is_float(self) -> bool:
        return self.value.type.element in FLOATS.values()

    def like(self, value: Any) -> Vector:
        """A vector of the same builder."""
        return Vector(self.builder, value)

    def constant(self, number: float) -> Vector:
        """``number`` in every lane."""
        kind = self.value.type
        return self.like(ir.Constant(kind, [number] * kind.count))

    def _emit(self, other: Vector | float, on_floats: str, on_integers: str) -> Vector:
        right = other if isinstance(other, Vector) else self.constant(other)
        emit = getattr(self.builder, on_floats if self.is_float else on_integers)
        return self.like(emit(self.value, right.value))

    def __add__(self, other: Vector | float) -> Vector:
        return self._emit(other, "fadd", "add")

    def __sub__(self, other: Vector | float) -> Vector:
        return self._emit(other, "fsub", "sub")

    def __mul__(self, other: Vector | float) -> Vector:
        return self._emit(other, "fmul", "mul")

    def __and__(self, other: Vector | int) -> Vector:
        return self._emit(other, "", "and_")

    def __or__(self, other: Vector | int) -> Vector:
        return self._emit(other, "", "or_")

    def __xor__(self, other: Vector | int) -> Vector:
        return self._emit(other, "", "xor")

    def __rshift__(self, count: int) -> Vector:
        """Arithmetic shift: the sign bit comes in."""
        return self._emit(count, "", "ashr")

    def _compare(self, relation: str, other: Vector | float) -> Vector:
        right = other if isinstance(other, Vector) else self.constant(other)
        if not self.is_float:
            compare = self.builder.icmp_signed
        elif relation in ORDERED:
            compare = self.builder.fcmp_ordered
        else:
            compare = self.builder.fcmp_unordered
        return self.like(compare(relation, self.value, right.value))

    def __lt__(self, other: Vector | float) -> Vector:
        return self._compare("<", other)

    def __gt__(self, other: Vector | float) -> Vector:
        return self._compare(">", other)

    def __ge__(self, other: Vector | float) -> Vector:
        return self._compare(">=", other)

    def __le__(self, other: Vector | float) -> Vector:
        return self._compare("<=", other)

    def eq(self, other: Vector | float) -> Vector:
        return self._compare("==", other)

    def ne(self, other: Vector | float) -> Vector:
        return self._compare("!=", other)


def select(mask: Vector, yes: Vector, no: Vector) -> Vector:
    """``yes`` where the mask holds, else ``no``; both are computed."""
    return yes.like(yes.builder.select(mask.value, yes.value, no.value))


def maximum(x: Vector, y: Vector) -> Vector:
    """The larger of each lane; y for NaN."""
    return select(x > y, x, y)


def minimum(x: Vector, y: Vector) -> Vector:
    """The smaller of each lane; y for NaN."""
    return select(x < y, x, y)


def at_most(x: Vector, bound: Vector) -> Vector:
    """Floats but NaN, none beyond a positive bound; by integers, which are ordered as positive
    floats and lie below them where the sign bit is set: their units are less in demand."""
    return floats(minimum(bits(x), bits(bound)))


def at_least(x: Vector, bound: Vector) -> Vector:
    """Floats but NaN, none beyond a negative bound (or −0): unsigned, these integers lie above
    those of positive floats and grow with the magnitude."""
    low, high = bits(x), bits(bound)
    below = low.like(low.builder.icmp_unsigned("<", low.value, high.value))
    return floats(select(below, low, high))


def shifted(x: Vector, count: Vector) -> Vector:
    """Integers shifted right by ``count`` places; zeros come in."""
    return x.like(x.builder.lshr(x.value, count.value))


def shifted_left(x: Vector, count: Vector) -> Vector:
    """Integers shifted left by ``count`` places."""
    return x.like(x.builder.shl(x.value, count.value))


def bits(x: Vector) -> Vector:
    """The lanes' bits as signed integers."""
    kind = ir.VectorType(ir.IntType(x.width), x.value.type.count)
    return x.like(x.builder.bitcast(x.value, kind))


def floats(x: Vector) -> Vector:
    """Integers' bits as floats."""
    return x.like(x.builder.bitcast(x.value, ir.VectorType(FLOATS[x.width], x.value.type.count)))


def sign_mask(width: int) -> int:
    """The sign bit alone, as a signed integer."""
    return -(1 << (width - 1))


def absolute(x: Vector) -> Vector:
    """|x| of floats: the sign bit cleared."""
    return floats(bits(x) & ~sign_mask(x.width))


def inverted(x: Vector) -> Vector:
    """All bits of integers, or a mask, flipped."""
    return x.like(x.builder.not_(x.value))


def fma(x: Vector, y: Vector, z: Vector) -> Vector:
    """x·y + z, rounded once (llvm.fma)."""
    kind = x.value.type
    name = f"llvm.fma.v{kind.count}f{x.width}"
    signature = ir.FunctionType(kind, [kind] * 3)
    function = cgutils.get_or_insert_function(x.builder.module, signature, name)
    return x.like(x.builder.call(function, [x.value, y.value, z.value]))


def rounds_as_told(x: Vector) -> bool:
    """Whether `fma_directed` and `add_directed` are there for such vectors."""
    return ROUNDS and x.is_float and x.width * x.value.type.count == 512


def fma_directed(x: Vector, y: Vector, z: Vector, how: int) -> Vector:
    """x·y + z, rounded `DOWNWARD` or `TOWARD_ZERO`: one instruction, whatever is in force."""
    return _directed("vfmadd", (x, y, z), how)


def add_directed(x: Vector, y: Vector, how: int) -> Vector:
    """x + y, likewise."""
    return _directed("add", (x, y), how)


def _directed(verb: str, given: tuple[Vector, ...], how: int) -> Vector:
    x = given[0]
    kind = x.value.type
    name = f"llvm.x86.avx512.{verb}.{'ps' if x.width == 32 else 'pd'}.512"
    signature = ir.FunctionType(kind, [kind] * len(given) + [I32])
    function = cgutils.get_or_insert_function(x.builder.module, signature, name)
    return x.like(x.builder.call(function, [*(v.value for v in given), ir.Constant(I32, how)]))


def halves(x: Vector) -> Vector:
    """The low and the high words of 64-bit integers, by turns."""
    return x.like(x.builder.bitcast(x.value, ir.VectorType(I32, 2 * x.value.type.count)))


def spliced(x: Vector, y: Vector, left: int, known: Vector) -> Vector:
    """64-bit integers x, in place of their upper words those of y shifted ``left`` places (32 and
    less, so that they need no zeros); or of their lower words, where it goes right, by −left.
    One instruction where `SHIFTS_BYTES`.

    known : a vector of lanes that are not 0.  Of a mask that asks whether they are the compiler
    makes no constant, for which it would blend in an instruction of its own.
    """
    builder, kind = x.builder, x.value.type
    if not (SHIFTS_BYTES and kind.count == 8):
        move = (shifted_left if left > 0 else shifted)(y, y.constant(abs(left)))
        upper = ir.Constant(ir.VectorType(ir.IntType(1), 2 * kind.count), [0, 1] * kind.count)
        lower, higher = (x, move) if left > 0 else (move, x)
        found = select(x.like(upper), halves(higher), halves(lower))
        return x.like(builder.bitcast(found.value, kind))
    octets, mask = ir.VectorType(ir.IntType(8), 64), ir.IntType(64)
    name = "llvm.x86.avx512.pmultishift.qb.512"
    signature = ir.FunctionType(octets, [octets, octets])
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    places = ir.Constant(octets, [(8 * octet - left) % 64 for octet in range(8)] * 8)
    move = builder.call(function, [places, builder.bitcast(y.value, octets)])
    some = ir.Constant(mask, 0xF0F0F0F0F0F0F0F0 if left > 0 else 0x0F0F0F0F0F0F0F0F)
    exists = builder.icmp_signed("!=", builder.extract_element(known.value, I32(0)), I64(0))
    chosen = builder.select(exists, some, ir.Constant(mask, 0))
    chosen = builder.bitcast(chosen, ir.VectorType(ir.IntType(1), 64))
    found = builder.select(chosen, move, builder.bitcast(x.value, octets))
    return x.like(builder.bitcast(found, kind))


def negated(x: Vector) -> Vector:
    """Floats with the other sign."""
    return x.like(x.builder.fneg(x.value))


def widened(x: Vector) -> Vector:
    """float64 lanes of the same values."""
    if x.width == 64:
        return x
    return x.like(x.builder.fpext(x.value, ir.VectorType(FLOATS[64], x.value.type.count)))


def splat(builder: Any, scalar: Any, lanes: int) -> Vector:
    """A scalar in every lane."""
    kind = ir.VectorType(scalar.type, lanes)
    empty = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(empty, scalar, ir.Constant(I32, 0))
    zeros = ir.Constant(ir.VectorType(I32, lanes), [0] * lanes)
    return Vector(builder, builder.shuffle_vector(first, empty, zeros))


def population(mask: Vector) -> Any:
    """How many lanes of a mask hold, int64: one move and a count beside the vector units."""
    builder, count = mask.builder, mask.value.type.count
    word = builder.bitcast(mask.value, ir.IntType(count))
    signature = ir.FunctionType(word.type, [word.type])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.ctpop.i{count}")
    return builder.zext(builder.call(function, [word]), I64)


def lane_values(x: Vector) -> list[Any]:
    """The lanes as scalars, lowest first."""
    count = x.value.type.count
    return [x.builder.extract_element(x.value, ir.Constant(I32, i)) for i in range(count)]


def looked_up(table: Any, indices: Vector) -> Vector:
    """Entries, as wide as the indices, of an array that begins at ``table``."""
    builder, count, width = indices.builder, indices.value.type.count, indices.width
    kind = ir.VectorType(FLOATS[width], count)
    if GATHERS and count * width == 512:
        word = {32: "dps", 64: "qpd"}[width]
        name = f"llvm.x86.avx512.mask.gather.{word}.512"
        mask = ir.VectorType(ir.IntType(1), count)
        parts = [kind, table.type, indices.value.type, mask, I32]
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(kind, parts), name
        )
        every = ir.Constant(mask, [1] * count)
        given = [ir.Constant(kind, None), table, indices.value, every, I32(width // 8)]
        return Vector(builder, builder.call(function, given))
    found = ir.Constant(kind, ir.Undefined)
    for i, number in enumerate(lane_values(indices)):
        entry = builder.load(builder.gep(table, [number]))
        found = builder.insert_element(found, entry, ir.Constant(I32, i))
    return Vector(builder, found)


def permuted(row: Vector, indices: Vector) -> Vector:
    """Lanes of a vector of 16 floats, by integers 0 … 15: one instruction where `GATHERS`."""
    kinds = [row.value.type, indices.value.type]
    name = "llvm.x86.avx512.permvar.sf.512"
    function = cgutils.get_or_insert_function(
        row.builder.module, ir.FunctionType(kinds[0], kinds), name
    )
    return row.like(row.builder.call(function, [row.value, indices.value]))


def picked(table: list[Vector], indices: Vector) -> Vector:
    """Entries of 2 … 256 words, which lie in vectors of 16, by integers of 16 lanes: two vectors an
    instruction where `GATHERS`, and a choice by each of the higher bits."""
    builder, kind = indices.builder, indices.value.type
    pairs = len(table) > 1
    name = "llvm.x86.avx512." + ("vpermi2var.d.512" if pairs else "permvar.si.512")
    signature = ir.FunctionType(kind, [kind] * (3 if pairs else 2))
    permute = cgutils.get_or_insert_function(builder.module, signature, name)
    if not pairs:
        return indices.like(builder.call(permute, [table[0].value, indices.value]))
    found = [
        indices.like(builder.call(permute, [low.value, indices.value, high.value]))
        for low, high in zip(table[::2], table[1::2], strict=True)
    ]
    bit = 32
    while len(found) > 1:
        upper = (indices & bit).ne(0)
        halves = zip(found[::2], found[1::2], strict=True)
        found, bit = [select(upper, high, low) for low, high in halves], 2 * bit
    return found[0]


class Choice(NamedTuple):
    """Which of 256 words 32 lanes want: the six low bits of their indices, and masks of the two
    high ones."""

    builder: Any
    low: Any
    odd: Any
    upper: Any

    count: int  # of vectors that they come from

    @classmethod
    def of(cls, indices: list[Vector]) -> Choice:
        """Of the lanes of vectors, one after the other."""
        builder, lanes = indices[0].builder, 32 // len(indices)
        wide = ir.VectorType(ir.IntType(16), 32)
        parts = [builder.trunc(x.value, ir.VectorType(ir.IntType(16), lanes)) for x in indices]
        while len(parts) > 1:
            every = ir.Constant(ir.VectorType(I32, 2 * lanes), list(range(2 * lanes)))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [builder.shuffle_vector(*pair, every) for pair in pairs]
            lanes *= 2
        index = parts[0]
        zero = ir.Constant(wide, None)
        masks = [
            builder.icmp_signed("!=", builder.and_(index, ir.Constant(wide, [bit] * 32)), zero)
            for bit in (64, 128)
        ]
        return cls(builder, index, *masks, len(indices))

    def of_row(self, parts: list[Any], signed: bool) -> list[Vector]:
        """The words of a row, which are eight vectors of 32, as vectors of floats."""
        builder, wide = self.builder, self.low.type
        name = "llvm.x86.avx512.vpermi2var.hi.512"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(wide, [wide] * 3), name
        )
        quarters = [
            builder.call(function, [parts[i], self.low, parts[i + 1]]) for i in range(0, 8, 2)
        ]
        lower = builder.select(self.odd, quarters[1], quarters[0])
        upper = builder.select(self.odd, quarters[3], quarters[2])
        words = builder.select(self.upper, upper, lower)
        extend = builder.sext if signed else builder.zext
        lanes, found = 32 // self.count, []
        for start in range(0, 32, lanes):
            places = ir.Constant(ir.VectorType(I32, lanes), list(range(start, start + lanes)))
            part = builder.shuffle_vector(words, words, places)
            whole = extend(part, ir.VectorType(I32, lanes))
            kind = ir.VectorType(FLOATS[512 // lanes], lanes)
            found.append(Vector(builder, builder.sitofp(whole, kind)))
        return found


Body = Callable[[Any, Sequence[Any]], Sequence[Any]]


def counted_loop(
    builder: Any, start: Any, stop: Any, state: Sequence[Any], body: Body
) -> list[Any]:
    """Emit ``for k in range(start, stop): state = body(k, state)``; the final state.

    The state lives in registers (phi nodes), whatever memory the body writes.
    """
    before = builder.block
    loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.cbranch(builder.icmp_signed("<", start, stop), loop, after)
    builder.position_at_end(loop)
    k = builder.phi(I64)
    k.add_incoming(start, before)
    phis = [builder.phi(value.type) for value in state]
    for phi, value in zip(phis, state, strict=True):
        phi.add_incoming(value, before)
    new = body(k, phis)
    following = builder.add(k, I64(1))
    last = builder.block
    k.add_incoming(following, last)
    for phi, value in zip(phis, new, strict=True):
        phi.add_incoming(value, last)
    builder.cbranch(builder.icmp_signed("<", following, stop), loop, after)
    builder.position_at_end(after)
    ends = []
    for first, value in zip(state, new, strict=True):
        end = builder.phi(first.type)
        end.add_incoming(first, before)
        end.add_incoming(value, last)
        ends.append(end)
    return ends
