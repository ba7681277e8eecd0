"""How wide integer accumulators must be that never overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.formats import FixedFormat, Format, as_format


def a2q_bits(length: int, weight_bits: int, input_bits: int, signed_inputs: bool = True) -> int:
    """Least P ≥ α + φ(α) + 1, α = log2 K + N + M − 1 − s, φ(x) = log2(1 + 2^−x): a signed sum of
    ``length`` products of any weights and inputs (Colbert et al. 2023, arXiv 2308.13504, eq. 3).

    That is 2^(P − 1) ≥ K·2^(N + M − 1 − s) + 1, which is computed in integers.

    >>> a2q_bits(4608, 8, 8)
    28
    """
    _positive(length=length, weight_bits=weight_bits, input_bits=input_bits)
    places = input_bits + weight_bits - 1 - int(signed_inputs)
    return 1 + (length << places).bit_length()


def a2q_bits_of_weights(
    weights: npt.ArrayLike, input_bits: int, signed_inputs: bool = True
) -> npt.NDArray[np.int64]:
    """The same for known integer weights (K, …), one for each sum: β = log2‖w‖₁ + N − s.

    >>> a2q_bits_of_weights([[3, 1], [-2, 0]], 8).tolist()
    [11, 9]
    """
    array: npt.NDArray[Any] = np.asarray(weights)
    if array.dtype.kind not in "iu" and not (array == np.rint(array)).all():
        raise ValueError("weights: whole numbers are needed; divide by their scale first")
    _positive(input_bits=input_bits)
    norms = np.abs(array.astype(object)).sum(axis=0)
    shift = input_bits - int(signed_inputs)
    widths = [1 + (int(norm) << shift).bit_length() for norm in np.ravel(norms)]
    return np.array(widths, np.int64).reshape(np.shape(norms))


def worst_case_bits(a: str | Format, b: str | Format, length: int) -> int:
    """Two's complement bits of ``length`` products of the formats' own extreme values; less than
    A2Q's rule, which takes ranges for powers of two.

    >>> worst_case_bits("int8_sym", "int8_sym", 4608), worst_case_bits("int8", "int8", 4608)
    (28, 28)
    """
    from hwsim.costs import exact_register_bits

    first, second = as_format(a), as_format(b)
    for name, fmt in (("a", first), ("b", second)):
        if not isinstance(fmt, FixedFormat):
            raise ValueError(f"{name}={fmt}: an integer or fixed-point format is needed")
    _positive(length=length)
    return exact_register_bits(first, second, length)


def _positive(**given: int) -> None:
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{name}={value!r}: an integer from 1 is needed")
