"""Random bits of stochastic rounding: splitmix64 by position, or a shift register.

A draw is known by its state.  An output's state before its first draw comes from two words, of its
row and of its column, whose sum is what splitmix64 mixes: the seed and the golden gamma, times the
draw's number and one, modulo 2^64 (`hwsim.simulate.streams`).

Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hwsim_kernels._jit import inlined, kernel

GAMMA = 0x9E3779B97F4A7C15
FACTORS = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
SHIFTS = 30, 27, 31
FIRST, SECOND = map(np.uint64, FACTORS)
GAP = np.uint64(GAMMA)
LOW, MIDDLE, LAST = map(np.uint64, SHIFTS)
ONE, NOTHING = np.uint64(1), np.uint64(0)


class Drawing(NamedTuple):
    """A generator: how many bits of a word or a register are taken, and how it moves on."""

    mask: np.uint64  # 2^N − 1
    feedback: np.uint64  # of the shift register; 0 for splitmix64
    period: np.uint64  # its states, all but 0; 1 for splitmix64


@inlined
def mixed(z):
    """splitmix64's output function."""
    z = (z ^ (z >> LOW)) * FIRST
    z = (z ^ (z >> MIDDLE)) * SECOND
    return z ^ (z >> LAST)


@inlined
def clocked(state, feedback):
    """The register one clock later (Galois form)."""
    return (state >> ONE) ^ (feedback & (NOTHING - (state & ONE)))


@inlined
def first_state(origin, d):
    """The state before draw 0 of an output."""
    return origin if d.feedback == NOTHING else ONE + mixed(origin) % d.period


@inlined
def later(state, count, d):
    """The state ``count`` draws later."""
    if d.feedback == NOTHING:
        return state + np.uint64(count) * GAP
    for _ in range(count):
        state = clocked(state, d.feedback)
    return state


@inlined
def taken(state, d):
    """R of a state."""
    return (mixed(state) if d.feedback == NOTHING else state) & d.mask


@kernel
def registers(rows, columns, images, d, out):
    """out (batch, m, n) ← every output's shift register some clocks after its start.

    A clock is linear: ``images`` (W,), uint64, says what each bit alone becomes.  rows and columns
    are as in `draw_all`; out is int32 or int64.
    """
    words = np.empty(out.shape[2], np.uint64)
    for item in range(out.shape[0]):
        for i in range(out.shape[1]):
            base, line, mine = rows[item, i], out[item, i], columns[item]
            for j in range(words.shape[0]):
                words[j] = first_state(base + mine[j], d)
            line[:] = 0
            for place in range(images.shape[0]):
                image, down = images[place], np.uint64(place)
                for j in range(words.shape[0]):
                    line[j] ^= image & (NOTHING - ((words[j] >> down) & ONE))


@kernel
def draw_all(rows, columns, step, d, out):
    """out (batch, m, n), uint32 ← R of draw number ``step`` of every output; rows (batch, m) and
    columns (batch, n), uint64."""
    move = np.uint64(step) * GAP
    for item in range(out.shape[0]):
        for i in range(out.shape[1]):
            base, line, mine = rows[item, i], out[item, i], columns[item]
            if d.feedback == NOTHING:
                base += move
                for j in range(line.shape[0]):
                    line[j] = np.uint32(mixed(base + mine[j]) & d.mask)
            else:
                for j in range(line.shape[0]):
                    state = later(first_state(base + mine[j], d), step, d)
                    line[j] = np.uint32(state & d.mask)
