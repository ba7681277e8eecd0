"""Descriptions from a grammar, bent ones, and random text: parsed whole or refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import hwsim
from hwsim import (
    Bins,
    Chunked,
    DotAdd,
    Exact,
    FixedFormat,
    FloatFormat,
    IntFormat,
    Lanes,
    MacUnit,
    Tree,
    reference,
)
from hwsim.formats import ALIASES, CATALOGUE, OVERFLOWS, ROUNDINGS
from hwsim.simulate import describe
from hwsim.units import RoundedProduct, Sequential
from tests.hostile.oracle import Refused, attempt

NUMBERS = (
    "0",
    "1",
    "2",
    "3",
    "5",
    "8",
    "11",
    "16",
    "23",
    "53",
    "54",
    "64",
    "65",
    "007",
    "n1",
    "-1",
)
NUMBERS += ("99999999999999999999", "9" * 5000, "", "1.5", "1e3", "٣", "²")
NAMES = (
    *sorted(CATALOGUE)[:20],
    *sorted(ALIASES),
    "e5m2",
    "e4m3",
    "int8",
    "fp16",
    "bf16",
    "posit8",
)
PIECES = (
    "x",
    "+",
    ":",
    "/",
    "=",
    "_",
    "e",
    "m",
    "b",
    "n",
    "out=",
    "chunk",
    "mul_add",
    "seq",
    "exact",
)
PIECES += (
    *ROUNDINGS,
    *OVERFLOWS,
    "sr8",
    "lanes4-tree",
    "daz",
    "fn",
    "fnuz",
    "none",
    "_nosub",
    "int",
)
NODES = ("45nm", "7nm", "", "3nm", "45", "nonsense")


@st.composite
def formats(draw: st.DrawFn) -> str:
    """A format's name, now and then with impossible fields."""
    if draw(st.booleans()):
        return draw(st.sampled_from(NAMES))
    number = st.one_of(st.sampled_from(NUMBERS), st.integers(0, 12).map(str))
    kind = draw(st.sampled_from(["float", "int", "fixed"]))
    if kind == "int":
        sign, symmetric = draw(st.sampled_from(["", "u"])), draw(st.sampled_from(["", "_sym"]))
        return f"{sign}int{draw(number)}{symmetric}"
    if kind == "fixed":
        return f"fixed{draw(number)}.{draw(number)}"
    bias = draw(st.one_of(st.just(""), number.map("b{}".format)))
    specials = draw(st.sampled_from(["", "", "ieee", "fn", "fnuz", "none", "merged"]))
    fields = "".join(
        draw(st.lists(st.sampled_from(["_nosub", "_normal0", "_unsigned", "_nozero"]), max_size=2))
    )
    return f"e{draw(number)}m{draw(number)}{bias}{specials}{fields}"


@st.composite
def units(draw: st.DrawFn) -> str:
    """A unit as the grammar has it."""
    text = f"{draw(formats())}x{draw(formats())}+{draw(formats())}"
    number = st.sampled_from(NUMBERS)
    option = st.one_of(
        st.sampled_from([*ROUNDINGS, *OVERFLOWS, "seq", "exact", "mul_add"]),
        number.map("chunk{}".format),
        formats().map("chunk8/{}".format),
        formats().map("mul_add/{}".format),
        formats().map("out={}".format),
    )
    return ":".join([text, *draw(st.lists(option, max_size=4))])


@st.composite
def bent(draw: st.DrawFn) -> str:
    """A good description with a few characters or pieces changed."""
    text = draw(
        st.one_of(units(), st.sampled_from(["e4m3xe4m3+fp16:rtz:chunk32/fp32", "int8xint8+exact"]))
    )
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        piece = draw(st.one_of(st.just(""), st.sampled_from(PIECES), st.text(max_size=3)))
        text = text[:at] + piece + text[at + cut :]
    return text


texts = st.one_of(
    units(),
    bent(),
    st.text(max_size=30),
    st.binary(max_size=30).map(lambda data: data.decode("latin-1")),
    st.tuples(st.sampled_from([*PIECES, *NAMES]), st.integers(1, 3000)).map(lambda p: p[0] * p[1]),
)


def check_text(text: str) -> None:
    """A unit that reads back as itself and has a cost, a proof and right bits; or SpecError."""
    unit = attempt(lambda: hwsim.mac(text))
    if isinstance(unit, Refused):
        assert isinstance(unit.error, hwsim.SpecError), unit
        assert "\n" not in unit.error.line
        assert len(str(unit.error)) < 1000 + 8 * len(text)
    else:
        check_unit(unit)
    fmt = attempt(lambda: hwsim.format(text))
    if isinstance(fmt, Refused):
        assert isinstance(fmt.error, hwsim.SpecError), fmt
    else:
        check_format(fmt)


def check_format(fmt: Any) -> None:
    """Its name reads back, and a few of its codes decode."""
    again = hwsim.format(str(fmt))
    assert again == fmt
    assert hash(again) == hash(fmt)
    if isinstance(fmt, hwsim.formats.BlockFormat):
        x = [[0.5, -3.0, 0.0]]
        assert np.array_equal(hwsim.encode(x, fmt).decode(), hwsim.round(x, fmt))
        return
    codes = [0, 1, (1 << fmt.width) - 1]
    codes = [code for code in codes if code < 1 << fmt.width]
    wanted = attempt(lambda: reference.decode(codes, fmt))
    got = attempt(lambda: hwsim.decode(codes, fmt))
    if isinstance(wanted, Refused):
        assert isinstance(got, Refused)
    else:
        assert got.tobytes() == wanted.tobytes()


def check_unit(unit: MacUnit) -> None:
    """Everything that can be asked of a unit."""
    assert hwsim.mac(str(unit)) == unit
    assert hash(hwsim.mac(str(unit))) == hash(unit)
    assert describe(unit)
    price = attempt(lambda: hwsim.cost(unit))
    assert isinstance(price, Refused) or price.energy_pj > 0
    a, b = [[0.5, 1.0, 3.0]], [[1.0], [0.25], [2.0]]
    wanted = attempt(lambda: reference.matmul(a, b, unit))
    got = attempt(lambda: hwsim.matmul(a, b, unit, threads=1))
    if isinstance(wanted, Refused):
        assert isinstance(got, Refused)
    else:
        assert got.tobytes() == wanted.tobytes(), (str(unit), got, wanted)


FIELDS: tuple[Any, ...] = (
    *(
        0,
        1,
        2,
        4,
        5,
        8,
        11,
        15,
        16,
        53,
        64,
        65,
        -1,
        10**30,
        True,
        None,
        2.0,
        2.5,
        "5",
        "",
        [5],
        b"5",
    ),
    *(np.int64(5), np.float32(4), float("nan"), float("inf"), object(), np.zeros(2), "ieee", "fn"),
    *(
        "fnuz",
        "none",
        "merged",
        "subnormal",
        "zero",
        "normal",
        "rne",
        "saturate",
        Exact(),
        Sequential(),
    ),
    *(Chunked(2), RoundedProduct(), IntFormat(8), FloatFormat(5, 3), FloatFormat(4, 4), {}, ()),
)
MAKERS: dict[Any, tuple[str, ...]] = {
    FloatFormat: (
        *("exponent_bits", "precision", "bias", "specials", "signed", "zero_field", "has_zero"),
    ),
    FixedFormat: ("integer_bits", "fraction_bits", "signed", "symmetric"),
    IntFormat: ("bits", "signed", "symmetric"),
    MacUnit: ("a", "b", "accumulator", "rounding", "overflow", "order", "multiplier", "output"),
    Chunked: ("length", "outer"),
    Lanes: ("count", "tree"),
    Tree: ("width",),
    DotAdd: ("width",),
    Bins: ("count", "outer"),
    RoundedProduct: ("format",),
}
GOOD: dict[Any, dict[str, Any]] = {
    FloatFormat: {"exponent_bits": 4, "precision": 4},
    FixedFormat: {"integer_bits": 3, "fraction_bits": 4},
    IntFormat: {"bits": 8},
    MacUnit: {"a": IntFormat(8), "b": FloatFormat(4, 4), "accumulator": FloatFormat(5, 11)},
    Chunked: {"length": 4},
    Lanes: {"count": 4},
    Tree: {"width": 4},
    DotAdd: {"width": 4},
    Bins: {"count": 4},
    RoundedProduct: {"format": None},
}


@st.composite
def fields(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """A description from arbitrary fields."""
    maker = draw(st.sampled_from(sorted(MAKERS, key=str)))
    keys = draw(st.lists(st.sampled_from(MAKERS[maker]), min_size=1, max_size=3, unique=True))
    return maker, GOOD[maker] | {key: draw(st.sampled_from(FIELDS)) for key in keys}


def check_fields(drawn: tuple[Any, dict[str, Any]]) -> None:
    """A description, or an error that names the field."""
    maker, given = drawn
    made = attempt(lambda: _whole(maker(**given)), tuple(given))
    if isinstance(made, MacUnit):
        check_unit(made)
    elif not isinstance(made, Refused):
        check_format(made)


def _whole(made: Any) -> Any:
    """Parts of a unit are checked where the unit is made."""
    if isinstance(made, Chunked | Lanes | Tree | DotAdd | Bins):
        return MacUnit(**GOOD[MacUnit], order=made)
    return MacUnit(**GOOD[MacUnit], multiplier=made) if isinstance(made, RoundedProduct) else made


@st.composite
def prices(draw: st.DrawFn) -> tuple[Any, Any]:
    """Arguments of cost."""
    mac = draw(
        st.one_of(st.sampled_from(["int8xint8+int32", "fp64xfp64+fp64"]), st.sampled_from(FIELDS))
    )
    return mac, draw(st.one_of(st.sampled_from(NODES), st.sampled_from(FIELDS)))


def check_price(drawn: tuple[Any, Any]) -> None:
    """A price, or an error that names unit or node."""
    price = attempt(lambda: hwsim.cost(*drawn), ("mac", "node", "unit"))
    assert isinstance(price, Refused) or price.energy_pj > 0
