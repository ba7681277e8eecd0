"""The reference: the exact meaning of every operation, slow and obvious.

`values` (exact numbers) < `rounding` (grid, then range) < `codes` < `units` (dot products) <
`requantization` < `arrays` (the public functions) < `transposed`.  Arithmetic is on Python integers
alone; the fast kernels must give the same bits.
"""

from hwsim.reference.arrays import conv2d, decode, dot, encode, matmul, round
from hwsim.reference.requantization import requantize
from hwsim.reference.transposed import conv_transpose2d

__all__ = [
    "conv2d",
    "conv_transpose2d",
    "decode",
    "dot",
    "encode",
    "matmul",
    "requantize",
    "round",
]
