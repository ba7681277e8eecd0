"""Is this thread's floating-point arithmetic IEEE 754's?"""

from __future__ import annotations

import numpy as np

from hwsim_kernels._jit import kernel


@kernel
def arithmetic_is_ieee(tiny64, tiny32, one):
    """Whether subnormals survive and rounding is to nearest.

    The arguments (subnormals of both widths, and 1) come from outside so that nothing folds.
    """
    kept = (tiny64 * one > 0.0) & (tiny32 * np.float32(one) > np.float32(0.0))
    small = one * 2.0**-54
    nearest = (one + small == one) & (-one - small == -one) & (one + 3.0 * small > one)
    return kept & nearest
