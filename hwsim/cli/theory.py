"""`hwsim theory`: what theory says of a unit's sums, beside what is measured."""

from __future__ import annotations

import math

import click

from hwsim.cli.output import console, print_json


@click.command("theory")
@click.argument("unit")
@click.option("--length", default=4096, show_default=True, help="K: products of a sum.")
@click.option("--seed", default=0, show_default=True, help="Of the measured operands.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def theory_command(unit: str, length: int, seed: int, as_json: bool) -> None:
    """Bounds and predictions for the sums of a MAC unit, beside measured values.

    Of floats: the share of variance that is kept (Sakr et al. 2019), worst-case and probabilistic
    error bounds, the best chunk.  Of integers: widths that never overflow (A2Q).  Measured are
    dot products of standard normal operands, simulated bit by bit; errors are relative to
    the sum of |a·b|.

    \b
    Examples:
      hwsim theory e5m2xe5m2+e6m9 --length 4096
      hwsim theory e5m2xe5m2+e6m9:chunk64 --length 65536
      hwsim theory int8xint8+int20 --length 4608
    """
    from hwsim.theory import assess

    found = assess(unit, length, seed)
    if as_json:
        print_json(found.to_dict())
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column(f"{found.unit}, K = {length}", no_wrap=True)
    for heading in ("theory", "measured"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for row in found.statements:
        table.add_row(row.name, _number(row.theory), _number(row.measured), row.source)
    console().print(table)


def _number(value: float | None) -> str:
    """Short; a yes or no; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return "no bound" if math.isinf(value) else f"{value:.4g}"
