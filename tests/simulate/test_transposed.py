"""conv_transpose2d against plain loops over the reference's dot product, all bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim

UNITS = [
    "e5m2xe5m2+e6m9:saturate",
    "e4m3xe4m3+fp16:rtz:chunk3/fp32",
    "int8xint4+int9",
    "e4m3xint8+bf16:rup",
    "fp16xfp16+fp32:mul_add/e5m2:out=e4m3",
    "bf16xbf16+exact",
]


def operand_lists(x, w, at, where):
    """The two lists of an output: k over (c, i, j) of the kernel turned by 180°."""
    stride, ((top, _), (left, _)), dilation, groups = where
    n, o, row, column = at
    channels, filters, kh, kw = w.shape
    part, group = channels // groups, o // filters
    xs, ws = [], []
    for c, i, j in itertools.product(range(part), range(kh), range(kw)):
        # the kernel's own tap (kh − 1 − i) met input y where y·stride + tap·dilation − top = row
        y, y_left = divmod(row + top - (kh - 1 - i) * dilation[0], stride[0])
        z, z_left = divmod(column + left - (kw - 1 - j) * dilation[1], stride[1])
        inside = 0 <= y < x.shape[2] and 0 <= z < x.shape[3] and y_left == z_left == 0
        xs.append(x[n, group * part + c, y, z] if inside else 0.0)
        ws.append(w[group * part + c, o % filters, kh - 1 - i, kw - 1 - j])
    return xs, ws


def naive(x, w, unit, shape, where):
    out = None
    for at in np.ndindex(*shape):
        xs, ws = operand_lists(x, w, at, where)
        value = hwsim.reference.dot(xs, ws, unit)
        out = np.empty(shape, value.dtype) if out is None else out
        out[at] = value
    return out


def scattered(x, w, shape, where):
    """The other definition: every pixel adds its kernel to the result.  Integers only."""
    stride, ((top, _), (left, _)), dilation, groups = where
    out = np.zeros(shape, np.int64)
    channels, filters, kh, kw = w.shape
    part = channels // groups
    for n, c, y, z in np.ndindex(*x.shape):
        for o, i, j in itertools.product(range(filters), range(kh), range(kw)):
            row, column = (
                y * stride[0] + i * dilation[0] - top,
                z * stride[1] + j * dilation[1] - left,
            )
            if 0 <= row < shape[2] and 0 <= column < shape[3]:
                out[n, c // part * filters + o, row, column] += x[n, c, y, z] * w[c, o, i, j]
    return out


@st.composite
def windows(draw: st.DrawFn):
    """Shapes and options whose result is not empty."""
    small, side = st.integers(1, 3), st.integers(0, 2)
    groups = draw(st.sampled_from([1, 2]))
    size, kernel = (draw(st.tuples(small, small)) for _ in range(2))
    stride, extra = draw(st.tuples(small, small)), draw(st.tuples(side, side))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = tuple(draw(st.tuples(side, side)) for _ in range(2))
    result = [
        (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + extra[i] - sum(padding[i])
        for i in (0, 1)
    ]
    if min(result) < 1:
        padding = ((0, 0), (0, 0))
        result = [
            (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + extra[i] for i in (0, 1)
        ]
    part, filters, n = (draw(st.integers(1, 2)) for _ in range(3))
    options = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "output_padding": extra,
    }
    shapes = (n, groups * part, *size), (groups * part, filters, *kernel)
    return *shapes, (n, groups * filters, *result), options, draw(st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=12)
@given(windows())
def test_any_window(unit, window):
    of_x, of_w, shape, options, seed = window
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=of_x) * 3, rng.normal(size=of_w) * 3
    where = tuple(options[key] for key in ("stride", "padding", "dilation", "groups"))
    expected = naive(x, w, unit, shape, where)
    got = hwsim.conv_transpose2d(x, w, unit, **options)
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


@settings(max_examples=60)
@given(windows())
def test_gathering_is_scattering(window):
    of_x, of_w, shape, options, seed = window
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-128, 128, of_x), rng.integers(-128, 128, of_w)
    where = tuple(options[key] for key in ("stride", "padding", "dilation", "groups"))
    expected = scattered(x, w, shape, where)
    for function in (hwsim.conv_transpose2d, hwsim.reference.conv_transpose2d):
        np.testing.assert_array_equal(function(x, w, "int8xint8+int32", **options), expected)


@settings(max_examples=30)
@given(windows(), st.booleans())
def test_reference_and_telemetry(window, with_c):
    of_x, of_w, shape, options, seed = window
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=of_x) * 3, rng.normal(size=of_w) * 3
    c = rng.normal(size=shape[1:2])[:, None, None] if with_c else None
    unit = "e4m3xe4m3+e5m2:chunk2"
    got, counts = hwsim.conv_transpose2d(x, w, unit, c=c, telemetry=True, **options)
    want, expected = hwsim.reference.conv_transpose2d(x, w, unit, c=c, telemetry=True, **options)
    assert got.tobytes() == want.tobytes()
    assert counts == expected
    part = of_w[0] // options["groups"]
    assert counts.products == np.prod(shape) * part * of_w[2] * of_w[3]


def test_zeros_between_pixels_are_operands():
    """0 · Inf is NaN, and products with them count."""
    x, w = [[[[1.0, 1.0]]]], [[[[1.0, np.inf]]]]
    got = hwsim.conv_transpose2d(x, w, "e5m2xe5m2+fp32", stride=2)
    np.testing.assert_array_equal(got[0, 0, 0], [np.nan, np.inf, np.nan, np.inf])
    _, counts = hwsim.conv_transpose2d(x, w, "e5m2xe5m2+fp32", stride=2, telemetry=True)
    assert (counts.products, counts.zero_operands) == (8, 4)


def test_order_of_the_sum():
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(1, 3, 4, 5)), rng.normal(size=(3, 2, 2, 3))
    unit = "e5m2xe5m2+e5m2"
    for order in ("chw", "hwc", "whc"):
        axes = ["chw".index(letter) for letter in order]
        got = hwsim.conv_transpose2d(x, w, unit, stride=2, k_order=order)
        where = (2, 2), ((0, 0), (0, 0)), (1, 1), 1
        for at in itertools.product([0], range(2), range(0, 8, 3), range(0, 11, 3)):
            xs, ws = (
                np.reshape(values, (3, 2, 3)).transpose(axes).ravel()
                for values in operand_lists(x, w, at, where)
            )
            assert got[at] == hwsim.reference.dot(xs, ws, unit), (order, at)


def test_pieces_change_nothing():
    """A small memory limit cuts images and rows apart; bits and counts stay."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(5, 8, 20, 20)), rng.normal(size=(8, 6, 3, 3))
    unit = "e5m2xe5m2+e6m9:chunk16"
    options = {"stride": 2, "padding": 1, "telemetry": True, "c": rng.normal(size=(5, 6, 1, 1))}
    whole = hwsim.conv_transpose2d(x, w, unit, **options)
    cut = hwsim.conv_transpose2d(x, w, unit, **options, memory_limit=2**20)
    assert whole[0].tobytes() == cut[0].tobytes()
    assert whole[1] == cut[1]


@pytest.mark.parametrize("w", [np.ones((1, 1, 2, 2)), np.full((1, 1, 1, 1), 3.0)])
def test_strict_looks_at_the_operands_alone(w):
    """e8m0 has no zero, so what lies between the pixels is NaN there, and still not refused."""
    x = np.ones((1, 1, 2, 2))
    if w[0, 0, 0, 0] == 3.0:
        with pytest.raises(ValueError, match=r"w\[0, 0, 0, 0\] = 3.0 is no value of e8m0"):
            hwsim.conv_transpose2d(x, w, "e8m0xe8m0+fp32", stride=2, strict=True)
        return
    got = hwsim.conv_transpose2d(x, w, "e8m0xe8m0+fp32", stride=3, strict=True)
    want = hwsim.reference.conv_transpose2d(x, w, "e8m0xe8m0+fp32", stride=3)
    assert got.tobytes() == want.tobytes()
    assert np.isnan(got).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 0}, "stride=0"),
        ({"padding": -1}, "padding=-1"),
        ({"padding": 9}, r"padding=.* leaves a result of \(-13, -13\)"),
        ({"output_padding": -1}, "output_padding=-1"),
        ({"output_padding": (1, 2, 3)}, "output_padding="),
        ({"groups": 2}, "groups=2"),
        ({"groups": 0}, "groups=0"),
        ({"k_order": "cc"}, "k_order='cc'"),
        ({"c": np.ones(7)}, "c .* does not broadcast"),
        ({"memory_limit": 5}, "memory_limit=5"),
        ({"telemetry": "all"}, "telemetry='all'"),
    ],
)
def test_errors_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        hwsim.conv_transpose2d(
            np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), "int8xint8+int32", **change
        )


@pytest.mark.parametrize("shapes", [((1, 1, 0, 2), (1, 1, 2, 2)), ((1, 2, 2), (2, 1, 2))])
def test_shapes_that_have_no_result(shapes):
    x, w = (np.ones(shape) for shape in shapes)
    for function in (hwsim.conv_transpose2d, hwsim.reference.conv_transpose2d):
        with pytest.raises(ValueError, match="not empty in"):
            function(x, w, "int8xint8+int32")


def test_no_images():
    x, w = np.ones((0, 2, 3, 3)), np.ones((2, 1, 2, 2))
    assert hwsim.conv_transpose2d(x, w, "int8xint8+int32", groups=2).shape == (0, 2, 4, 4)
