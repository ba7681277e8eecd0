"""Matrix units of real GPUs by their names: a row of numbers each.

The name is architecture.operand for sums in fp32, architecture.operand/fp16 for sums in fp16.
NVIDIA's results have a NaN of their own, all ones but the sign.

Sources: MMA-Sim, arXiv 2511.10909; Khattak, Mikaitis, arXiv 2512.07004; Fasi, Higham, Mikaitis,
Pranesh 2021, PeerJ CS 7:e330.
"""

from __future__ import annotations

# Architectures; operands; products of a block; fraction bits of its terms; exponent of a zero next
# to an fp32 sum (an fp16 sum: 112 more, the distance of the smallest exponents).
_NVIDIA = (
    ("volta", "fp16", 4, 23, -131),
    ("turing", "fp16", 8, 24, -132),
    ("ampere ada", "fp16 bf16", 8, 24, -132),
    ("ampere ada", "tf32", 4, 24, -132),
    ("ada", "e4m3 e5m2", 16, 13, -132),
    ("hopper", "fp16 bf16", 16, 25, -133),
    ("hopper", "tf32", 8, 25, -133),
    ("hopper", "e4m3 e5m2", 32, 13, -133),
    ("blackwell", "fp16 bf16", 16, 25, -133),
    ("blackwell", "tf32", 8, 25, -133),
    ("blackwell", "e4m3 e5m2 e3m2 e2m3 e2m1", 32, 25, -133),
)
# Blocks (kind::mxf8f6f4): as the elements', whose products' exponents the scales' are added to.
_BLOCKS = ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3")
# Four bits (kind::mxf4, mxf4nvf4): 64 products, in exact groups of 16; F = 35.
_FOUR_BITS = ("mxfp4", "nvfp4")
# Sums in fp16 exist for these operands.
_HALF = ("fp16", "e4m3", "e5m2", "e3m2", "e2m3", "e2m1")

# CDNA1: exact blocks; CDNA2: trees of flushed sums; CDNA3: two stages.
_AMD = {
    "cdna1.fp16": "fp16xfp16+fp32:fused4",
    "cdna1.bf16": "bf16xbf16+fp32:fused2",
    "cdna2.fp16": "fp16xfp16+fp32:tree4:mul_add:ftz",
    "cdna2.bf16": "bf16xbf16+fp32:tree2:mul_add:ftz",
    "cdna2.bf16_1k": "bf16xbf16+fp32:tree4:mul_add:ftz",
    "cdna3.fp16": "fp16xfp16+fp32:staged8f24s31",
    "cdna3.bf16": "bf16xbf16+fp32:staged8f24s31",
    "cdna3.xf32": "tf32xtf32+fp32:staged4f24s31",
    "cdna3.e4m3fnuz": "e4m3fnuzxe4m3fnuz+fp32:staged16f24s31g2c25",
    "cdna3.e5m2fnuz": "e5m2fnuzxe5m2fnuz+fp32:staged16f24s31g2c25",
}


def _rows() -> dict[str, str]:
    """Every name, and the unit that it stands for."""
    rows = {}
    for architectures, operands, terms, fraction, zero in _NVIDIA:
        for name in (f"{a}.{x}" for a in architectures.split() for x in operands.split()):
            x = name.partition(".")[2]
            block = f"fused{terms}f{fraction}z"
            kept = "/e8m13" if fraction == 13 else ""
            rows[name] = f"{x}x{x}+fp32:rtz:inf_always:{block}{zero}{kept}:nan=0x7fffffff"
            if x in _HALF:
                rows[f"{name}/fp16"] = f"{x}x{x}+fp16:{block}{zero + 112}:nan=0x7fff"
    for blocks, order in ((_BLOCKS, "fused32f25z-133"), (_FOUR_BITS, "fused64f35z-133g16")):
        for x in blocks:
            rows[f"blackwell.{x}"] = f"{x}x{x}+fp32:rtz:inf_always:{order}:nan=0x7fffffff"
    return rows | _AMD


MATRIX_UNITS = _rows()
