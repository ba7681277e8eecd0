"""The named formats, with their sources.  Adding a format is adding a row."""

from __future__ import annotations

from dataclasses import dataclass

from hwsim.formats import p3109
from hwsim.formats.codebook import CodebookFormat
from hwsim.formats.logarithmic import LogFormat
from hwsim.formats.posits import PositFormat
from hwsim.formats.types import FixedFormat, FloatFormat, Format, IntFormat, Specials


@dataclass(frozen=True)
class Entry:
    """A named format, where it is defined, and who uses it."""

    name: str
    format: Format
    source: str


_P3109: tuple[tuple[int, int, bool, Specials], ...] = (
    (8, 4, True, "p3109e"),
    (8, 3, True, "p3109e"),
    (8, 4, True, "p3109f"),
    (8, 3, True, "p3109f"),
    (8, 1, True, "p3109e"),
    (8, 1, False, "p3109f"),
    (6, 3, True, "p3109f"),
    (4, 2, True, "p3109f"),
    (4, 1, True, "p3109f"),
)


def _float(name: str, fmt: FloatFormat, source: str) -> Entry:
    return Entry(name, fmt, source)


FLOATS = (
    _float("fp64", FloatFormat(11, 53), "IEEE 754-2019 binary64"),
    _float("fp32", FloatFormat(8, 24), "IEEE 754-2019 binary32"),
    _float("tf32", FloatFormat(8, 11), "NVIDIA A100 whitepaper (2020): 1-8-10"),
    _float("bf16", FloatFormat(8, 8), "Intel BFLOAT16 definition (2018)"),
    _float("fp16", FloatFormat(5, 11), "IEEE 754-2019 binary16"),
    _float(
        "dlfloat16",
        FloatFormat(6, 10, specials="merged", zero_field="normal"),
        "Agrawal et al., DLFloat, ARITH 2019",
    ),
    _float("e6m9", FloatFormat(6, 10), "Wang et al. 2018, arXiv 1812.08011: (1,6,9)"),
    _float("e5m2", FloatFormat(5, 3), "OCP OFP8 1.0"),
    _float("e4m3", FloatFormat(4, 4, specials="fn"), "OCP OFP8 1.0"),
    _float("e5m2fnuz", FloatFormat(5, 3, specials="fnuz"), "Noune et al. 2022; AMD CDNA3; ONNX"),
    _float("e4m3fnuz", FloatFormat(4, 4, specials="fnuz"), "Noune et al. 2022; AMD CDNA3; ONNX"),
    _float(
        "e4m3b11fnuz",
        FloatFormat(4, 4, bias=11, specials="fnuz"),
        "Sun et al. 2019 (HFP8), bias 11",
    ),
    _float("e4m3ieee", FloatFormat(4, 4), "IEEE 754-like 1-4-3, ml_dtypes float8_e4m3"),
    _float("e3m4", FloatFormat(3, 5), "IEEE 754-like 1-3-4, ml_dtypes float8_e3m4"),
    _float("e3m2", FloatFormat(3, 3, specials="none"), "OCP MX 1.0 FP6"),
    _float("e2m3", FloatFormat(2, 4, specials="none"), "OCP MX 1.0 FP6"),
    _float("e2m1", FloatFormat(2, 2, specials="none"), "OCP MX 1.0 FP4"),
    _float(
        "e8m0",
        FloatFormat(
            8, 1, bias=127, specials="fn", signed=False, zero_field="normal", has_zero=False
        ),
        "OCP MX 1.0 scale format",
    ),
)
P3109 = tuple(
    Entry(
        p3109.name(width, precision, signed, specials),
        FloatFormat(
            p3109.exponent_bits(width, precision, signed),
            precision,
            specials=specials,
            signed=signed,
        ),
        "IEEE P3109 interim report 4.0",
    )
    for width, precision, signed, specials in _P3109
)
INTEGERS = tuple(
    Entry(f"{prefix}int{bits}", IntFormat(bits, signed=not prefix), source)
    for prefix, source in (("", "two's complement"), ("u", "unsigned binary"))
    for bits in range(1, 33)
)
FIXED = (Entry("fixed8.8", FixedFormat(8, 8), "two's complement, an example of fixedI.F"),)
# QLoRA's constants: quantiles of the normal distribution, in float32.
_NF4 = """
    -1 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635
    -0.18477343022823334 -0.09105003625154495 0 0.07958029955625534 0.16093020141124725
    0.24611230194568634 0.33791524171829224 0.44070982933044434 0.5626170039176941
    0.7229568362236023 1
"""
TABLES = (
    Entry("binary", CodebookFormat((-1, 1)), "Courbariaux 2015, 1511.00363; XNOR-Net, 1603.05279"),
    Entry("ternary", LogFormat(1, domain="linear"), "Li, Zhang, Liu 2016, arXiv 1605.04711"),
    Entry("pow2_4", LogFormat(3), "Miyashita 2016, arXiv 1603.01025: base 2; pow2_N of N bits"),
    Entry("log4.1", LogFormat(4, 1), "Miyashita 2016, arXiv 1603.01025: base √2; any logI.F"),
    Entry("lns8", LogFormat(4, 3, has_zero=False), "LNS-Madam, Zhao 2021, arXiv 2106.13914"),
    Entry(
        "nf4",
        CodebookFormat(map(float, _NF4.split()), FloatFormat(8, 24)),
        "QLoRA, Dettmers 2023, arXiv 2305.14314, appendix E",
    ),
)
POSITS = tuple(
    Entry(str(fmt), fmt, source)
    for fmt, source in (
        (PositFormat(8), "Posit Standard (2022); positN means positN_2"),
        (PositFormat(16), "Posit Standard (2022)"),
        (PositFormat(32), "Posit Standard (2022)"),
        (PositFormat(8, 0), "Gustafson, Yonemoto 2017; any positN_ES"),
        (PositFormat(16, 1), "Gustafson, Yonemoto 2017"),
    )
)

CATALOGUE: dict[str, Entry] = {
    e.name: e for e in FLOATS + P3109 + INTEGERS + FIXED + TABLES + POSITS
}
SHORT_NAMES: dict[Format, str] = {e.format: e.name for e in FLOATS + TABLES}

# What ml_dtypes and torch mean by their names; NumPy's integers are spelled as ours.
ALIASES = {
    "float64": "fp64",
    "double": "fp64",
    "float32": "fp32",
    "single": "fp32",
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "float8_e3m4": "e3m4",
    "float8_e4m3": "e4m3ieee",
    "float8_e4m3fn": "e4m3",
    "float8_e4m3fnuz": "e4m3fnuz",
    "float8_e4m3b11fnuz": "e4m3b11fnuz",
    "float8_e5m2": "e5m2",
    "float8_e5m2fnuz": "e5m2fnuz",
    "float8_e8m0fnu": "e8m0",
    "float6_e2m3fn": "e2m3",
    "float6_e3m2fn": "e3m2",
    "float4_e2m1fn": "e2m1",
}
