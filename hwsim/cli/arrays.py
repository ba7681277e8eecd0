"""`hwsim array`: networks, or single products, on an array of MAC units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json, table_of
from hwsim.cli.sources import SHIPPED, check_empty, check_path, with_json, with_layer_csv

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.costs import Array, ArrayCost
    from hwsim.networks.arrays import ArrayReport

DATAFLOWS = ("output", "weight", "input")  # known here too: --help imports no costs


@click.command("array")
@click.argument("model", metavar="MODEL|MxKxN")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.option("--rows", type=int, help="Units in a column; 16 by default.")
@click.option("--columns", type=int, help="Units in a row; 16 by default.")
@click.option("--dataflow", type=click.Choice(DATAFLOWS), help="What stays in the units.")
@click.option("--sram-kb", type=float, help="Capacity of the SRAM, 8 to 1024; 32 by default.")
@click.option("--no-dram", is_flag=True, help="All tensors lie in the SRAM.")
@click.option("--stream", type=int, metavar="N", help="Cut what streams past a tile to N.")
@click.option("--overlap", is_flag=True, default=None, help="Tiles follow without a gap.")
@click.option("--clock-ghz", type=float, help="1 by default.")
@click.option("--machine", metavar="FILE", help="A .toml of all this; options replace its fields.")
@click.option("--samples", default=1, show_default=True, help="Calls of the model run together.")
@click.option("--data", help="npz with the model's inputs, where it leaves lengths open.")
@click.option("--node", default="45nm", show_default=True, help="Technology of the units.")
@with_layer_csv
@click.option("--plot", "plot_path", metavar="FILE", help="Energy and roofline (png, svg or pdf).")
@click.option("--export", metavar="DIR", help="Write Timeloop's and Accelergy's files (one UNIT).")
@with_json
def array_command(
    model: str,
    units: tuple[str, ...],
    machine: str | None,
    samples: int,
    data: str | None,
    node: str,
    csv_path: str | None,
    plot_path: str | None,
    export: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Cycles, traffic and energy of MODEL (an ONNX file, digits-cnn, char-lm), or of a product
    MxKxN, on an array of UNITs with an SRAM and a DRAM.

    Energies of the MACs and of each level stand apart, and are not a chip's.  Nothing is computed:
    sizes count.

    \b
    Examples:
      hwsim array 512x512x512 int8xint8+int32 bf16xbf16+fp32
      hwsim array digits-cnn int8xint8+int32 --dataflow weight --rows 32 --plot array.png
      hwsim array m.onnx e4m3xe4m3+fp16 --machine edge.toml --samples 8 --csv layers.csv
    \b
    edge.toml:
      rows = 32
      dataflow = "weight"
      [sram]
      access_bits = 128
      read_pj_per_access = 12.5
      node = "45nm"
    """
    for option, path in (("--csv", csv_path), ("--plot", plot_path)):
        check_path(option, path, (".png", ".svg", ".pdf") if option == "--plot" else ())
    check_empty("--export", export)
    if export and len(units) > 1:
        raise click.UsageError("--export: files of one unit at a time")
    from hwsim.networks import Network, array
    from hwsim.networks.arrays import product_named
    from hwsim.networks.files import as_csv, finite
    from hwsim.networks.mixed import as_units

    built = _machine(machine, options)
    chosen = [as_units(text) for text in units]
    subject: Any = product_named(model)
    if subject is None:
        path, data = _source(model, data)
        subject = Network.load(path)
    elif data:
        raise click.UsageError(f"--data {data!r}: {model} is a product, and has none")
    reports = [
        array(subject, unit, built, inputs=data, samples=samples, node=node) for unit in chosen
    ]
    if csv_path:
        as_csv([layer.to_dict() for report in reports for layer in report.layers], csv_path)
    if plot_path:
        from hwsim.networks.array_drawing import draw_arrays

        draw_arrays(reports, Path(plot_path))
    if export:
        reports[0].export(export)
    if as_json:
        print_json(finite([report.to_dict() for report in reports]))
        return
    _print(reports)


def _source(model: str, data: str | None) -> tuple[str, str | None]:
    """The model's path, and its data where they are needed or given."""
    if model in SHIPPED and not Path(model).exists():
        from hwsim.networks import shipped

        return str(shipped(model).model), data
    for what, path in (("model", model), ("--data", data)):
        if path is not None and not Path(path).exists():
            names = f"; a path to an ONNX model, {', '.join(SHIPPED)}, or MxKxN as 64x128x64"
            raise click.UsageError(f"{what} {path!r}: no such file{names * (what == 'model')}")
    return model, data


def _machine(path: str | None, options: dict[str, Any]) -> Array:
    """The file's array, or the default one, with the options' fields."""
    from hwsim.costs import Array, read_array, sram

    names = ("rows", "columns", "dataflow", "clock_ghz", "stream", "overlap")
    changes = {name: options[name] for name in names if options[name] is not None}
    if options["sram_kb"] is not None:
        changes["sram"] = sram(options["sram_kb"])
    if options["no_dram"]:
        changes["dram"] = None
    return Array(**changes) if path is None else read_array(path, **changes)


def _print(reports: list[ArrayReport]) -> None:
    screen = console()

    def say(text: str = "") -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    for report in reports:
        sums = report.totals
        say(f"{report.model} on {report.array}: {report.unit} ({report.node})")
        screen.print(_table(report))
        say(_totals(report, sums))
        say()
    say("MACs and memories stand apart; both together are still not a chip's energy.")


def _totals(report: ArrayReport, sums: dict[str, Any]) -> str:
    energies = ", ".join(
        f"{name} {_micro(sums[f'energy_{name}_pj'])}" for name in report.layers[0].energies_pj
    )
    speed = sums["macs"] / sums["seconds"] / 1e9 if sums["seconds"] else 0.0
    return (
        f"{sums['macs']:,} MACs in {sums['seconds'] * 1e6:.4g} µs ({speed:.4g} GMAC/s, "
        f"{100 * sums['utilisation']:.1f} % of the peak); µJ: {energies}"
    )


def _table(report: ArrayReport) -> Table:
    from rich.markup import escape

    levels = [x.level for x in report.layers[0].levels]
    sizes = ("M", "K", "N", "batch", "cycles", "busy\n%")
    kilobytes = [f"{level}\nKB" for level in levels]
    energies = [f"{name}\nµJ" for name in ("mac", *levels)]
    table = table_of("layer", *sizes, *kilobytes, *energies, "bound", padding=1)
    for layer in report.layers:
        g = layer.gemm
        table.add_row(
            escape(g.name or "product"),
            *(f"{value:,}" for value in (g.m, g.k, g.n, g.batch, layer.cycles)),
            f"{100 * layer.utilisation:.1f}",
            *(_kilobytes(layer, level) for level in levels),
            *(_micro(pj) for pj in layer.energies_pj.values()),
            layer.bound,
        )
    return table


def _kilobytes(layer: ArrayCost, level: str) -> str:
    """What crosses a level's ports, both ways."""
    moved = next(x.read_bits + x.write_bits for x in layer.levels if x.level == level)
    return f"{moved / 8192:,.1f}" if moved < 8192 * 1000 else f"{moved / 8192:,.0f}"


def _micro(pj: float | None) -> str:
    if pj is None:
        return "-"
    return f"{pj * 1e-6:.3g}" if pj < 999.5e6 else f"{pj * 1e-6:,.0f}"
