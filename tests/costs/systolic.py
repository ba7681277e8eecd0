"""A systolic array in plain Python, cycle by cycle, that counts every word it touches.

It shares nothing with `hwsim.costs`: it moves integers through registers, and its results must be
the product.  A word is up to ``width`` operands of one unit's step; scales of blocks are read with
the first element of their block that a tile wants.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import product


@dataclass
class Machine:
    """An array of rows × columns; bits of words, and what has been counted."""

    rows: int
    columns: int
    width: int = 1
    a_bits: int = 8
    b_bits: int = 8
    running_bits: int = 32
    out_bits: int = 16
    block: int = 0
    scale_bits: int = 0
    cycles: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def multiply(self, a, b, kind):
        """a (M × K) times b (K × N); the result, with everything counted."""
        m, k, n = len(a), len(b), len(b[0]) if b else 0
        if not (m and k and n):
            self.counts["out_write"] += m * n * self.out_bits
            return [[0] * n for _ in range(m)]
        groups = [list(range(i, min(k, i + self.width))) for i in range(0, k, self.width)]
        out = [[0] * n for _ in range(m)]
        {"output": self._output, "weight": self._weight, "input": self._input}[kind](
            a, b, groups, out
        )
        return out

    # --- bits ---------------------------------------------------------------------------------
    def _word(self, group, seen, bits):
        """Bits of a word, and of the scales that this tile has not seen in its row or column."""
        scales = {i // self.block for i in group} - seen if self.block else set()
        seen |= scales
        return len(group) * bits + len(scales) * self.scale_bits

    # --- output stationary --------------------------------------------------------------------
    def _output(self, a, b, groups, out):
        m, n = len(a), len(b[0])
        for m0 in range(0, m, self.rows):
            for n0 in range(0, n, self.columns):
                self._output_tile(a, b, groups, out, m0, n0)

    def _output_tile(self, a, b, groups, out, m0, n0):
        rows = range(min(self.rows, len(a) - m0))
        columns = range(min(self.columns, len(b[0]) - n0))
        across, down, done = self._grid(None), self._grid(None), self._grid(0)
        seen, time = defaultdict(set), 0
        # All units of the array take as many steps as there are words, those outside idle ones.
        while any(steps < len(groups) for line in done for steps in line):
            self._shift(across, down, time, groups)
            for i, j in self._units():
                if across[i][j] is None:
                    continue
                group = groups[across[i][j]]
                assert across[i][j] == down[i][j] == done[i][j]  # the wavefronts meet
                done[i][j] += 1
                if i not in rows or j not in columns:
                    continue
                out[m0 + i][n0 + j] += sum(a[m0 + i][x] * b[x][n0 + j] for x in group)
                self._enter("a", self._word(group, seen["a", i, j], self.a_bits), j == 0)
                self._enter("b", self._word(group, seen["b", i, j], self.b_bits), i == 0)
            time += 1
        self.cycles += time + self.rows  # the columns shift their sums out, one row a cycle
        self.counts["out_write"] += len(rows) * len(columns) * self.out_bits

    def _enter(self, name, bits, from_memory):
        """A word that enters a unit's register and is used there."""
        self.counts[f"{name}_read"] += bits if from_memory else 0
        self.counts[f"{name}_register_write"] += bits
        self.counts[f"{name}_register_read"] += bits

    def _grid(self, value):
        return [[value] * self.columns for _ in range(self.rows)]

    def _units(self):
        return product(range(self.rows), range(self.columns))

    def _shift(self, across, down, time, words):
        """Every register takes its neighbour's; row i and column j begin i and j cycles late."""
        for i, j in reversed(list(self._units())):
            across[i][j] = across[i][j - 1] if j else self._step(time - i, words)
            down[i][j] = down[i - 1][j] if i else self._step(time - j, words)

    @staticmethod
    def _step(time, groups):
        return time if 0 <= time < len(groups) else None

    # --- what stays is an operand -------------------------------------------------------------
    def _weight(self, a, b, groups, out):
        self._held(b, a, groups, out, "b", "a", lambda line, wide: (line, wide))

    def _input(self, a, b, groups, out):
        turned = [list(row) for row in zip(*a, strict=True)]  # K × M stays
        lines = [list(row) for row in zip(*b, strict=True)]  # N × K streams
        self._held(turned, lines, groups, out, "a", "b", lambda line, wide: (wide, line))

    def _held(self, stay, lines, groups, out, held, moving, place):
        """Tiles of ``stay`` (K × columns' dimension); ``lines`` stream past each of them."""
        wide = len(stay[0])
        for w0 in range(0, wide, self.columns):
            sums = [[0] * wide for _ in lines]
            starts = range(0, len(groups), self.rows)
            for g0 in starts:
                tile = groups[g0 : g0 + self.rows]
                last = g0 == starts[-1]
                self._held_tile(stay, lines, tile, sums, (held, moving), (w0, g0 == 0, last))
            for t, line in enumerate(sums):
                for w in range(w0, min(wide, w0 + self.columns)):
                    i, j = place(t, w)
                    out[i][j] = line[w]

    def _held_tile(self, stay, lines, tile, sums, names, where):
        held, moving = names
        w0, first, last = where
        columns = range(min(self.columns, len(stay[0]) - w0))
        bits = {"a": self.a_bits, "b": self.b_bits}
        for _ in columns:  # what stays is loaded, one row a cycle
            seen = set()
            loaded = sum(self._word(group, seen, bits[held]) for group in tile)
            self.counts[f"{held}_read"] += loaded
            self.counts[f"{held}_register_write"] += loaded
        across, down, seen = self._grid(None), self._grid(None), defaultdict(set)
        left, time = len(lines) * self.columns, 0
        while left:
            self._shift(across, down, time, lines)
            for i, j in self._units():
                t = across[i][j]
                assert t == down[i][j]  # a running sum and its line meet
                left -= t is not None and i == self.rows - 1
                if t is None or i >= len(tile) or j not in columns:
                    continue
                sums[t][w0 + j] += sum(lines[t][x] * stay[x][w0 + j] for x in tile[i])
                self._enter(moving, self._word(tile[i], seen[t, j], bits[moving]), j == 0)
                kept = self._word(tile[i], seen["held", t, j], bits[held])
                self.counts[f"{held}_register_read"] += kept
            time += 1
        self.cycles += self.rows + time
        moved = len(lines) * len(columns)
        self.counts["sums_read"] += 0 if first else moved * self.running_bits
        self.counts["out_write" if last else "sums_write"] += moved * (
            self.out_bits if last else self.running_bits
        )


def cheapest(tiles, strips, sizes, capacity):
    """Fewest DRAM bits over all ways to keep strips, by replaying every one of them.

    tiles : row tiles, column tiles.  strips : bits of each strip of the rows' and columns' tensor.
    sizes : of running sums and results, where the columns' tensor is sums; else None.
    """
    r, c = tiles
    orders = [("nothing", 1)]
    orders += [("rows", b) for b in range(1, r + 1)] + [("columns", b) for b in range(1, c + 1)]
    found = []
    for kept, b in orders:
        bits, peak = _replay(_visits(r, c, kept, b), kept, b, strips, sizes)
        if kept == "nothing" or peak <= capacity:
            found.append(bits)
    return min(found)


def _visits(r, c, kept, b):
    """Tiles in their order, with the group that each lies in."""
    if kept == "rows":
        groups = [range(g, min(r, g + b)) for g in range(0, r, b)]
        return [(x, y, n, y) for n, g in enumerate(groups) for y in range(c) for x in g]
    if kept == "columns":
        groups = [range(g, min(c, g + b)) for g in range(0, c, b)]
        return [(x, y, n, x) for n, g in enumerate(groups) for x in range(r) for y in g]
    return [(x, y, 0, 0) for y in range(c) for x in range(r)]


def _replay(visits, kept, b, strips, sizes):
    """Bits over the interface, and the most that is held at a time: a strip has its room from the
    tile that brings it to the last one that uses it."""
    traffic, peak = 0, 0
    held = {"rows": set(), "columns": set()}
    for now, (x, y, group, inner) in enumerate(visits):
        room = 0
        for side, strip in (("rows", x), ("columns", y)):
            index = side == "columns"
            past = [v for v in visits[:now] if v[index] == strip]
            coming = [v for v in visits[now + 1 :] if v[index] == strip]
            own, summing = strips[index][strip], index and sizes is not None
            if strip not in held[side]:
                traffic += (own * bool(past)) if summing else own
            shared = side != kept and kept != "nothing" and b > 1
            stays = bool(coming) and (
                (side == kept and coming[0][2] == group)
                or (shared and coming[0][2:] == (group, inner))
            )
            before = held[side]
            held[side] = (before | {strip}) if stays else (before - {strip})
            room += sum(strips[index][s] for s in before | held[side])
            if summing and not stays:
                traffic += own if coming else own * sizes[1] // sizes[0]
        peak = max(peak, room)
    return traffic, peak
