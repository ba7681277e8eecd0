"""Exact sums of two products, clamped, and added to a running sum: all of them whole floats."""

from __future__ import annotations

from hwsim_kernels._jit import helper, kernel


@helper
def clamped(x, low, high):
    """The nearest of low … high."""
    x = low if x < low else x
    return high if x > high else x


@kernel
def clamped_pairs(a, b, s, low, high):
    """s (m, n) += Σ clamped(a[i, 2q]·b[2q, j] + a[i, 2q + 1]·b[2q + 1, j]), for k a multiple of 4.

    a (m, k), b (k, n), low and high are of s's dtype, which holds every sum.
    """
    for i in range(s.shape[0]):
        for k in range(0, a.shape[1], 4):
            w, x, y, z = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            for j in range(s.shape[1]):
                one = clamped(w * b[k, j] + x * b[k + 1, j], low, high)
                two = clamped(y * b[k + 2, j] + z * b[k + 3, j], low, high)
                s[i, j] += one + two
