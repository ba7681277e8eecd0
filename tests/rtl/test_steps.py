"""Steps of sequential units: every pair and accumulator of small formats, hard cases of others."""

from __future__ import annotations

from itertools import product as triples_of

import pytest

from hwsim.reference.codes import decode, encode
from hwsim.reference.units import dot
from hwsim.units import parse_unit
from tests.rtl.judge import step_cases, step_outputs

EVERY = (
    *("e2m1xe2m1+e2m2", "e2m1xe2m1+e2m2_nosub:rto", "e2m0fnxe2m1+e3m1:rdn", "int3xint3+e3m1"),
    *("posit4_1xposit4_1+posit5_2", "posit4_0xposit3_1+posit4_1:rup", "e2m1xe2m1+posit4_0:rna"),
    *("e2m1xe2m1+fixed2.2:rna", "e2m1xbinary+e2m2"),
)
FLOATS = (
    *("e4m3xe4m3+fp16", "e5m2xe5m2+e6m9:saturate", "e4m3xe4m3+fp32", "fp16xfp16+fp32"),
    *("fp16xfp16+fp16", "bf16xbf16+bf16", "bf16xbf16+fp32", "tf32xtf32+fp32", "fp32xfp32+fp32"),
    *(f"e4m3xe4m3+fp16:{r}" for r in ("rna", "rtz", "rup", "rdn", "rto")),
    *(f"e5m2xe5m2+e6m9:{r}" for r in ("sr8", "sr8b", "sr8c", "sr1", "sr20b")),
    *(f"e3m2xe3m2+e3m3:{r}" for r in ("sr8", "sr8b", "sr8c", "sr2c")),
    *("e4m3xe4m3+e5m10_nosub", "e5m2_nosubxe5m2_nosub+e6m9_nosub", "e4m3xe4m3+e4m3"),
    *("bf16xbf16+e8m23_nosub:daz", "fp16xfp16+fp32:mul_add:ftz", "e4m3xe4m3+fp16:ftz"),
    *("e4m3xe4m3+fp16:mul_add", "e4m3xe4m3+fp16:mul_add/e5m3:rdn", "e5m2xe5m2+e6m9:mul_add/e5m2"),
    *("e2m1xe2m1+e3m4", "e3m2xe3m2+e4m3fnuz", "e4m3xe4m3+dlfloat16", "e2m1xe2m1+e4m0fn"),
    *("e4m3xe4m3+binary16p8se:sat_none", "e4m3xe4m3+binary16p8se:sat_none:rto"),
    *("e4m3xe4m3+fp16:inf_always:rtz", "e4m3xe4m3+fp16:saturate", "e5m2xe5m2+fp16:saturate_all"),
    *("e4m3xe4m3+e4m3:nan", "e5m2xe5m2+e4m3:nan", "e4m3xe4m3+e6m9fnuz:rto", "e2m3xe2m3+e2m3:sr8c"),
    *("int8xe4m3+fp16", "int8xint8+fp32", "int8xint8+fp16:rna", "uint4xe5m2+bf16"),
    *("e4m3xe4m3+fp16:mul_add/int8", "e4m3xe4m3+bf16:mul_add/int16", "fp64xfp64+fp64:mul_add"),
    *("fp16xfp16+fp32:mul_add/fixed7.8", "fixed1.9xfixed1.9+fp16:mul_add/e5m6b10"),
    *("e2m1b8xe2m1b8+fp16:mul_add", "fp64xfp64+fp64:rdn"),
)
FIXED = (
    *("int8xint8+int32", "int8xint8+int16:saturate", "fixed1.6xfixed1.6+fixed7.8:rna"),
    *(f"e4m3xe4m3+fixed7.8:{r}" for r in ("rne", "rna", "rtz", "rup", "rdn", "rto", "sr8", "sr8c")),
    *("e5m2xe5m2+fixed2.2", "e5m2xe5m2+fixed1.30", "e5m2xe5m2+int16:wrap", "int8xe4m3+fixed9.4"),
    *("e2m1xe2m1+fixed7.4:mul_add/int16",),
    *("e4m3xe4m3+fixed7.8:mul_add/fp16", "fp16xfp16+fixed15.16", "e5m2xe5m2+fixed15.8"),
)


@pytest.mark.parametrize("spec", EVERY)
def test_every_case(spec: str) -> None:
    """All codes of a, b and the accumulator."""
    unit = parse_unit(spec)
    formats = (unit.a, unit.b, unit.accumulator)
    cases = list(triples_of(*(range(1 << fmt.width) for fmt in formats)))
    expected = []
    for codes in cases:
        x, y, c = (decode(code, fmt) for code, fmt in zip(codes, formats, strict=True))
        expected.append(encode(dot([x], [y], unit, c, observe=False).value, unit.accumulator))
    assert step_outputs(unit, [(*codes, 0, 0) for codes in cases]) == expected


@pytest.mark.parametrize("spec", FLOATS + FIXED)
def test_hard_cases(spec: str) -> None:
    unit = parse_unit(spec)
    cases = list(step_cases(unit, 70))
    assert len(cases) == 70
    assert step_outputs(unit, [words for words, _ in cases]) == [code for _, code in cases]


NAMED = (
    ("e4m3xe4m3+fp16:mul_add/int8", (67, 49, 48690), 0x3738),
    ("e4m3xe4m3+e4m3:mul_add/int16", (0xB8, 0x38, 0), 0xB8),
    ("int8xint8:mitchell+int32", (7, 7, 0), 48),
)


@pytest.mark.parametrize(("spec", "codes", "code"), NAMED)
def test_wrong_bits_of_the_past(spec: str, codes: tuple[int, int, int], code: int) -> None:
    assert step_outputs(parse_unit(spec), [(*codes, 0, 0)]) == [code]
