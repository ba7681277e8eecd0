"""The array functions: shapes, dtypes, exactness, convolution, refusals."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hwsim.reference import conv2d, decode, dot, encode, matmul, round
from hwsim.units import parse_unit

GENERATOR = np.random.default_rng(11)


def integers(*shape: int) -> Any:
    return GENERATOR.integers(-8, 8, shape)


# --- values in and out ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "dtype"),
    {
        "e4m3": "float32",
        "bf16": "float32",
        "fp32": "float32",
        "e8m0": "float32",
        "e8m24": "float64",
        "e9m3": "float64",
        "e5m24": "float64",
        "fp64": "float64",
        "e8m23b128": "float64",  # smallest subnormal 2^-150
        "int8": "int64",
        "int64": "int64",
        "uint64": "uint64",
        "uint1": "uint64",
        "fixed3.4": "float64",
        "fixed4.0": "int64",
        "fixed20.32": "float64",
        "fixed31.32": "int64",  # codes: wider than 53 bits
        "ufixed32.32": "uint64",
    }.items(),
)
def test_value_dtypes(name: str, dtype: str) -> None:
    """Floats in float32 where they fit, integers in 64 bits, fixed point in float64."""
    assert round([1.0], name).dtype == dtype
    assert decode(encode([1.0], name), name).dtype == dtype
    assert decode(encode([1.0], name), name) == round([1.0], name)


@pytest.mark.parametrize(
    ("name", "dtype"),
    {
        "int3": "uint8",
        "e4m3": "uint8",
        "int9": "uint16",
        "tf32": "uint32",
        "uint64": "uint64",
    }.items(),
)
def test_code_dtypes(name: str, dtype: str) -> None:
    """The smallest unsigned dtype that holds the width."""
    assert encode(1, name).dtype == dtype


def test_negative_integers_are_masked() -> None:
    """Two's complement bits, no more of them than the width."""
    assert encode([-1, -4, 3], "int3").tolist() == [7, 4, 3]
    assert encode([-0.0625], "fixed3.4").tolist() == [0xFF]


@pytest.mark.parametrize(
    ("x", "name"),
    [
        (np.array([2**63 - 1, -(2**63), 2**53 + 1], np.int64), "int64"),
        (np.array([2**64 - 1, 2**53 + 1], np.uint64), "uint64"),
    ],
    ids=["int64", "uint64"],
)
def test_wide_integers_pass_exactly(x: Any, name: str) -> None:
    """64-bit integers do not go through floats."""
    assert round(x, name).tolist() == x.tolist()
    assert decode(encode(x, name), name).tolist() == x.tolist()


def test_wide_integers_wrap_exactly() -> None:
    """2^64 − 1 as int64 is −1; 2^53 + 1 as fp64 is a tie."""
    assert round(np.array([2**64 - 1], np.uint64), "int64").tolist() == [-1]
    assert round(np.array([2**53 + 1, 2**53 + 3]), "fp64").tolist() == [2.0**53, 2.0**53 + 4]


@pytest.mark.parametrize(
    "x",
    [
        np.array([1.5, -2.0], np.float16),
        np.array([1.5, -2.0], np.longdouble),
        np.array([1.5, -2.0], ">f4"),
        np.array([1.5, 9.0, -2.0, 9.0])[::2],
        np.array([1.5, -2.0], ml_dtypes.bfloat16),
        np.array([1.5, -2.0], ml_dtypes.float8_e4m3fn),
        np.array([1.5, -2.0], ml_dtypes.float4_e2m1fn),
        [1.5, -2],
    ],
    ids=["half", "long double", "big endian", "strided", "bf16", "e4m3fn", "e2m1", "list"],
)
def test_inputs(x: Any) -> None:
    """Any real array, exactly."""
    assert round(x, "e4m3").tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "x",
    [
        np.array([1j]),
        np.array([None]),
        np.array(["1"]),
        np.ma.masked_array([1.0], [True]),
        np.array([1 + 0j], ml_dtypes.bcomplex32),
    ],
    ids=["complex", "object", "text", "masked", "bcomplex32"],
)
def test_refused_inputs(x: Any) -> None:
    """Complex, object and masked arrays are TypeErrors."""
    with pytest.raises(TypeError, match="x"):
        round(x, "e4m3")


def test_shapes_survive() -> None:
    """Scalars, empty and many-dimensional arrays keep their shape."""
    assert round(1.0, "e4m3").shape == ()
    assert encode(np.zeros((0, 3)), "e4m3").shape == (0, 3)
    assert decode(np.zeros((2, 1, 3), np.uint8), "e4m3").shape == (2, 1, 3)


@pytest.mark.parametrize("code", [1.0, [0.5]], ids=str)
def test_decode_takes_codes(code: Any) -> None:
    """Values are no codes."""
    with pytest.raises(TypeError, match="integer dtype"):
        decode(code, "e4m3")


def test_nan_bits() -> None:
    """NaN results are the carrier's canonical NaN."""
    assert decode([0xFF], "e4m3").view(np.uint32).tolist() == [0x7FC00000]
    assert round([-np.nan], "fp64").view(np.uint64).tolist() == [0x7FF8000000000000]


# --- matmul ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 1))],
    ids=str,
)
def test_batches(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """Leading dimensions broadcast as NumPy's do; wide integers give the exact product."""
    a, b = integers(*left), integers(*right)
    assert np.array_equal(matmul(a, b, "int8xint8+int32"), a @ b)
    assert np.array_equal(matmul(a, b, parse_unit("e4m3xe4m3+fp32")), (a @ b).astype(np.float32))


def test_matmul_is_dots() -> None:
    """Every element is the dot product of a row and a column, c included."""
    a, b, c = GENERATOR.normal(size=(3, 20)), GENERATOR.normal(size=(20, 2)), [[1.0, -2.0]]
    mac = "e4m3xe5m2+bf16:chunk8"
    got = matmul(a, b, mac, c)
    for m in range(3):
        for n in range(2):
            assert got[m, n] == dot(a[m], b[:, n], mac, c[0][n])


def test_c_broadcasts_and_is_rounded() -> None:
    """c takes the result's shape and the outer format's values, saturating."""
    a, b = np.zeros((2, 0)), np.zeros((0, 3))
    assert matmul(a, b, "fp16xfp16+e4m3", [[17.0], [1e9]]).tolist() == [[16.0] * 3, [448.0] * 3]
    with pytest.raises(ValueError, match="broadcast"):
        matmul(a, b, "fp16xfp16+e4m3", np.zeros(2))


def test_wide_fixed_point_takes_and_gives_codes() -> None:
    """fixed31.32: c and the result are codes in int64, exactly."""
    mac = "fixed3.4xfixed3.4+fixed31.32"
    got = matmul([[0.0625]], [[0.0625]], mac, np.array([[2**55 + 1]]))
    assert got.tolist() == [[2**55 + 1 + 2**24]]
    with pytest.raises(TypeError, match="codes"):
        matmul([[0.0625]], [[0.0625]], mac, [[1.0]])


@pytest.mark.parametrize(
    ("a", "b"), [((3,), (3, 1)), ((2, 3), (3,)), ((2, 3), (4, 2)), ((2, 3), (2, 3))], ids=str
)
def test_shape_errors(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Shapes that do not fit are named."""
    with pytest.raises(ValueError, match=r"\(…, M, K\) and \(…, K, N\)"):
        matmul(np.zeros(a), np.zeros(b), "fp16xfp16+fp16")
    with pytest.raises(ValueError, match="two vectors"):
        dot(np.zeros(2), np.zeros(3), "fp16xfp16+fp16")


def test_operand_errors_name_the_operand() -> None:
    """NaN into int8 says which operand."""
    with pytest.raises(ValueError, match="b: NaN is no value of the format int8"):
        matmul([[1.0]], [[np.nan]], "fp16xint8+fp16")


# --- conv2d ---------------------------------------------------------------------------------------
def naive_operands(x: Any, w: Any, stride: Any, pad: Any, dilation: Any, groups: int) -> Any:
    """(index, a, b) of every output, by loops over padded coordinates, from the definition."""
    (count, _, height, width), (outs, depth, kh, kw) = x.shape, w.shape
    (top, bottom), (left, right) = pad
    out_h = (height + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    out_w = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    for n, o, i, j in np.ndindex(count, outs, out_h, out_w):
        a, b = [], []
        for d, r, s in np.ndindex(depth, kh, kw):
            row = i * stride[0] + r * dilation[0] - top
            column = j * stride[1] + s * dilation[1] - left
            inside = 0 <= row < height and 0 <= column < width
            channel = o // (outs // groups) * depth + d
            a.append(x[n, channel, row, column] if inside else 0.0)
            b.append(w[o, d, r, s])
        yield (n, o, i, j), a, b


CONVOLUTIONS = {
    "plain": {},
    "padded": {"padding": 1},
    "padded by direction": {"padding": (0, 2)},
    "padded by side": {"padding": ((0, 1), (2, 0))},
    "strided": {"stride": (2, 1), "padding": 1},
    "dilated": {"dilation": (1, 2), "padding": 1},
    "grouped": {"groups": 2},
    "depthwise": {"groups": 4, "stride": 2, "padding": ((1, 0), (1, 1))},
}


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution_is_dots(options: dict[str, Any]) -> None:
    """Every output is the dot product of its window, k in the order (channel, row, column)."""
    groups = options.get("groups", 1)
    x = GENERATOR.normal(size=(2, 4, 5, 6))
    w = GENERATOR.normal(size=(4, 4 // groups, 3, 2))
    c = GENERATOR.normal(size=(4, 1, 1))
    mac = "e4m3xe5m2+e5m2:rtz"  # so coarse that the order of k shows
    got, counts = conv2d(x, w, mac, c, **options, telemetry=True)

    def pair(name: str) -> Any:
        value = options.get(name, 1)
        return (value, value) if isinstance(value, int) else value

    padding = options.get("padding", 0)
    sides = (padding, padding) if isinstance(padding, int) else padding
    pad = tuple((side, side) if isinstance(side, int) else side for side in sides)
    seen = 0
    for at, a, b in naive_operands(x, w, pair("stride"), pad, pair("dilation"), groups):
        assert got[at] == dot(a, b, mac, c[at[1], 0, 0]), at
        seen += 1
    assert seen == got.size == counts.outputs > 0
    assert counts.products == seen * w[0].size


def test_padding_keeps_its_place() -> None:
    """Padding is a +0 operand: its products are counted, and may be −0."""
    _, counts = conv2d(
        np.ones((1, 1, 1, 1)), np.ones((1, 1, 3, 3)), "fp16xfp16+fp16", padding=1, telemetry=True
    )
    assert (counts.products, counts.zero_operands) == (9, 8)
    x, w = np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 2), -0.0)
    assert np.signbit(conv2d(x, w, "fp16xfp16+fp16", -0.0, padding=((0, 0), (0, 1)))).all()


@pytest.mark.parametrize(
    ("x", "w", "options", "message"),
    [
        ((1, 2, 3), (1, 2, 1, 1), {}, "are needed"),
        ((1, 3, 4, 4), (2, 2, 1, 1), {}, "groups=1"),
        ((1, 4, 4, 4), (3, 2, 1, 1), {"groups": 2}, "groups=2"),
        ((1, 1, 2, 2), (1, 1, 3, 3), {}, "does not fit"),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"dilation": 2}, "does not fit"),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"padding": -1}, "padding=-1"),
        ((1, 1, 4, 4), (1, 1, 3, 3), {"stride": (1, 0)}, "stride"),
    ],
    ids=str,
)
def test_convolution_errors(
    x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any], message: str
) -> None:
    """What does not fit is named."""
    with pytest.raises(ValueError, match=message):
        conv2d(np.zeros(x), np.zeros(w), "fp16xfp16+fp16", **options)


# --- independence ---------------------------------------------------------------------------------
def test_the_oracle_imports_nothing_that_it_checks() -> None:
    """The reference runs without kernels, Numba and ml_dtypes."""
    forbidden = "numba hwsim_kernels hwsim.simulate hwsim.networks hwsim.costs ml_dtypes gfloat"
    script = (
        "import sys, hwsim.reference as r; r.matmul([[1.0]], [[2.0]], 'e4m3xe4m3+fp16');"
        f"print([m for m in {forbidden.split()!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
