"""`hwsim accumulator`: how narrow each layer's accumulator may be."""

from __future__ import annotations

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
    with_threads,
)

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.accumulators import AccumulatorWidths, FamilyWidths
    from hwsim.networks import Score


@click.command("accumulator")
@click.argument("model")
@with_data
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="UNIT*",
    help="Unit with a * where the searched number stands; repeatable.",
)
@click.option("--metric", default="auto", show_default=True, help="What outputs are judged by.")
@click.option(
    "--tolerance",
    type=float,
    help="May be lost against the widest unit, in the metric's unit (accuracy: a share); by "
    "default float32's standard error, or 1 dB.",
)
@click.option("--widest", type=int, help="Largest number; by default int32, 23 fraction bits.")
@with_calibration
@with_scale
@with_node
@click.option("--seed", default=0, show_default=True, help="Of sr's bits.")
@click.option("--out", default="hwsim-accumulator", show_default=True, help="Folder of the files.")
@click.option("--force", is_flag=True, help="Replace an earlier result in --out.")
@with_threads
@click.option("--json", "as_json", is_flag=True, help="Print widths.json instead of the tables.")
def accumulator_command(
    model: str,
    data: str | None,
    families: tuple[str, ...],
    out: str,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the narrowest accumulator of every layer of MODEL (an ONNX file, digits-cnn, char-lm).

    Four answers for each layer and family: the width that never overflows in the worst case, with
    these weights (A2Q), on this data, and the least that keeps the network's quality, found by
    running it bit for bit.  Then one recommendation that holds for all layers together, what
    it saves, and a file of it that `hwsim run` and `hwsim sweep` take as --mac.

    \b
    Examples:
      hwsim accumulator digits-cnn
      hwsim accumulator char-lm --family "int8xint8+int*" --family "int8xint8+int*:saturate"
      hwsim accumulator m.onnx --data d.npz --family "e4m3xe4m3+e5m*:chunk32" --tolerance 0.01
      hwsim run digits-cnn --mac hwsim-accumulator/recommended.toml --layers
    """
    from hwsim.accumulators import DEFAULT_FAMILIES, accumulator_widths
    from hwsim.accumulators.families import families as parsed
    from hwsim.accumulators.report import FILES
    from hwsim.sweeps.result import check_free

    chosen = parsed(families or DEFAULT_FAMILIES, options["widest"])
    item = source(model, data)
    folder = Path(out)
    check_free(folder, force, FILES)
    with progress_bar(item.name) as progress:
        found = accumulator_widths(item.model, item.data, chosen, progress=progress, **options)
    paths = found.save(folder)
    if as_json:
        print_json(found.to_dict())
        return
    _print(found, item.arguments + given(options), paths)


def _print(found: AccumulatorWidths, arguments: str, paths: tuple[Path, ...]) -> None:
    screen = console()

    def say(text: str = "") -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    about = f"{found.model} ({found.samples} samples), float32: {_shown(found.baseline)}"
    say(f"{about}; may lose {_amount(found)}; energy at {found.node}")
    for family in found.families:
        say()
        say(_title(family))
        screen.print(_table(family))
        if not found.is_sound(family):
            say(f"Even {_widest(family)} everywhere {_missed(found)}.")
        if any(layer.data is None for layer in family.layers):
            say(f"{_widest(family)} overflows in layers without a width in 'this data'.")
        say(_saved(family))
    best = found.recommended
    say()
    what = f"{best.family}, each layer its own width: {_shown(best.score)}."
    if found.is_sound(best):
        say(f"Recommended: {what}")
    else:
        say(f"Nothing to recommend: every family {_missed(found)}; the best is {what}")
    say(f"Next: hwsim run {arguments} --mac {shlex.quote(str(paths[3]))} --layers")
    say(f"Wrote {shlex.quote(str(paths[0].parent))}/: {' '.join(path.name for path in paths)}")


def _missed(found: AccumulatorWidths) -> str:
    sqnr = found.baseline.metric == "sqnr_db"
    return "has less than 30 dB" if sqnr else "lies outside float32's error bar"


def _amount(found: AccumulatorWidths) -> str:
    """The tolerance with its unit."""
    metric, tolerance = found.baseline.metric, found.tolerance
    if metric == "accuracy":
        return f"{100 * tolerance:.2g} points"
    return f"{tolerance:.2g} {'dB' if metric == 'sqnr_db' else 'bits'}"


def _widest(family: FamilyWidths) -> str:
    return family.family.replace("*", str(family.widest))


def _title(family: FamilyWidths) -> str:
    return f"{family.family}  ({_widest(family)}: {_shown(family.best)})"


def _saved(family: FamilyWidths) -> str:
    """What the recommendation saves, in words."""

    def unit(width: int) -> str:
        return family.family.replace("*", str(width))

    widest = family.widest_energy_pj
    area = ""
    if family.area_um2 is not None and family.widest_area_um2:
        area = f" and {_percent(family.area_um2, family.widest_area_um2)} of the area"
    return (
        f"Together: {_shown(family.score)}; saves {_percent(family.energy_pj, widest)} of the "
        f"energy{area} of {unit(family.widest)}.  {unit(family.uniform)} everywhere holds too and "
        f"saves {_percent(family.uniform_energy_pj, widest)} of the energy."
    )


def _percent(part: float, whole: float) -> str:
    return f"{100 * (1 - part / whole):.0f} %" if whole else "nothing"


def _shown(score: Score) -> str:
    from hwsim.sweeps.summary import format_number
    from hwsim.sweeps.table import HEADINGS

    return f"{HEADINGS[score.metric]} {format_number(score.metric, score.value)}"


def _table(family: FamilyWidths) -> Table:
    from rich.markup import escape

    from hwsim.sweeps.table import percent

    columns = ("worst\ncase", "these\nweights", "this\ndata", "theory\n(VRR)", "quality\nalone")
    last = ("recom-\nmended", "overflow\n%", "swamped\n%", "energy\nsaved")
    table = table_of("layer", "K", *columns, *last)
    for layer in family.layers:
        numbers = (layer.worst_case, layer.weights, layer.data, layer.theory, layer.alone)
        table.add_row(
            escape(layer.layer),
            str(layer.k),
            *("-" if number is None else str(number) for number in numbers),
            f"[bold]{layer.width}[/bold]",
            percent(layer.overflowed),
            percent(layer.swamped),
            _percent(layer.energy_pj, layer.widest_energy_pj),
        )
    return table
