"""The same bits as the reference, for whole tensors, by kernels proved exact."""

from hwsim.simulate.conversions import decode, encode, round, value_dtype
from hwsim.simulate.convolution import conv2d
from hwsim.simulate.lowering import describe
from hwsim.simulate.matrix import matmul
from hwsim.simulate.transposed import conv_transpose2d

__all__ = [
    "conv2d",
    "conv_transpose2d",
    "decode",
    "describe",
    "encode",
    "matmul",
    "round",
    "value_dtype",
]
