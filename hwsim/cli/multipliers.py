"""`hwsim multiplier`: errors of integer multipliers, and whether one is another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json

if TYPE_CHECKING:
    from hwsim.testing import MultiplierErrors, Verdict


@click.command("multiplier")
@click.argument("spec")
@click.option("--bits", type=int, help="Of each operand, 1 to 10; by default 8, or a table's.")
@click.option("--signed", is_flag=True, help="A table over signed operands.")
@click.option(
    "--against", metavar="OTHER", help="Compare with another SPEC; exit 1 if one differs."
)
@click.option("--out", type=click.Path(path_type=Path), help="Picture of the errors (png, svg).")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.pass_context
def multiplier_command(
    context: click.Context,
    spec: str,
    bits: int | None,
    signed: bool,
    against: str | None,
    out: Path | None,
    as_json: bool,
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
      hwsim multiplier mine.npy --against mitchell      exits with 1 if a product differs
    """
    from hwsim.testing import exact_products, matches, multiplier_errors

    _check_picture(out)
    subjects, bits = _subjects([spec] if against is None else [spec, against], bits)
    tables = [_products(*subject, bits, signed) for subject in subjects.items()]
    table = tables[0]
    exact = exact_products(subjects[spec], bits, signed)
    found = multiplier_errors(table, bits, signed, Path(spec).stem, exact)
    verdict = matches(table, tables[-1], bits, signed, name=against) if against else None
    if as_json:
        judged = {"against": verdict.to_dict()} if verdict else {}
        print_json(found.to_dict() | judged)
    else:
        _show(found, verdict)
    if out is not None:
        from hwsim.networks.files import save_figure
        from hwsim.testing.drawing import draw_errors

        save_figure(draw_errors(table, found, exact), out)
        click.echo(f"wrote {out}", err=True)
    if verdict and not verdict.ok:
        context.exit(1)


def _subjects(specs: list[str], bits: int | None) -> tuple[dict[str, Any], int]:
    """Names as they are and files' tables, and the bits of operands, of which tables decide."""
    files = [spec for spec in specs if spec.endswith(".npy")]
    if files and bits is not None:
        raise ValueError(f"--bits {bits}: the table's side says how many bits there are")
    subjects: dict[str, Any] = {spec: spec for spec in specs}
    sides = {}
    for file in files:
        subjects[file], sides[file] = _table(Path(file))
    if len(set(sides.values())) > 1:
        each = " and ".join(f"{file} of {side}-bit" for file, side in sides.items())
        raise ValueError(f"{each} operands: one width is needed")
    return subjects, next(iter(sides.values()), 8 if bits is None else bits)


def _products(spec: str, subject: Any, bits: int, signed: bool) -> Any:
    """The table of one side, with its name in what is wrong with it."""
    from hwsim.errors import SpecError
    from hwsim.testing import product_table

    try:
        return product_table(subject, bits, signed)
    except SpecError as error:  # of a name; it repeats the word
        message = f"{error.message}, FILE.npy (its products)" if error.known else error.message
        raise SpecError(message, known=error.known) from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"{spec}: {error}") from error


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
    except OSError as error:
        wanted = "a table of products in NumPy's npy format is read"
        raise ValueError(f"{path}: {error.strerror or error}; {wanted}") from error
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: no array of numbers in NumPy's npy format") from error
    side = table.shape[0] if isinstance(table, np.ndarray) and table.ndim == 2 else 0
    if side not in (1 << k for k in range(1, 11)) or table.shape != (side, side):
        shape = getattr(table, "shape", None)
        raise ValueError(f"{path}: shape {shape}; a table of 2^bits by 2^bits, 1 to 10 bits")
    return table, side.bit_length() - 1


def _show(found: MultiplierErrors, verdict: Verdict | None) -> None:
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
    if verdict:
        end = "holds" if verdict.ok else "BROKEN"
        table.add_row(verdict.law, end, verdict.counterexample or verdict.statement)
    screen = console()
    kind = "signed" if found.signed else "unsigned"
    head = f"{found.name}: {found.pairs:,} pairs of {kind} {found.bits}-bit operands"
    screen.print(head, highlight=False, markup=False)
    screen.print(table, highlight=False, markup=False)
