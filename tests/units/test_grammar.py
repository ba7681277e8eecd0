"""Units: round trips, canonical spelling, and errors that point at the wrong part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwsim
from hwsim.errors import SpecError
from hwsim.units import (
    REQUANT_ROUNDINGS,
    Chunked,
    DotAdd,
    Exact,
    Lanes,
    MacUnit,
    RoundedProduct,
    Tree,
    parse_unit,
)

FORMATS = ["fp32", "bf16", "fp16", "e6m9", "e5m2", "e4m3", "e2m1", "e4m3fnuz", "e5m4b7fn_nosub"]
ORDERS = [":lanes5", ":lanes8-tree", ":lanes2-tree", ":tree3", ":dot4"]
INTEGERS = ["int8", "uint4", "int17", "fixed3.4"]


@st.composite
def specs(draw: st.DrawFn) -> str:
    pick = st.sampled_from(FORMATS + INTEGERS)
    text = f"{draw(pick)}x{draw(pick)}+{draw(pick)}"
    options = [
        draw(st.sampled_from(["", ":rtz", ":rup", ":rto", ":rne"])),
        draw(st.sampled_from(["", ":saturate", ":saturate_all"])),
        draw(st.sampled_from(["", ":seq", ":exact", ":chunk7", f":chunk8/{draw(pick)}", *ORDERS])),
        draw(st.sampled_from(["", ":mul_add", f":mul_add/{draw(pick)}"])),
        draw(st.sampled_from(["", f":out={draw(pick)}"])),
    ]
    return text + "".join(draw(st.permutations(options)))


@st.composite
def requantizing_specs(draw: st.DrawFn) -> str:
    modes = [draw(st.sampled_from(REQUANT_ROUNDINGS)) for _ in range(draw(st.integers(0, 2)))]
    options = [
        ":" + "/".join([f"requant{draw(st.integers(1, 53))}", *modes]),
        draw(st.sampled_from(["", ":out=int8", ":out=uint5", ":out=int32"])),
        draw(st.sampled_from(["", ":chunk7", ":chunk7/int20", ":saturate"])),
    ]
    return "int8xuint4+int32" + "".join(draw(st.permutations(options)))


@given(specs() | requantizing_specs())
def test_round_trip(text: str):
    unit = parse_unit(text)
    assert parse_unit(str(unit)) == unit
    assert hash(parse_unit(str(unit))) == hash(unit)
    assert len(str(unit)) <= len(text) + len("+fp32:exact")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("e5m2xe5m2+e6m9:seq:rne:inf", "e5m2xe5m2+e6m9"),
        ("bf16xbf16+bf16:chunk8/bf16", "bf16xbf16+bf16:chunk8"),
        ("e4m3xe4m3+fp16:lanes2-tree:rtz", "e4m3xe4m3+fp16:rtz:lanes2"),  # one sum, one unit
        ("e4m3xe4m3+fp16:lanes4-tree", "e4m3xe4m3+fp16:lanes4-tree"),
        ("vpdpbusd", "uint8xint8+int32:dot4"),
        ("vpdpbusds:out=int8", "uint8xint8+int32:saturate:dot4:out=int8"),
        ("vpdpbusd:saturate", "uint8xint8+int32:saturate:dot4"),
        ("e4m3xe4m3+fp16:mul_add/fp16", "e4m3xe4m3+fp16:mul_add"),
        ("e4m3xe4m3+fp16:out=fp16", "e4m3xe4m3+fp16"),
        ("fp16xfp16+exact", "fp16xfp16+fp32:exact"),
        ("int8xuint4+exact", "int8xuint4+int64:exact"),
        ("float8_e4m3xfloat8_e5m2+float16", "e4m3ieeexe5m2+fp16"),
        ("int8xint8+int17:wrap", "int8xint8+int17"),
        ("e4m3xe4m3+fp16:chunk32/fp32:rtz", "e4m3xe4m3+fp16:rtz:chunk32/fp32"),
        ("int8xint8+int32:requant31/rne:out=int8", "int8xint8+int32:out=int8:requant31"),
        (
            "int8xint8+int32:out=int8:requant31/half-up/rna",
            "int8xint8+int32:out=int8:requant31/half-up/rna",
        ),
    ],
)
def test_canonical_spelling(text: str, canonical: str):
    assert str(hwsim.mac(text)) == canonical


@pytest.mark.parametrize(
    ("text", "wrong", "hint"),
    [
        ("e5m2xe5m2+e6m9:satrate", "satrate", "saturate"),
        ("e5m2xfp61+fp32", "fp61", "fp64"),
        ("e5m2xe5m2+fp23", "fp23", "fp32"),
        ("e5m2xe5m2+fp32:chunks64", "chunks64", "chunk64"),
        ("int8xint8+int32:nan", "nan", ""),
        ("e4m3xe4m3+fp16:wrap", "wrap", ""),
        ("e4m3xe4m3+e4m3:inf", "inf", ""),
        ("e4m3xe4m3+fp16:sr33", "sr33", ""),
        ("e4m3xe4m3+fp16:lanes6-tree", "lanes6-tree", ""),
        ("e4m3xe4m3+fp16:lanes65537", "lanes65537", ""),
        ("e4m3xe4m3+fp16:tree1", "tree1", ""),
        ("e4m3xe4m3+fp16:tree8-tree", "tree8-tree", "lanes8-tree"),
        ("e4m3xe4m3+fp16:dot1", "dot1", ""),
        ("e4m3xe4m3+fp16:lanes8/fp32", "/", ""),
        ("vpdpbusd:seq", "seq", ""),
        *((f"e4m3xe4m3+fp32:{word}", word, "") for word in ("fused0", "fused4z-5", "staged8f24")),
        *((f"e4m3xe4m3+fp32:{word}", word, "") for word in ("rev0", "tree", "nan=12", "sr8x")),
        ("hopper.e4m4", "hopper.e4m4", "hopper.e4m3"),
        ("Volta.fp16:rtz", "Volta.fp16", "volta.fp16"),
        ("e4m3xe4m3+fp16:rtz:rne", "rne", ""),
        ("mxfp4xmxfp4+fp32:chunk5", "chunk5", ""),
        ("mxfp4xmxfp4+fp32:daz", "daz", ""),
        ("e4m3xposit64+fp32", "posit64", ""),
        ("int8xint8+int1\u0666", "\u0666", ""),
        ("e4m3xe4m3+e8m0", "e8m0", ""),
        ("int65xint8+int64", "int65", ""),
        ("e4m3xe4m3+fp16:daz:daz", "daz", ""),
        ("int8xint8+int32:out=int8:requant54", "requant54", ""),
        ("int8xint8+int32:out=int8:requant31/half-op", "half-op", "half-up"),
        ("int8xint8+fp32:requant31", "fp32", ""),
        ("int8xint8+int32:out=e4m3:requant31", "out=e4m3", ""),
        ("int8xint8+int32:chunk8/fp32:requant31", "chunk8/fp32", ""),
    ],
)
def test_errors_point_at_the_wrong_part(text: str, wrong: str, hint: str):
    with pytest.raises(SpecError) as caught:
        hwsim.mac(text)
    error = caught.value
    lines = str(error).splitlines()
    at = lines.index("  " + text)
    caret = lines[at + 1]
    assert text[caret.index("^") - 2 : caret.rindex("^") - 1] == wrong
    if hint:
        assert f"did you mean {hint!r}?" in str(error)
    assert "\n" not in error.line


@pytest.mark.parametrize(
    "text", ["", "e5m2", "e5m2x", "e5m2xe5m2", "e5m2xe5m2+", "e5m2xe5m2+fp32:"]
)
def test_unfinished_descriptions_are_errors(text: str):
    with pytest.raises(SpecError, match=r"expected|unknown option"):
        hwsim.mac(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("e4m3xe4m3+fp16:daz", "e4m3xe4m3+fp16:daz"),
        ("e4m3xe4m3+fp16:out=fp32:daz:mul_add:rup", "e4m3xe4m3+fp16:rup:mul_add:daz:out=fp32"),
        ("int8xe4m3+fp16:daz", "int8xe4m3+fp16:daz"),
        ("int8xfixed2.5+fp16:daz", "int8xfixed2.5+fp16"),  # nothing to flush: the same hardware
        ("e4m3_nosubxdlfloat16+fp16:daz", "e4m3_nosubxdlfloat16+fp16"),
        ("e5m0fnxe8m0+fp16:daz", "e5m0fnxe8m0+fp16"),
    ],
)
def test_daz_is_spelled_where_it_matters(text: str, canonical: str):
    unit = hwsim.mac(text)
    assert str(unit) == canonical
    assert hwsim.mac(canonical) == unit
    assert unit.daz == ("daz" in canonical)


def test_fields_reach_what_text_does():
    fp16, fp32, e4m3 = (hwsim.format(name) for name in ("fp16", "fp32", "e4m3"))
    unit = MacUnit(e4m3, e4m3, fp16, "rtz", None, Chunked(32, fp32), RoundedProduct(), fp16)
    assert str(unit) == "e4m3xe4m3+fp16:rtz:chunk32/fp32:mul_add:out=fp16"
    assert unit == hwsim.mac(str(unit))
    assert MacUnit(e4m3, e4m3, fp32, order=Exact()) == hwsim.mac("e4m3xe4m3+exact")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounding": "nearest"}, "rounding='nearest'"),
        ({"overflow": "clip"}, "overflow='clip'"),
        ({"order": Chunked(0)}, "chunk length 0"),
        ({"order": Lanes(0)}, "lanes: count 0"),
        ({"order": Lanes(6, tree=True)}, "lanes: count=6"),
        ({"order": Lanes(8, tree=1)}, "lanes: tree=1"),
        ({"order": Tree(1)}, "tree width 1"),
        ({"order": DotAdd(True)}, "dot width True"),
        ({"daz": 1}, "daz=1"),
        ({"a": "e4m3"}, "a='e4m3'"),
        ({"accumulator": hwsim.format("e8m0")}, "zero and a sign"),
        ({"accumulator": hwsim.format("e4m3_unsigned")}, "zero and a sign"),
    ],
)
def test_fields_are_checked(change, message):
    e4m3 = hwsim.format("e4m3")
    with pytest.raises(SpecError, match=message.replace("(", r"\(")):
        MacUnit(**({"a": e4m3, "b": e4m3, "accumulator": e4m3} | change))


def test_wrong_types_are_type_errors():
    with pytest.raises(TypeError, match="mac=3"):
        hwsim.mac(3)
    with pytest.raises(TypeError, match="fmt=3"):
        hwsim.format(3)
