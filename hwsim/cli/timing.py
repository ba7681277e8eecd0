"""`hwsim bench`: how fast units are."""

from __future__ import annotations

import click

from hwsim.cli.output import console, print_json, progress_bar


@click.command("bench")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.option("--size", default=512, show_default=True, help="M = N = K of the product.")
@click.option("--seconds", default=1.0, show_default=True, help="Of timing, for each unit.")
@click.option("--seed", default=0, show_default=True, help="Of the operands.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def bench_command(
    units: tuple[str, ...], size: int, seconds: float, seed: int, as_json: bool
) -> None:
    """Time MAC units on one thread, beside NumPy's float32 GEMM in the same run.

    Some outputs are compared with the exact reference first: a unit with a wrong bit is not timed.
    Seconds are those of the processor, so that other programs hardly count.

    \b
    Examples:
      hwsim bench e5m2xe5m2+e6m9 int8xint8:mitchell+int32
      hwsim bench uint8xuint8:table=mine.npy+int32 --json
    """
    from hwsim.testing import speed
    from hwsim.units import as_unit

    found = []
    described = [as_unit(unit) for unit in units]
    with progress_bar("bench") as progress:
        for number, unit in enumerate(described):
            if progress:
                progress(str(unit), number, len(described))
            found.append(speed(unit, size, seconds, seed))
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("unit", overflow="fold")
    for heading in ("GMAC/s", "GEMM", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        table.add_row(one.unit, f"{one.gmacs:.3g}", f"{one.gemm_gmacs:.3g}", f"{one.ratio:.3f}")
    console().print(table)
    console().print(f"{size}×{size}×{size}, one thread; some outputs equal to the reference first")
