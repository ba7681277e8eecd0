"""round, encode, decode, matmul and conv2d on hostile arrays, held against the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import hwsim
from hwsim import reference
from hwsim.formats import OVERFLOWS, ROUNDINGS
from tests.hostile.arrays import NO_ARRAYS, anything, shapes
from tests.hostile.oracle import Refused, attempt, snapshot

FORMATS = ("e4m3", "e5m2", "fp32", "fp64", "bf16", "e8m0", "e2m1", "int8", "int64", "uint64")
FORMATS += ("fixed3.4", "fixed3.60", "e6m9", "uint1", "int8_sym", "e5m2_nosub", "e4m4_unsigned")
UNITS = ("e5m2xe5m2+e6m9", "e4m3xe4m3+fp16:chunk2", "int8xint8+int16", "int8xint8+int16:saturate")
UNITS += (
    "fp32xfp32+fp32",
    "bf16xe4m3+exact",
    "e4m3xe4m3+e2m3",
    "e8m0xe2m1+bf16:rup",
    "fp64xfp64+fp64",
)
UNITS += (
    "fixed3.4xfixed3.4+fixed8.8:wrap",
    "e5m2xe5m2+e5m2:mul_add:out=int8",
    "int8xint8+fixed3.60",
)
WRONG: tuple[Any, ...] = (None, 3, "", "e", "nonsense", b"e4m3", 1.5, ["e4m3"], object(), True)
DTYPES = (None, "f2", "f4", "f8", "i1", "u8", "c8", "O", "S1", "?", "nonsense", 3, "g", ">f4", "V3")


def compare(call: Any, model: Any, arguments: dict[str, Any], names: tuple[str, ...]) -> None:
    """Both give the same bits, or both refuse; nothing that was passed in is changed."""
    before = {key: snapshot(value) for key, value in arguments.items()}
    got = attempt(lambda: call(**arguments), names)
    assert {key: snapshot(value) for key, value in arguments.items()} == before
    wanted = attempt(lambda: model(**arguments))
    if isinstance(got, Refused) or isinstance(wanted, Refused):
        assert isinstance(got, Refused) and isinstance(wanted, Refused), (got, wanted)  # noqa: PT018
        return
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    assert got.tobytes() == wanted.tobytes(), (got, wanted)


@st.composite
def rounding_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of round and encode."""
    return {
        "x": draw(anything(shapes())),
        "fmt": draw(st.sampled_from(FORMATS)),
        "rounding": draw(st.sampled_from(ROUNDINGS)),
        "overflow": draw(st.sampled_from([None, None, None, *OVERFLOWS])),
        "nan": draw(st.sampled_from(["error", "zero", "max"])),
    }


def check_round(arguments: dict[str, Any]) -> None:
    """hwsim.round and hwsim.encode."""
    names = ("x", "overflow")
    compare(hwsim.round, reference.round, arguments, names)
    compare(hwsim.encode, reference.encode, arguments, names)


@st.composite
def code_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of decode."""
    return {"codes": draw(anything(shapes())), "fmt": draw(st.sampled_from(FORMATS))}


def check_decode(arguments: dict[str, Any]) -> None:
    """hwsim.decode; the reference calls the argument ``code``."""
    model = lambda codes, fmt: reference.decode(codes, fmt)  # noqa: E731
    compare(hwsim.decode, model, arguments, ("codes",))


@st.composite
def matmul_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Operands whose shapes mostly fit."""
    m, k, n = (draw(st.sampled_from([0, 1, 2, 3])) for _ in range(3))
    batch = draw(st.sampled_from([(), (), (), (2,), (0,), (1, 2)]))
    left = draw(st.sampled_from([(*batch, m, k), (m, k), (*batch, m, k), (k,), (), (m, k + 1)]))
    right = draw(st.sampled_from([(k, n), (k, n), (*batch, k, n), (n,), (k, n, 1)]))
    c = st.one_of(st.none(), st.none(), anything(st.sampled_from([(), (n,), (m, n), (m, 1), (5,)])))
    return {
        "a": draw(anything(st.just(left))),
        "b": draw(anything(st.just(right))),
        "mac": draw(st.sampled_from(UNITS)),
        "c": draw(c),
    }


def check_matmul(arguments: dict[str, Any]) -> None:
    """hwsim.matmul."""
    compare(hwsim.matmul, reference.matmul, arguments, ("a", "b", "c"))


@st.composite
def conv2d_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Images and kernels whose shapes mostly fit."""
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    channels, kh, kw = (draw(st.sampled_from([1, 1, 2, 0])) for _ in range(3))
    side = st.sampled_from([0, 1, 2, 3, 4])
    image = (draw(st.sampled_from([0, 1, 2])), channels * groups, draw(side), draw(side))
    kernel = (draw(st.sampled_from([0, 1, 2])) * groups, channels, kh, kw)
    wrong = draw(st.sampled_from(["", "", "", "", "", "x", "w"]))
    return {
        "x": draw(anything(shapes(4) if wrong == "x" else st.just(image))),
        "w": draw(anything(shapes(3) if wrong == "w" else st.just(kernel))),
        "mac": draw(st.sampled_from(UNITS)),
        "stride": draw(st.sampled_from([1, 1, 2, (1, 2), 0, -1, 10**6])),
        "padding": draw(st.sampled_from([0, 0, 1, (1, 0), ((0, 1), (2, 0)), -1])),
        "dilation": draw(st.sampled_from([1, 1, 2, (2, 1), 0])),
        "groups": draw(st.sampled_from([groups, groups, groups, groups, 3, 0])),
        "c": draw(st.one_of(st.none(), st.none(), anything(st.sampled_from([(), (1, 1, 1, 1)])))),
    }


def check_conv2d(arguments: dict[str, Any]) -> None:
    """hwsim.conv2d."""
    names = ("x", "w", "c", "stride", "padding", "dilation", "groups")
    compare(hwsim.conv2d, reference.conv2d, arguments, names)


@st.composite
def transposed_calls(draw: st.DrawFn) -> dict[str, Any]:
    """Images and kernels of conv_transpose2d; strides and paddings of any size."""
    given = draw(conv2d_calls())
    groups = given["groups"] if given["groups"] in (1, 2) else 1
    filters, kh, kw = (draw(st.sampled_from([1, 1, 2, 0])) for _ in range(3))
    channels = given["x"].shape[1] if getattr(given["x"], "ndim", 0) == 4 else groups
    given["w"] = draw(anything(st.just((channels, filters, kh, kw))))
    given["output_padding"] = draw(st.sampled_from([0, 0, 0, 1, (0, 1), -1]))
    given["stride"] = draw(st.sampled_from([1, 1, 2, (1, 2), 0, -1, 3]))
    return given


def check_transposed(arguments: dict[str, Any]) -> None:
    """hwsim.conv_transpose2d."""
    names = ("x", "w", "c", "stride", "padding", "dilation", "groups")
    compare(hwsim.conv_transpose2d, reference.conv_transpose2d, arguments, names)


OPTIONS: dict[str, tuple[Any, ...]] = {
    "dtype": DTYPES,
    "telemetry": (False, True, "counts", "all", None, 1, [], np.True_),
    "threads": (None, 1, 2, 0, -1, 1.5, "2", True, 10**9, np.int64(2), float("nan")),
    "strict": (False, True, None, "x", 1),
    "memory_limit": (2**20, 2**28, 0, -1, 1.5, "1", None, float("nan"), float("inf"), 2**200, True),
    "out": (None, np.zeros(2), np.zeros((2, 2), np.float32), [0.0], "x", np.zeros((2, 2), np.int8)),
    "k_order": ("chw", "hwc", "", "ccc", None, 3, ["c", "h", "w"]),
    "rounding": (*ROUNDINGS, *WRONG),
    "overflow": (*OVERFLOWS, *WRONG),
    "nan": ("error", "zero", "max", *WRONG),
    "stride": (
        1,
        2,
        (1, 2),
        [1, 1],
        0,
        1.5,
        "1",
        None,
        (1,),
        (1, 2, 3),
        np.int8(1),
        2**70,
        (True, 1),
    ),
    "padding": (0, 1, ((1, 1), (0, 0)), [0, 0], -1, 0.5, "0", None, ((1,), 2), (1, 2, 3), 2**70),
    "dilation": (1, 2, (1, 1), 0, None, "1", 2**70, float("inf")),
    "output_padding": (0, 1, (0, 1), -1, 1.5, None, "1", 2**70, 2**40),
    "groups": (1, 0, 1.0, None, "1", 2**70, True, np.int64(1)),
    "fmt": (*FORMATS, *WRONG),
    "mac": (*UNITS, *WRONG),
    "c": (None, 0, "x", np.nan, [[1.0]], 1j, 2**70, np.float16(1)),
}
X = np.array([[0.5, -2.0], [1.25, 3.0]], np.float32)
TAKES: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]] = {
    "round": (
        hwsim.round,
        {"x": X, "fmt": "e4m3"},
        ("rounding", "overflow", "out", "dtype", "nan", "fmt"),
    ),
    "encode": (
        hwsim.encode,
        {"x": X, "fmt": "e4m3"},
        ("rounding", "overflow", "out", "nan", "fmt"),
    ),
    "decode": (hwsim.decode, {"codes": [[1, 2], [3, 4]], "fmt": "e4m3"}, ("out", "dtype", "fmt")),
    "matmul": (
        hwsim.matmul,
        {"a": X, "b": X, "mac": "e4m3xe4m3+fp16"},
        ("mac", "c", "telemetry", "threads", "strict", "memory_limit", "dtype"),
    ),
    "conv_transpose2d": (
        hwsim.conv_transpose2d,
        {"x": X[None, None], "w": X[None, None, :1], "mac": "e4m3xe4m3+fp16"},
        (*("c", "stride", "padding", "output_padding", "dilation", "groups", "k_order", "dtype"),),
    ),
    "conv2d": (
        hwsim.conv2d,
        {"x": X[None, None], "w": X[None, None, :1], "mac": "e4m3xe4m3+fp16"},
        (
            *("mac", "c", "stride", "padding", "dilation", "groups", "k_order"),
            *("telemetry", "threads", "strict", "memory_limit", "dtype"),
        ),
    ),
}


@st.composite
def option_calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A function and one or two strange options."""
    name = draw(st.sampled_from(sorted(TAKES)))
    keys = draw(st.lists(st.sampled_from(TAKES[name][2]), min_size=1, max_size=2, unique=True))
    extra = {
        key: draw(st.one_of(st.sampled_from(OPTIONS[key]), st.sampled_from(NO_ARRAYS)))
        for key in keys
    }
    return name, extra


def check_options(drawn: tuple[str, dict[str, Any]]) -> None:
    """An error names the option; else the result is that without it, where it may not matter."""
    name, extra = drawn
    function, plain, _ = TAKES[name]
    before = snapshot(plain.get("x", plain.get("a")))
    got = attempt(lambda: function(**plain | extra), (*extra, *plain))
    assert snapshot(plain.get("x", plain.get("a"))) == before
    harmless = {"threads", "memory_limit", "k_order"}
    if (
        not isinstance(got, Refused)
        and set(extra) <= harmless
        and extra.get("k_order", "chw") == "chw"
    ):
        assert got.tobytes() == function(**plain).tobytes()


HUGE = ((2**20, 2**20), (2**31, 2**15), (2**40, 8), (2**50, 1), (1, 2**50), (0, 2**50), (2**40, 0))


@st.composite
def huge_calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Arrays without memory of their own (stride 0) whose results no machine holds, or empty ones
    with huge axes."""
    kind = draw(st.sampled_from(["f4", "f8", "i1", "?", "f2", ">f4"]))
    many, more = draw(st.sampled_from(HUGE))

    def virtual(*shape: int) -> Any:
        return np.broadcast_to(np.ones((), kind), shape)

    unit = draw(st.sampled_from(UNITS))
    name = draw(st.sampled_from(["round", "encode", "decode", "rows", "depth", "image", "padding"]))
    if name in ("round", "encode", "decode"):
        return name, {"array": virtual(many, more), "fmt": draw(st.sampled_from(FORMATS))}
    if name == "rows":
        return name, {"a": virtual(2**40, many and 1), "b": virtual(many and 1, 2**40), "mac": unit}
    if name == "depth":
        return name, {"a": virtual(1, 2**40), "b": virtual(2**40, 1), "mac": unit}
    weight = np.ones((1, 1, 1, 1))
    if name == "image":
        return name, {"x": virtual(1, 1, many, more), "w": weight, "mac": unit}
    padding = draw(st.sampled_from([(2**40, 1), ((2**33, 2**62), (0, 0)), 2**70, (0, 2**63)]))
    return name, {"x": np.ones((1, 1, 2, 2)), "w": weight, "mac": unit, "padding": padding}


def check_huge(drawn: tuple[str, dict[str, Any]]) -> None:
    """Refused before any memory is asked for; or empty."""
    name, arguments = drawn
    given = dict(arguments)
    if name in ("round", "encode", "decode"):
        array = given.pop("array")
        function = getattr(hwsim, name)
        got = attempt(lambda: function(array, **given), ("x", "codes"))
    else:
        function = hwsim.matmul if name in ("rows", "depth") else hwsim.conv2d
        got = attempt(lambda: function(**given), tuple(given))
    assert isinstance(got, Refused) or got.size == 0


@st.composite
def aliased_calls(draw: st.DrawFn) -> dict[str, Any]:
    """round into memory that overlaps its argument."""
    return {
        "fmt": draw(st.sampled_from(["e4m3", "bf16", "fp32", "e2m1", "e5m2_nosub"])),
        "rounding": draw(st.sampled_from(ROUNDINGS)),
        "size": draw(st.integers(0, 40)),
        "dtype": draw(st.sampled_from(["f4", "f8"])),
        "source": draw(st.sampled_from([(0, 1), (1, 1), (0, -1), (3, 2), (0, 2)])),
        "target": draw(st.sampled_from([(0, 1), (1, 1), (0, -1), (2, 1), (1, 2)])),
        "seed": draw(st.integers(0, 99)),
    }


def check_aliased(drawn: dict[str, Any]) -> None:
    """The result is that of a copy, and nothing beside ``out`` is written."""
    size, fmt = drawn["size"], drawn["fmt"]
    memory = np.random.default_rng(drawn["seed"]).normal(size=3 * size + 8).astype(drawn["dtype"])

    def view(offset: int, step: int) -> Any:
        part = memory[offset : offset + size * abs(step) : abs(step)]
        return part[::-1] if step < 0 else part

    x, out = view(*drawn["source"]), view(*drawn["target"])
    wanted = reference.round(x.copy(), fmt, drawn["rounding"])
    expected, before = wanted.astype(memory.dtype), memory.copy()
    got = hwsim.round(x, fmt, drawn["rounding"], out=out)
    assert got is out
    assert out.tobytes() == expected.tobytes()
    out[...] = 0
    marked = memory == 0
    assert int(marked.sum()) == size
    assert memory[~marked].tobytes() == before[~marked].tobytes()
