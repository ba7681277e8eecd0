"""Designs of every order and multiplier, beside those that have a netlist: dot products from +0."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwsim.rtl import mac
from hwsim.units import multiplier, parse_unit
from tests.rtl.judge import design_outputs, dot_cases

ORDERS = (
    *("e4m3xe4m3+fp16:chunk3/fp32", "e4m3xe4m3+fp32:rdn:chunk2/fp16", "e4m3xe4m3+fp16:lanes3:rdn"),
    *("e4m3xe4m3+fp16:lanes1", "e4m3xe4m3+fp16:lanes2:mul_add", "e5m2xe5m2+e6m9:lanes4-tree:rup"),
    *("e4m3xe4m3+fp16:tree3", "e4m3xe4m3+fp16:tree5:rto", "e4m3xe4m3+bf16:tree4:mul_add"),
    *("e4m3xe4m3+fp16:dot4", "e4m3xe4m3+fp16:dot4:rdn", "e5m2xe5m2+e6m9:dot4/e5m2"),
    *("e4m3xe4m3+fp16:exact", "e4m3xe4m3+fp16:exact:rdn", "e5m2xe5m2+fp32:exact:mul_add/e5m2"),
    *("e5m2xe5m2+fp16:fused4f3", "e4m3xe4m3+fp16:fused4f8n", "bf16xbf16+fp32:fused2f24z-126"),
    *(
        "e5m2xe5m2+fp32:fused3:rtz",
        "fp16xfp16+fp32:rtz:fused4f12z-30/e8m12",
    ),
    *("fp16xfp16+fp32:staged4f20s25g2c30", "e4m3xe4m3+fp32:staged3f10s9"),
    *("e4m3xe4m3+fp16:kahan:rdn", "e4m3xe4m3+fp16:double:out=fp32", "fp16xfp16+fp16:out=e4m3"),
)
OPERANDS = (
    *("nf4xe4m3+fp16", "e4m3xpow2_4b7+fp16", "int8xnf4+fp32", "nf4xnf4+bf16:products/e4m3:rtz"),
    *("posit8_0xposit8_0+posit8_0", "posit8_2xe4m3+posit8_2:rdn", "e4m3xe4m3+posit8_2:sr8"),
    *("posit6_3xposit6_3+posit7_4:rup", "e4m3xe4m3+posit8_2:rto", "posit8_1xint8+fp16"),
    *("int8xint8:mitchell+fp16", "int8xe4m3:mitchell+bf16", "int8xint8:drum4+fp32"),
    *("e5m2xpow2_4b3:shift3+fp32", "log4.3xlog4.3:log8+fixed15.8", "e4m3xe4m3:drum2+fixed9.8"),
    *(
        "log4.3xlog4.3+log6.4:lns8",
        "log4.3xlog4.3+log5.3:lns5:rto",
        "log4.3xlog4.3+log5.3:lns2:rdn",
    ),
    *("mxfp8_e4m3xe4m3+fp32", "mxfp4xmxfp4+fp16:chunk16/fp32", "nvfp4xnvfp4+fp32:chunk16"),
    *("block4/e5m2_unsigned/e2m1xnvfp4+e2m2:rdn:dot8", "mxfp4xmxint8+bf16:dot8"),
    *("e4m3xnf4+fp16:bins16", "nf4xfp16+bf16:bins16/fp32:rna"),
)
# Narrow numbers in wide formats, and powers of two, whose products have no bit more.
MENDED = (
    *("e4m0none_normal0xe4m3:mitchell+e4m4:inf_always:chunk3", "e2m1xe2m1+e3m2:out=fixed15.8"),
    *("e8m0xe2m2b3fnuz+e6m1b50_normal0:rna:sat_none:fused2f1nz18", "e4m3xe3m0fnuz:mitchell+tf32"),
    *("e4m0fnuzxe4m3+fp16:rup:staged3f3s15", "e2m5b3fnuzxe3m5none+e4m2b6fn:out=e6m4b20fnuz_nosub"),
    *("int8xint8+int16:out=int32", "e4m3xe4m3+e4m3:out=int16", "e4m3xe4m3+fp16:nan=0x7fff"),
    *("e4m2b60mergedxe4m2merged+fixed4.0:rto:wrap:exact", "fp64xfp64+fp64:mul_add:out=e4m3"),
    *("log1.3xlog1.3:log1+e4m3ieee", "log1.3xlog2.4:log0+int16", "log2.2xlog2.2:log1+posit8_1"),
    *("ternaryxufixed1.3+int8:dot4:products/e3m2", "nf4xe4m3+e5m2:products/e3m2"),
    *("int8xint8:mbm+int32", "e4m3xe4m3:realm8+fp16", "int8xint8:trunc4+fp32"),
    *("int8xint8:mitchell+int32", "int8xint8:drum3+int32", "fp64xfp64+fp64", "e4m3xe4m3+e11m52"),
)
# Every rounding's own draw: of products, sums, chunks, outputs.
DRAWN = (
    *(
        "int8xint8+fp32:sr8-lfsr9:out=e6m2",
        "e3m4xe3m4+fp32:sr8b-lfsr9:out=e5m3",
        "e4m3xe4m3+fp16:sr8-lfsr9:exact:out=e5m2",
        "fp64xfp64+fp64:sr4-lfsr9",
    ),
    *(
        "e4m3xe4m3+fp32:sr8-lfsr9:chunk3/fp16:out=e4m3",
        "fixed3.4xfixed3.4+fixed5.6:sr8-lfsr9:out=fixed3.1",
    ),
    *(
        "e4m3xe4m3+fp16:sr8c-lfsr9:mul_add/e5m4:out=e5m2",
        "e4m3xe4m3+fp16:sr8-lfsr9:double:out=e5m6",
    ),
)


@pytest.mark.parametrize("spec", ORDERS + OPERANDS + MENDED + DRAWN)
def test_dot_products(spec: str) -> None:
    unit = parse_unit(spec)
    design = mac(unit)
    cases = list(dot_cases(unit, design.latency, 12))
    assert len(cases) == 12
    assert design_outputs(design, [words for words, _ in cases]) == [code for _, code in cases]


@pytest.mark.parametrize("spec", ["e4m3xe4m3+fp16:sr8", "e5m2xe5m2+e6m9:chunk2", "fp16xfp16+fp32"])
def test_modules_of_blocks_are_the_same_design(spec: str) -> None:
    """What is synthesised, beside what is simulated in modules of one wire each."""
    unit = parse_unit(spec)
    design = mac(unit)
    dots = [words for words, _ in dot_cases(unit, design.latency, 10)]
    assert design_outputs(design, dots, apart=False) == design_outputs(design, dots)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("e4m3xe4m3+fp16:fused32f13p128", "order fused32f13p128"),
        ("int8xint8+int32:requant16:out=int8", "requantization"),
        ("mxfp8_e4m3xe4m3+fp32:seq", "order seq of blocks: no datapath"),
        ("fp16xfp16+fp16:staged4f8s9", "order staged4f8s9 into fp16"),
    ],
)
def test_what_has_no_datapath_is_named(spec: str, what: str) -> None:
    with pytest.raises(TypeError, match=what):
        mac(parse_unit(spec))


def test_tables_of_products_are_refused() -> None:
    table = multiplier(lambda a, b: a * b & ~3, bits=4)
    with pytest.raises(TypeError, match=f"multiplier {table}: no datapath"):
        mac(replace(parse_unit("uint4xuint4+int32"), core=table))
