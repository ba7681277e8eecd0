"""Matrix products on a MAC datapath, blocked in register tiles (`hwsim_kernels.tiles`).

`run_kernel` gives the compiled driver for a datapath (`Path`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hwsim_kernels._jit import helper, kernel
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.passes import tile_pass
from hwsim_kernels.paths import NONE, UNBOUNDED, Path, Scalars
from hwsim_kernels.tiles import PANEL, code_of, vectors

K_BLOCK = 512  # of a panel of b that stays in the second-level cache under all rows


@helper
def place(unit, rows, m, panels):  # type: ignore[no-untyped-def]
    """(item, panel, first row, end of rows) of a unit of work: blocks of ``rows`` of ``m`` rows."""
    blocks = (m + rows - 1) // rows
    top = (unit % blocks) * rows
    return unit // blocks // panels, unit // blocks % panels, top, min(m, top + rows)


@helper
def begun(unit, rows, panels, targets, start):  # type: ignore[no-untyped-def]
    """The `place` of a unit of work.  ``targets`` = (out, flags, whether nothing was written): sums
    that are fresh are ``start`` there, and flags 0, where there are any."""
    out, flags, fresh = targets
    item, panel, top, bottom = place(unit, rows, out.shape[1], panels)
    wide = out.shape[2] // panels
    block = slice(top, bottom), slice(panel * wide, (panel + 1) * wide)
    if fresh:  # while it is near
        out[item][block] = start
    if flags.shape[2] == out.shape[2]:
        flags[item][block] = 0
    return item, panel, top, bottom


@cache
def run_kernel(inner: Path) -> Any:
    """The driver for a datapath of products:

    run(a, b, table, out, flags, scalars, counts, lost, draws, first, …, step, fresh, terms, outer)

    a (batch, m, k), b packed (batch, panels, k, columns), k counting planes (`multiply`), of which
    there are ``terms`` for TERMS; out and flags (batch, m, panels ·
    columns), all C-contiguous, m a multiple of ROWS; scalars (2, …); counts (2, SLOTS); lost
    (1, batch, panels, m / ROWS), or for ordered paths (2, batch, m, panels · columns), lost and
    mass.  draws holds what random bits come from, uint64: words of rows (batch, m), of columns
    (batch, panels · columns), and factors (2, 1); for clocked paths shift registers, of inner and
    of outer roundings (batch, m, panels · columns), in the carrier's width, and their feedback
    (1, 1).  Units of work ``first`` … ``last`` − 1 are blocks of ``rows`` rows of one panel of one
    item; ``step`` is the chunk length, or how long a panel stays.  ``out`` holds what sums start
    from, unless they are ``fresh``: then nothing was written there yet; nor ever into flags, of
    out's shape where there are any.  ``outer`` is the address of what chunk sums enter (`joins`),
    or 0.

    Where overflows are counted, passes without one are the rule: they are watched, and done
    again where one occurs; after that, until the next tile, nothing is tried.
    """
    # An addend beyond the range is its own rounding only after the rule.
    watches = inner.level != NONE and inner.limit != UNBOUNDED and inner.own
    quick = inner._replace(limit=UNBOUNDED, watched=True) if watches else None
    quick_code, inner_code = code_of(quick), code_of(inner)
    quick_parts = PANEL // vectors(quick) if quick else 0
    parts, zero = PANEL // vectors(inner), Scalars._fields.index("start")

    @kernel
    def run(  # type: ignore[no-untyped-def]
        a,
        b,
        table,
        out,
        flags,
        scalars,
        counts,
        lost,
        draws,
        first,
        last,
        rows,
        step,
        fresh,
        terms,
        outer,
    ):
        arrays = (a, b, table, out, flags, scalars, counts, lost, draws[0], draws[1], draws[2])
        length, panels = a.shape[2] // terms, b.shape[1]
        targets = out, flags, fresh
        for unit in range(first, last):
            item, panel, top, bottom = begun(unit, rows, panels, targets, scalars[1, zero])
            for k in range(0, length, step):
                stop = min(length, k + step)
                turn = length + k // step
                calm = watches
                for row in range(top, bottom, ROWS):
                    done = 0  # vectors of the panel
                    if watches:
                        part = 0
                        while calm and part < quick_parts:
                            at = (item, row, panel, part, k, stop, terms, turn, outer)
                            calm = tile_pass(quick_code, arrays, at)
                            part += calm
                        done = part * (PANEL // quick_parts) if watches else 0
                    for part in range(done * parts // PANEL, parts):
                        at = (item, row, panel, part, k, stop, terms, turn, outer)
                        tile_pass(inner_code, arrays, at)

    return run
