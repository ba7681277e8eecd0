"""conv2d against a plain loop over the reference's dot product, all bits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwsim
from hwsim.simulate.matrix import MEMORY_LIMIT

UNITS = [
    "e5m2xe5m2+e6m9:saturate",
    "e4m3xe4m3+fp16:rtz:chunk3/fp32",
    "int8xint4+int9",
    "e4m3xint8+bf16:rup",
    "fp16xfp16+fp32:mul_add/e5m2:out=e4m3",
    "bf16xbf16+exact",
]


def naive(x, w, unit, stride, padding, dilation, groups):
    """Seven loops: k runs over (c_in/groups, kh, kw); padding is a zero operand in its place."""
    (top, bottom), (left, right) = padding
    n, _, height, width = x.shape
    filters, part, kh, kw = w.shape
    oh = (height + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = None
    for i, o, r, s in itertools.product(range(n), range(filters), range(oh), range(ow)):
        first = o // (filters // groups) * part
        row = []
        for c, u, v in itertools.product(range(part), range(kh), range(kw)):
            y = r * stride[0] + u * dilation[0] - top
            z = s * stride[1] + v * dilation[1] - left
            inside = 0 <= y < height and 0 <= z < width
            row.append(x[i, first + c, y, z] if inside else 0.0)
        value = hwsim.reference.matmul([row], w[o].reshape(-1, 1), unit)
        if out is None:
            out = np.empty((n, filters, oh, ow), value.dtype)
        out[i, o, r, s] = value[0, 0]
    return out


@st.composite
def windows(draw: st.DrawFn):
    small = st.integers(1, 3)
    side = st.integers(0, 2)
    groups = draw(st.sampled_from([1, 2]))
    return {
        "shape": (draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))),
        "size": (draw(st.integers(3, 5)), draw(st.integers(3, 5))),
        "kernel": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        "filters": groups * draw(st.integers(1, 2)),
        "stride": (draw(small), draw(small)),
        "padding": ((draw(side), draw(side)), (draw(side), draw(side))),
        "dilation": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        "groups": groups,
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


@pytest.mark.parametrize("unit", UNITS)
@settings(max_examples=12)
@given(windows())
def test_any_window(unit, window):
    rng = np.random.default_rng(window["seed"])
    x = rng.normal(size=(*window["shape"], *window["size"])) * 3
    part = window["shape"][1] // window["groups"]
    w = rng.normal(size=(window["filters"], part, *window["kernel"])) * 3
    where = [window[key] for key in ("stride", "padding", "dilation", "groups")]
    expected = naive(x, w, unit, *where)
    names = ("stride", "padding", "dilation", "groups")
    options = dict(zip(names, where, strict=True))
    got = hwsim.conv2d(x, w, unit, **options)
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("k_order", ["chw", "hwc", "whc", "cwh"])
def test_order_of_the_sum(k_order):
    """The sum meets its products in the order asked for: a dot product of permuted patches."""
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(1, 3, 4, 5)), rng.normal(size=(2, 3, 2, 3))
    unit = "e5m2xe5m2+e5m2"
    got = hwsim.conv2d(x, w, unit, k_order=k_order)
    axes = ["chw".index(letter) for letter in k_order]
    for o, r, s in itertools.product(range(2), range(3), range(3)):
        patch = x[0, :, r : r + 2, s : s + 3].transpose(axes).reshape(1, -1)
        row = w[o].transpose(axes).reshape(-1, 1)
        assert got[0, o, r, s] == hwsim.reference.matmul(patch, row, unit)[0, 0]
    orders = [hwsim.conv2d(x, w, unit, k_order=order).tobytes() for order in ("chw", "hwc")]
    assert orders[0] != orders[1]  # the order shows in these bits


def test_dtype_overrides_without_loss():
    x, w = np.full((1, 1, 2, 2), 300.0), np.ones((1, 1, 1, 1))
    assert hwsim.conv2d(x, w, "int16xint4+int32", dtype="int16").dtype == np.int16
    with pytest.raises(ValueError, match="int8"):
        hwsim.conv2d(x, w, "int16xint4+int32", dtype=np.int8)


def test_pieces_change_nothing():
    """A small memory limit cuts images and rows apart; bits and counts stay."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(3, 8, 40, 40)), rng.normal(size=(16, 8, 3, 3))
    unit = "e5m2xe5m2+e6m9:chunk16"
    options = {"padding": 1, "telemetry": True}
    whole = hwsim.conv2d(x, w, unit, **options, memory_limit=MEMORY_LIMIT)
    cut = hwsim.conv2d(x, w, unit, **options, memory_limit=2**20)
    assert whole[0].tobytes() == cut[0].tobytes()
    assert whole[1] == cut[1]


def test_initial_value():
    """c broadcasts to the result and is the first value of each sum."""
    x, w = np.ones((1, 1, 2, 2)), np.ones((2, 1, 1, 1))
    c = np.array([1024.0, -0.5]).reshape(1, 2, 1, 1)
    got = hwsim.conv2d(x, w, "e5m2xe5m2+e6m9", c=c)
    assert got[0, :, 0, 0].tolist() == [1024.0, 0.5]  # 1025 ties to even


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 0}, "stride=0"),
        ({"padding": -1}, "padding=-1"),
        ({"padding": (1, 2, 3)}, r"padding=\(1, 2, 3\)"),
        ({"dilation": (1, 9)}, "does not fit"),
        ({"groups": 2}, "groups=2"),
        ({"groups": 0}, "groups=0"),
        ({"k_order": "cc"}, "k_order='cc'"),
        ({"c": np.ones(5)}, "c .* does not broadcast"),
        ({"memory_limit": 5}, "memory_limit=5"),
        ({"telemetry": "all"}, "telemetry='all'"),
        ({"threads": 0}, "threads=0"),
    ],
)
def test_errors_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        hwsim.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), "int8xint8+int32", **change)


def test_working_memory_stays_under_the_limit():
    """ImageNet-sized patches would need gigabytes at once."""
    import tracemalloc

    x, w = np.ones((4, 16, 128, 128), np.float32), np.ones((16, 16, 5, 5), np.float32)
    hwsim.conv2d(x[:1, :, :8, :8], w, "e4m3xe4m3+fp16", padding=2)  # compile first
    tracemalloc.start()
    out = hwsim.conv2d(x, w, "e4m3xe4m3+fp16", padding=2, memory_limit=64 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - out.nbytes < 64 * 2**20
