"""Flat arrays in vectors of lanes: loads and stores, loops over whole arrays, conversions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from hwsim_kernels.vectors import FLOATS, I64, Vector, counted_loop, population, splat, widened

LANES = 16
# Flags of a conversion: x is divided (in float64); codes are written; lanes are float32.
SCALED, CODED, NARROW = 1, 2, 4

Body = Callable[[Any, Any, Any], Any]


def load_lanes(builder: Any, data: Any, at: Any, lanes: int = LANES) -> Vector:
    """Elements of an array from ``at`` on."""
    kind = ir.VectorType(data.type.pointee, lanes)
    pointer = builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
    return Vector(builder, builder.load(pointer, align=1))


def store_lanes(builder: Any, value: Any, data: Any, at: Any) -> None:
    """Write lanes in the array's own element, which holds them."""
    element = data.type.pointee
    kind = ir.VectorType(element, value.type.count)
    if kind != value.type:
        whole = isinstance(element, ir.IntType)
        wider = element == FLOATS[64] or (whole and element.width > value.type.element.width)
        change = {
            (False, False): builder.fptrunc,
            (False, True): builder.fpext,
            (True, False): builder.trunc,
            (True, True): builder.zext,
        }[whole, wider]
        value = change(value, kind)
    pointer = builder.bitcast(builder.gep(data, [at]), kind.as_pointer())
    builder.store(value, pointer, align=1)


def in_all_lanes(builder: Any, data: Any, count: int, lanes: int = LANES) -> list[Vector]:
    """The first elements of an array, each in all lanes."""
    places = (builder.gep(data, [I64(i)]) for i in range(count))
    return [splat(builder, builder.load(place), lanes) for place in places]


# --- loops ----------------------------------------------------------------------------------------
def through(builder: Any, x: Any, out: Any, body: Body, lanes: int = LANES) -> Any:
    """Emit ``body(data of x, data of out, at)`` for every ``lanes`` elements of flat arrays of one
    length; the sum of what it returns, int64.  The last, where they are fewer, lie before zeros."""
    length, size = builder.extract_value(x.shape, 0), I64(lanes)
    rest = builder.srem(length, size)
    first = builder.sub(length, rest)

    def whole(i: Any, total: Any) -> list[Any]:
        return [builder.add(total[0], body(x.data, out.data, builder.mul(i, size)))]

    def fewer(_: Any, total: Any) -> list[Any]:
        source, target = (_zeros(builder, array.data.type, lanes) for array in (x, out))
        left = builder.gep(x.data, [first])
        cgutils.raw_memcpy(builder, source, left, rest, x.itemsize)
        found = body(source, target, I64(0))
        left = builder.gep(out.data, [first])
        cgutils.raw_memcpy(builder, left, target, rest, out.itemsize)
        return [builder.add(total[0], found)]

    total = counted_loop(builder, I64(0), builder.sdiv(length, size), [I64(0)], whole)
    once = builder.zext(builder.icmp_signed(">", rest, I64(0)), I64)
    return counted_loop(builder, I64(0), once, total, fewer)[0]


def _zeros(builder: Any, pointer: Any, count: int) -> Any:
    """Elements on the stack."""
    place = cgutils.alloca_once(builder, ir.ArrayType(pointer.pointee, count), zfill=True)
    return builder.bitcast(place, pointer)


def conversion(rules: Callable[[Any, Any, int], Callable[[Vector], tuple[Vector, Vector]]]) -> Any:
    """The intrinsic (flags, x, out, numbers, scale): out ← R(x / scale), values or codes; how many
    became NaN.

    rules : of (builder, data of ``numbers``, flags), a function of lanes: what they become, and
    whether that is NaN.
    """

    @intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
    def convert(typing_context, flags, x, out, numbers, scale):  # type: ignore[no-untyped-def]
        if not isinstance(flags, types.IntegerLiteral):
            return None
        what = flags.literal_value

        def codegen(context, builder, signature, values):  # type: ignore[no-untyped-def]
            kinds = signature.args
            source, target, table = (
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(kinds[1:4], values[1:4], strict=True)
            )
            converted = rules(builder, table.data, what)
            divisor = splat(builder, values[4], LANES)

            def body(x: Any, out: Any, at: Any) -> Any:
                v = load_lanes(builder, x, at)
                if not what & NARROW:
                    v = widened(v)
                if what & SCALED:
                    v = Vector(builder, builder.fdiv(v.value, divisor.value))
                result, lost = converted(v)
                store_lanes(builder, result.value, out, at)
                return population(lost)

            return through(builder, source, target, body)

        return types.int64(flags, x, out, numbers, scale), codegen

    return convert
