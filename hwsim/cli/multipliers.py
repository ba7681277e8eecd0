"""`hwsim multiplier`: errors of integer multipliers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json

if TYPE_CHECKING:
    from hwsim.testing.errors import MultiplierErrors


@click.command("multiplier")
@click.argument("spec")
@click.option("--bits", type=int, help="Of each operand, 1 to 10; by default 8, or a table's.")
@click.option("--signed", is_flag=True, help="A table over signed operands.")
@click.option("--out", type=click.Path(path_type=Path), help="Picture of the errors (png, svg).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def multiplier_command(
    spec: str, bits: int | None, signed: bool, out: Path | None, as_json: bool
) -> None:
    """Errors of an approximate integer multiplier over all pairs of operands.

    \b
    SPEC is one of
      exact       a·b
      mitchell    logarithms added (Mitchell 1962)
      mbm         the same, minimally biased (Saadat 2018)
      realmN      the same with N × N additions (Saadat 2020)
      ilmN        iterative logarithmic, N corrections
      drumN       N bits kept from the leading one
      shiftN      a moved to the right by b places, N guard bits kept
      logN        the power of two of two fractions' sum, by a table of N bits
      truncN      the lowest N columns of partial products dropped; truncNc: a constant added
      FILE.npy    any table of products, a along the first axis, from the lowest operand up
    \b
    Examples:
      hwsim multiplier mitchell --out mitchell.png
      hwsim multiplier drum6 --json
      hwsim multiplier mine.npy --signed
    """
    from hwsim.testing.errors import exact_products, multiplier_errors, product_table

    _check_picture(out)
    subject: Any = spec
    if spec.endswith(".npy"):
        if bits is not None:
            raise ValueError(f"--bits {bits}: the table's side says how many bits there are")
        subject, bits = _table(Path(spec))
    try:
        table = product_table(subject, 8 if bits is None else bits, signed)
    except TypeError as error:
        raise ValueError(f"{spec}: {error}") from error
    bits = len(table).bit_length() - 1
    exact = exact_products(subject, bits, signed)
    found = multiplier_errors(table, bits, signed, Path(spec).stem, exact)
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)
    if out is not None:
        from hwsim.networks.files import save_figure
        from hwsim.testing.drawing import draw_errors

        save_figure(draw_errors(table, found, exact), out)
        click.echo(f"wrote {out}", err=True)


def _check_picture(out: Path | None) -> None:
    """Before anything is computed."""
    if out is None:
        return
    if out.suffix not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--out {out}: a file named *.png, *.svg or *.pdf is needed")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}")


def _table(path: Path) -> tuple[Any, int]:
    """A table of products, and the bits of its operands."""
    import numpy as np

    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: no array of numbers in NumPy's npy format") from error
    side = table.shape[0] if isinstance(table, np.ndarray) and table.ndim == 2 else 0
    if side not in (1 << k for k in range(1, 11)) or table.shape != (side, side):
        shape = getattr(table, "shape", None)
        raise ValueError(f"{path}: shape {shape}; a table of 2^bits by 2^bits, 1 to 10 bits")
    return table, side.bit_length() - 1


def _show(found: MultiplierErrors) -> None:
    from rich.table import Table

    rows = (
        ("ER", f"{100 * found.er:.4f} %", "pairs with an error"),
        ("MED", f"{found.med:.6f}", "mean |D|, D = approximate - exact"),
        ("NMED", f"{found.nmed:.8f}", "MED over the largest exact product"),
        ("WCE", f"{found.wce:.10g}", "largest |D|"),
        ("MSE", f"{found.mse:.4f}", "mean D²"),
        ("MRED", f"{100 * found.mred:.6f} %", "mean |D| / exact"),
        ("bias", f"{100 * found.bias:+.6f} %", "mean D / exact"),
        ("worst", f"{100 * found.worst_relative:+.4f} %", "D / exact of largest magnitude"),
        ("digest", found.digest, "SHA-256 of the table"),
    )
    table = Table(box=None, padding=(0, 1, 0, 0), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    screen = console()
    kind = "signed" if found.signed else "unsigned"
    head = f"{found.name}: {found.pairs:,} pairs of {kind} {found.bits}-bit operands"
    screen.print(head, highlight=False, markup=False)
    screen.print(table, highlight=False, markup=False)
