"""Representative MAC units, at least one for each part that a description can name.

`make exhaustive` compares each with the reference, `make bench` times each, and the docs' catalogue
page says what there is of it.  Adding a part is adding a row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UnitEntry:
    """A unit, the part that it stands for, and where that is defined."""

    unit: str
    part: str
    source: str


UNITS = (
    UnitEntry("e4m3xe4m3+fp16", "fused products, sequential", "IEEE 754-2019; OCP OFP8 1.0"),
    UnitEntry("e5m2xe5m2+e6m9:saturate", "saturating float sums", "Wang et al. 2018"),
    UnitEntry("e5m2xe5m2+e6m9:chunk64", "chunks", "Wang et al. 2018, figure 3a"),
    UnitEntry("e4m3xe4m3+fp16:rtz", "directed rounding", "IEEE 754-2019 §4.3.2"),
    UnitEntry("e5m2xe5m2+e6m9:sr8", "stochastic rounding, A", "IEEE P3109 4.0, StochasticA"),
    UnitEntry("e5m2xe5m2+e6m9:sr8b", "stochastic rounding, B", "IEEE P3109 4.0, StochasticB"),
    UnitEntry("e5m2xe5m2+e6m9:sr8c", "stochastic rounding, C", "IEEE P3109 4.0, StochasticC"),
    UnitEntry("e5m2xe5m2+e6m9:sr8-lfsr16", "draws of a shift register", "Galois form"),
    UnitEntry("e5m2xe5m2+e6m9:saturate:lanes8", "interleaved lanes", "vector units"),
    UnitEntry("e5m2xe5m2+e6m9:saturate:lanes8-tree", "lanes, halved", "vector units"),
    UnitEntry("e5m2xe5m2+e6m9:saturate:tree16", "adder trees", "dot-product units"),
    UnitEntry("uint8xint8+int32:dot4", "exact groups: VPDPBUSD", "Intel SDM, AVX512-VNNI"),
    UnitEntry("uint8xint8+int32:saturate:dot4", "VPDPBUSDS", "Intel SDM, AVX512-VNNI"),
    UnitEntry("binaryxint8+int16", "±1 operands", "Courbariaux et al. 2015"),
    UnitEntry("binaryxbinary+int16", "XNOR and popcount", "Rastegari et al. 2016, XNOR-Net"),
    UnitEntry("ternaryxint8+int16", "ternary operands", "Li et al. 2016"),
    UnitEntry("pow2_4xint8+int32", "power-of-two operands", "Miyashita et al. 2016"),
    UnitEntry("nf4xnf4+fp16:products/e5m2", "stored products", "Han, Mao, Dally 2016"),
    UnitEntry("int8xnf4+int16:bins16/fp32", "one bin for each value", "Garland, Gregg 2018, PASM"),
    UnitEntry("bf16xbf16+bf16:kahan", "compensated sums", "Kahan 1965"),
    UnitEntry("bf16xbf16+bf16:double", "sums of two words", "Joldes et al. 2017, algorithm 5"),
    UnitEntry("log4.3xlog4.3+log6.6:lns", "sums of logarithms", "Swartzlander 1975"),
    UnitEntry("mxfp8_e4m3xmxfp8_e4m3+fp32", "blocks with a power of two", "OCP MX 1.0"),
    UnitEntry("nvfp4xnvfp4+fp32", "blocks with an E4M3 scale", "NVIDIA, NVFP4"),
    UnitEntry("mxfp4xmxfp4+fp16:chunk32", "blocks in chunks", "OCP MX 1.0"),
    UnitEntry("fp16xfp16+fp32", "native sums", "IEEE 754-2019"),
    UnitEntry("e4m3xe4m3+fp16:mul_add", "rounded products", "IEEE 754-2019 §5.4.1"),
    UnitEntry(
        "fp16xfp16+fp16:fused4f23z-19", "fused blocks: volta.fp16/fp16", "Fasi et al. 2021; MMA-Sim"
    ),
    UnitEntry(
        "e4m3xe4m3+fp32:rtz:inf_always:fused32f13z-133/e8m13",
        "fused blocks: hopper.e4m3",
        "Khattak, Mikaitis 2025; MMA-Sim",
    ),
    UnitEntry(
        "mxfp8_e4m3xmxfp8_e4m3+fp32:rtz:inf_always:fused32f25z-133:nan=0x7fffffff",
        "scaled fused blocks: blackwell.mxfp8_e4m3",
        "MMA-Sim; OCP MX 1.0",
    ),
    UnitEntry(
        "nvfp4xnvfp4+fp32:rtz:inf_always:fused64f35z-133g16:nan=0x7fffffff",
        "fused groups of scaled blocks: blackwell.nvfp4",
        "MMA-Sim; NVIDIA, NVFP4",
    ),
    UnitEntry("fp16xfp16+fp32:fused4", "exact blocks: cdna1.fp16", "MMA-Sim"),
    UnitEntry("fp16xfp16+fp32:tree4:mul_add:ftz", "flushed sums: cdna2.fp16", "MMA-Sim"),
    UnitEntry("fp16xfp16+fp32:staged8f24s31", "two stages: cdna3.fp16", "MMA-Sim"),
    UnitEntry("bf16xbf16+e8m23_nosub:rev2:daz", "pairs reversed: VDPBF16PS", "Intel SDM"),
    UnitEntry("uint8xint8+int32:dot2/int16", "saturated pairs: VPMADDUBSW", "Intel SDM"),
    UnitEntry("fp32xfp32+fp32:exact", "exact sums", "Kulisch 2013"),
    UnitEntry(
        "posit8_2xposit8_2+posit16_2", "posits, sums rounded to posits", "Posit Standard 2022"
    ),
    UnitEntry("posit16_2xposit16_2+posit16_2:exact", "quire", "Posit Standard 2022"),
    UnitEntry("posit16_1xposit16_1+fp32", "posit operands", "Gustafson, Yonemoto 2017"),
    UnitEntry("int8xint8+int32", "integers that wrap", "two's complement"),
    UnitEntry("int8xint8+int16:saturate", "integers that saturate", "two's complement"),
    UnitEntry("fixed1.6xfixed1.6+fixed7.8", "fixed point", "two's complement"),
    UnitEntry("int8xint8:mitchell+int16:saturate", "mitchell", "Mitchell 1962"),
    UnitEntry("e5m2xe5m2:mitchell+e6m9:saturate", "mitchell on significands", "Mitchell 1962"),
    UnitEntry("int8xint8:mbm+int16:saturate", "mbm", "Saadat et al. 2018"),
    UnitEntry("int8xint8:realm8+int16:saturate", "realm", "Saadat et al. 2020"),
    UnitEntry("int8xint8:ilm1+int16:saturate", "ilm", "Babić, Avramović, Bulić 2011"),
    UnitEntry("int8xint8:drum4+int16:saturate", "drum", "Hashemi, Bahar, Reda 2015"),
    UnitEntry("e4m3xe4m3:drum3+fp16", "drum on significands", "Hashemi, Bahar, Reda 2015"),
    UnitEntry("int8xint8:trunc4+int16:saturate", "trunc", "Schulte, Swartzlander 1993"),
    UnitEntry("int8xint8:trunc4c+int16:saturate", "trunc, corrected", "the same"),
    UnitEntry("int8xpow2_4b7:shift2+fixed13.2", "shift", "Miyashita et al. 2016; DeepShift 2021"),
    UnitEntry("e4m3xpow2_4b7:shift1+fp16", "shift on significands", "the same"),
    UnitEntry("log4.3xlog4.3:log8+fp32", "log, by a table", "Zhao et al. 2021, LNS-Madam"),
)
MISSING = (
    "sums of posits by `sr`, in trees and in exact groups, by kernels",
    "kernels of chunks of blocks that start at c",
    "everything counted of `staged` and of partial sums, and sums that are really flushed, by "
    "kernels",
)
