"""Hostile arrays: every dtype and layout that NumPy has, and things that are no arrays at all."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Array = npt.NDArray[Any]

REAL = ("f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
ML = ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e8m0fnu")
ML += ("float4_e2m1fn", "float6_e3m2fn", "int4", "uint4", "int2")
UNREAL = ("c8", "c16", "O", "S3", "U2", "M8[s]", "m8[ns]", "V4", "f4,i2", "fractions", "none")
LAYOUTS = ("C", "F", "strided", "reversed", "broadcast", "readonly", "swapped", "unaligned")
CONTENTS = ("random", "specials", "ends", "zeros", "subnormals")


def build(dtype: str, shape: tuple[int, ...], layout: str, contents: str, seed: int) -> Any:
    """The array of that description."""
    return arranged(np.asarray(filled(dtype, shape, contents, seed)), layout)


def filled(dtype: str, shape: tuple[int, ...], contents: str, seed: int) -> Array:
    """A contiguous array with such contents."""
    generator = np.random.default_rng(seed)
    scale = 2.0 ** generator.integers(-8, 9)
    plain = np.asarray(generator.normal(size=shape) * scale)
    if dtype in ML:
        return _ml(dtype, plain, contents, generator)
    if dtype in ("fractions", "none"):
        value = Fraction(1, 3) if dtype == "fractions" else None
        return np.full(shape, value, object)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return _floats(kind, plain, contents, generator)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        if contents == "ends":
            near = [info.min, info.max, info.min // 2, info.max // 2 + 1]
            return np.array([near[i] for i in generator.integers(0, 4, plain.size)], kind).reshape(
                shape
            )
        return generator.integers(max(info.min, -130), min(info.max, 260), shape).astype(kind)
    with np.errstate(all="ignore"):
        if kind.kind in "MmSUV":
            return np.zeros(shape, kind)
        return plain.astype(kind)


def _floats(kind: Any, plain: Array, contents: str, generator: np.random.Generator) -> Array:
    info = np.finfo(kind)
    tiny, top = info.smallest_subnormal, info.max
    choice: dict[str, list[Any]] = {
        "specials": [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.5, -3.25],
        "ends": [top, -top, info.tiny, -info.tiny, tiny, info.eps],
        "zeros": [0.0, -0.0],
        "subnormals": [tiny, -tiny, 3 * tiny, info.tiny - tiny],
    }
    with np.errstate(all="ignore"):
        if contents not in choice:
            return plain.astype(kind)
        values = np.array(choice[contents], kind)
        return values[generator.integers(0, len(values), plain.shape)]


def _ml(dtype: str, plain: Array, contents: str, generator: np.random.Generator) -> Array:
    kind = np.dtype(getattr(ml_dtypes, dtype))
    with np.errstate(all="ignore"):
        if contents in ("specials", "ends") and kind.itemsize == 1 and "int" not in dtype:
            bits = 8 if "8" in dtype else 6 if "6" in dtype else 4
            return generator.integers(0, 1 << bits, plain.shape).astype(np.uint8).view(kind)
        return np.abs(plain).astype(np.float32).astype(kind)


def arranged(x: Array, layout: str) -> Array:
    """The same values in another place and order of memory."""
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "strided" and x.ndim:
        wide = np.repeat(x, 2, axis=-1)
        return wide[..., ::2]
    if layout == "reversed" and x.ndim:
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
    if layout == "broadcast" and x.ndim and x.shape[0]:
        return np.broadcast_to(x[:1], x.shape)
    if layout == "swapped" and x.dtype.kind in "iufc":
        return x.astype(x.dtype.newbyteorder("S"))
    if layout == "unaligned" and x.dtype.kind in "iuf":
        memory = np.zeros(x.nbytes + 1, np.uint8)
        y = memory[1:].view(x.dtype).reshape(x.shape)
        y[...] = x
        return y
    if layout == "readonly":
        x = x.copy()
        x.flags.writeable = False
    return x


class Liar:
    """Says that it is an array, and fails."""

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise RuntimeError("no array after all")

    def __repr__(self) -> str:
        return "Liar()"


NO_ARRAYS: tuple[Any, ...] = (
    *(None, "1.0", b"\x00\x01", {}, {"a": 1.0}, {1.0, 2.0}, object(), len, range(3), 1j, 2**70),
    *([1.0, None], ["a"], [[1.0], [1.0, 2.0]], [2**70, 1], (1.0, (2.0,)), [[]], [], True, -(2**63)),
    *(float("nan"), np.float32, "nan", bytearray(b"12"), memoryview(b"1234"), [Fraction(1, 3)]),
    *(np.datetime64("2020-01-01"), np.array(1.5), np.array(None), [np.zeros(2), np.zeros(3)]),
)


def shapes(dimensions: int | None = None) -> st.SearchStrategy[tuple[int, ...]]:
    """Small shapes, empty ones among them."""
    sizes = st.sampled_from([0, 1, 1, 2, 3])
    if dimensions is None:
        return st.lists(sizes, max_size=4).map(tuple)
    return st.tuples(*[sizes] * dimensions)


@st.composite
def described(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    """An array of a given shape, of any dtype and layout."""
    names = st.one_of(st.sampled_from(REAL), st.sampled_from(REAL + ML), st.sampled_from(UNREAL))
    x = build(
        draw(names),
        shape,
        draw(st.sampled_from(LAYOUTS)),
        draw(st.sampled_from(CONTENTS)),
        draw(st.integers(0, 999)),
    )
    wrap = draw(st.sampled_from(["", "", "", "", "", "masked", "list", "subclass"]))
    if wrap == "masked":
        return np.ma.masked_array(x, mask=False)
    if wrap == "list" and x.dtype.kind in "iuf" and x.dtype.itemsize <= 8:
        return x.tolist()  # type: ignore[no-any-return]
    if wrap == "subclass" and x.ndim == 2 and x.dtype.kind in "iuf":
        return x.view(np.recarray)
    return x


def anything(shape: st.SearchStrategy[tuple[int, ...]]) -> st.SearchStrategy[Any]:
    """An array of one of the shapes; seldom something that is none."""
    array = shape.flatmap(described)
    return st.one_of(array, array, array, array, array, st.sampled_from(NO_ARRAYS))
