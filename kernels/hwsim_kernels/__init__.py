"""Numba kernels: plain arrays and scalars, no descriptions.  Never imports hwsim."""
