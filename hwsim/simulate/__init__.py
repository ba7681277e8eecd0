"""The same bits as the reference, for whole tensors, by kernels proved exact."""

from hwsim.memory import keep_freed_memory
from hwsim.simulate.conversions import decode, encode, round, value_dtype
from hwsim.simulate.convolution import conv2d
from hwsim.simulate.lowering import describe
from hwsim.simulate.matrix import matmul
from hwsim.simulate.microscaling import Blocks
from hwsim.simulate.requantization import requantize, rescaling
from hwsim.simulate.transposed import conv_transpose2d
from hwsim.simulate.zero_points import conv2d_zero_point_correction, zero_point_correction

keep_freed_memory()

__all__ = [
    "Blocks",
    "conv2d",
    "conv2d_zero_point_correction",
    "conv_transpose2d",
    "decode",
    "describe",
    "encode",
    "matmul",
    "requantize",
    "rescaling",
    "round",
    "value_dtype",
    "zero_point_correction",
]
