"""Theory of sums in narrow accumulators, to be set beside what the simulation measures."""

from hwsim.theory.assessment import Assessment, Statement, assess
from hwsim.theory.bounds import (
    best_chunk,
    chunked_bound,
    gamma,
    probabilistic_bound,
    sequential_bound,
    unit_roundoff,
)
from hwsim.theory.variance import is_usable, longest_usable, variance_retention
from hwsim.theory.widths import a2q_bits, a2q_bits_of_weights, worst_case_bits

__all__ = [
    "Assessment",
    "Statement",
    "a2q_bits",
    "a2q_bits_of_weights",
    "assess",
    "best_chunk",
    "chunked_bound",
    "gamma",
    "is_usable",
    "longest_usable",
    "probabilistic_bound",
    "sequential_bound",
    "unit_roundoff",
    "variance_retention",
    "worst_case_bits",
]
