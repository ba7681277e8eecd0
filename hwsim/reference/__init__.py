"""The reference: the exact meaning of every operation, slow and obvious.

`values` (exact numbers) < `rounding` (grid, then range) < `codes` < `units` (dot products) <
`requantization` < `arrays` (the public functions).  Arithmetic is on Python integers alone; the
fast kernels must give the same bits.
"""

from hwsim.reference.arrays import conv2d, decode, dot, encode, matmul, round
from hwsim.reference.requantization import requantize

__all__ = ["conv2d", "decode", "dot", "encode", "matmul", "requantize", "round"]
