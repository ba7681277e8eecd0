"""`hwsim diagnose`: where the accumulators of a network lose."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json, progress_bar, table_of
from hwsim.cli.sources import (
    given,
    source,
    with_calibration,
    with_data,
    with_node,
    with_scale,
    with_seed,
    with_threads,
)

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.diagnosis import Diagnosis, UnitDiagnosis

UNITS = ("int8xint8+int17", "int8xint8+int17:saturate", "e4m3xe4m3+e4m3", "e5m2xe5m2+e6m9")


@click.command("diagnose")
@click.argument("model")
@click.option(
    "--mac",
    "macs",
    multiple=True,
    metavar="UNIT",
    help="Unit, or .toml of units; repeatable.",
)
@with_data
@click.option("--samples", default=256, show_default=True, help="Outputs a layer followed over k.")
@click.option("--worst", default=5, show_default=True, help="Largest errors kept for each layer.")
@click.option("--metric", default="auto", show_default=True, help="What outputs are judged by.")
@with_calibration
@with_scale
@with_node
@with_seed
@click.option("--out", default="hwsim-diagnosis", show_default=True, help="Folder of the files.")
@click.option("--force", is_flag=True, help="Replace an earlier result in --out.")
@with_threads
@click.option("--json", "as_json", is_flag=True, help="Print diagnosis.json instead of tables.")
def diagnose_command(
    model: str,
    macs: tuple[str, ...],
    data: str | None,
    out: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Look into every layer's accumulators while MODEL (an ONNX file, digits-cnn, char-lm) runs.

    Counts of all additions, every output's error against the sum in float64, the worst outputs,
    and of some outputs the sums of the first 1, 2, 4 ... products: where swamping starts, how sums
    grow, which exponents occur.  Pictures: a heat map of layers against units, and the growth of
    each layer's sums.

    \b
    Examples:
      hwsim diagnose char-lm
      hwsim diagnose digits-cnn --mac e4m3xe4m3+e4m3 --mac e4m3xe4m3+e4m3:chunk16
      hwsim diagnose m.onnx --data d.npz --mac bf16xbf16+bf16 --samples 1000
    """
    from hwsim.diagnosis import diagnose
    from hwsim.diagnosis.report import FILES
    from hwsim.networks.mixed import as_units
    from hwsim.sweeps.result import check_free

    units = [as_units(text) for text in macs or UNITS]
    item = source(model, data)
    folder = Path(out)
    check_free(folder, force, FILES)
    with progress_bar(item.name) as progress:
        found = diagnose(item.model, item.data, units, progress=progress, **options)
    paths = found.save(folder)
    if as_json:
        print_json(found.to_dict())
        return
    _print(found, item.arguments + given(options), paths)


def _print(found: Diagnosis, arguments: str, paths: tuple[Path, ...]) -> None:
    screen = console()

    def say(text: str = "") -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    for unit in found.units:
        say(f"{found.model} ({found.samples} samples) on {unit.unit}: {_shown(unit)}")
        screen.print(_table(unit))
        say()
    say(f"Next: hwsim accumulator {arguments}")
    say(f"Wrote {shlex.quote(str(paths[0].parent))}/: {' '.join(path.name for path in paths)}")


def _shown(unit: UnitDiagnosis) -> str:
    from hwsim.sweeps.summary import format_number
    from hwsim.sweeps.table import HEADINGS

    return f"{HEADINGS[unit.score.metric]} {format_number(unit.score.metric, unit.score.value)}"


def _table(unit: UnitDiagnosis) -> Table:
    from rich.markup import escape

    from hwsim.sweeps.table import percent

    shares = ("swamped\n%", "partly\n%", "overflow\nhit %", "mass\nlost %")
    last = ("swamps\nfrom k", "SQNR\ndB", "largest\nerror", "largest\nsum")
    table = table_of("layer", "K", *shares, *last)
    for layer in unit.layers:
        counts = layer.counts
        parts = (layer.swamped, layer.partly, layer.overflowed, counts.lost_mass)
        table.add_row(
            escape(layer.name),
            str(layer.report.k),
            *map(percent, parts),
            "-" if layer.swamps_from is None else str(layer.swamps_from),
            _decibels(layer.sqnr_db),
            f"{layer.largest_error:.4g}",
            f"{max(counts.largest, counts.outer.largest):.4g}",
        )
    return table


def _decibels(value: float | None) -> str:
    if value is None:
        return "-"
    return {math.inf: "exact", -math.inf: "Inf"}.get(value, f"{value:.1f}")
