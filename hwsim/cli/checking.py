"""`hwsim check`: laws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hwsim.cli.output import console, print_json, progress_bar

if TYPE_CHECKING:
    from hwsim.testing import Report


@click.command("check")
@click.argument("spec")
@click.option("--cases", default=1000, show_default=True, help="Outputs per law that draws.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.pass_context
def check_command(context: click.Context, spec: str, cases: int, seed: int, as_json: bool) -> None:
    """Check every law that applies to a format or a MAC unit; exit 1 if one is broken.

    Laws of rounding: values stay, monotone, nearest, ties, ... on every boundary between values.
    Laws of units: equal to the exact reference, commutative, within the error bound, the same on
    any number of threads, ...  Each is printed with the number of cases compared, and with a
    counterexample, as small as can be found, where it is broken.

    \b
    Examples:
      hwsim check e4m3                       all roundings and overflow rules
      hwsim check e5m2:rtz:saturate          one of each
      hwsim check int8xint8+int16:saturate --cases 20000
    Your own arithmetic, in Python:
      from hwsim.testing import check
      print(check("e4m3", my_rounding))
    A unit with a table of products is right by that table, whatever is in it; for the table:
      hwsim multiplier mine.npy --against mitchell
    """
    from hwsim.testing import check

    with progress_bar(f"check {spec}") as progress:
        report = check(spec, cases=cases, seed=seed, progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)
    if not report.ok:
        context.exit(1)


def _show(report: Report) -> None:
    """A table of the laws, counterexamples below it."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("law", no_wrap=True)
    table.add_column("cases", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("states", overflow="fold")
    for verdict in report.verdicts:
        if not verdict.skipped:
            end = "holds" if verdict.ok else "BROKEN"
            table.add_row(verdict.law, f"{verdict.cases:,}", end, verdict.statement)
    screen = console()
    screen.print(table, highlight=False, markup=False)
    for verdict in report.verdicts:
        if verdict.counterexample:
            text = f"{verdict.law}: {verdict.counterexample}"
            screen.print(text, highlight=False, markup=False)
    skipped = [f"{v.law} ({v.skipped})" for v in report.verdicts if v.skipped]
    if skipped:
        screen.print("Not judged: " + "; ".join(skipped), highlight=False, markup=False)
    total = f"{report.subject}: {report.cases:,} cases"
    whole = f"; in whole: {report.exhaustive}" if report.exhaustive else ""
    screen.print(total + whole, highlight=False, markup=False)
