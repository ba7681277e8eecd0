"""`hwsim run`: one network on one unit, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json, progress_bar, table_of
from hwsim.cli.sources import (
    check_empty,
    check_path,
    source,
    with_calibration,
    with_data,
    with_json,
    with_layer_csv,
    with_mac,
    with_node,
    with_scale,
    with_threads,
)

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.networks import LayerReport, RunReport


@click.command("run")
@click.argument("model")
@with_mac
@with_data
@with_calibration
@with_scale
@click.option("--layers", is_flag=True, help="One line per layer.")
@click.option("--everything", is_flag=True, help="All telemetry: lost mass, dominance, range.")
@with_node
@click.option("--seed", default=0, show_default=True, help="Of sr's bits and --verify.")
@click.option("--verify", default=0, metavar="N", help="Check N outputs a layer by the reference.")
@click.option("--dump", metavar="DIR", help="Write golden vectors of every layer.")
@with_layer_csv
@click.option("--plot", "plot_path", metavar="FILE", help="Draw the layers (png, svg or pdf).")
@with_threads
@with_json
def run_command(
    model: str,
    mac: str,
    data: str | None,
    calibration: str | None,
    layers: bool,
    everything: bool,
    csv_path: str | None,
    plot_path: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run MODEL (an ONNX file, or digits-cnn or char-lm) on one MAC unit.

    \b
    Examples:
      hwsim run char-lm --mac int8xint8+int17 --layers
      hwsim run digits-cnn --mac e4m3xe4m3+fp16 --verify 8 --dump vectors
      hwsim run m.onnx --data d.npz --mac bf16xbf16+fp32 --csv layers.csv
      hwsim run digits-cnn --mac mixed.toml --layers
    \b
    A .toml gives layers units of their own; the first name or pattern that fits a layer wins,
    and one that fits no layer is an error:
      [layers]
      "conv*" = "int8xint8+int18"
      "*" = "int8xint8+int20"
    """
    from hwsim.networks.mixed import as_units

    unit = as_units(mac)
    item = source(model, data)
    for option, path in (("--csv", csv_path), ("--plot", plot_path)):
        check_path(option, path, (".png", ".svg", ".pdf") if option == "--plot" else ())
    check_empty("--dump", options["dump"])
    from hwsim.networks import Network, evaluate, run
    from hwsim.networks.files import finite

    telemetry = True if everything else "counts"
    with progress_bar(item.name) as progress:  # large models take seconds to load, too
        network = Network.load(item.model)
        inputs = network.data(item.data)
        report = run(
            network,
            inputs,
            unit,
            calibration=calibration,
            telemetry=telemetry,
            progress=progress,
            **options,
        )
    score = evaluate(report.outputs, inputs.labels, network.baseline(inputs))
    if csv_path:
        report.to_csv(csv_path)
    if plot_path:
        report.plot(plot_path)
    if as_json:
        print_json(finite(report.to_dict() | {"score": score.to_dict()}))
        return
    _print(item.name, str(unit), report, score, layers)


def _print(name: str, unit: str, report: RunReport, score: Any, layers: bool) -> None:
    from hwsim.sweeps.summary import format_number
    from hwsim.sweeps.table import HEADINGS

    screen = console()

    def say(text: str) -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    value = f"{HEADINGS[score.metric]} {format_number(score.metric, score.value)}"
    if score.metric != "sqnr_db" and score.sqnr_db is not None:
        value += f", SQNR {score.sqnr_db:.1f} dB"
    say(f"{name} on {unit}: {value}")
    say(f"scales from {report.calibration_source}")
    if layers:
        screen.print()
        screen.print(_table(report.layers))
        screen.print()
    totals = report.totals
    energy = totals["energy_mac_pj"] * 1e-6
    say(f"{totals['macs']:,} MACs, {energy:.4g} µJ in the MAC units alone ({report.node})")
    if totals["verified"]:
        say(f"Verified: {totals['verified']} outputs equal the reference, all bits.")


def _table(layers: tuple[LayerReport, ...]) -> Table:
    from rich.markup import escape

    from hwsim.sweeps.table import percent

    sizes = ("M", "K", "N", "batch", "MACs")
    counted = ("swamped\n%", "partly\n%", "overflow\nsteps", "outputs\nhit %")
    table = table_of("layer", *sizes, *counted, "energy\nµJ", padding=1)
    for layer in layers:
        counts = layer.telemetry
        assert counts is not None  # this command always counts
        added = max(1, counts.additions)
        table.add_row(
            escape(layer.name),
            *(f"{value:,}" for value in (layer.m, layer.k, layer.n, layer.batch, layer.macs)),
            percent(counts.swamped_full / added),
            percent(counts.swamped_partial / added),
            f"{counts.overflow_steps + counts.outer.overflow_steps:,}",
            percent(counts.struck / max(1, counts.outputs)),
            f"{layer.energy_mac_pj * 1e-6:.3g}",
        )
    return table
