"""`hwsim activity`: what a network's operands switch, and the energy by that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json, progress_bar, table_of
from hwsim.cli.sources import (
    check_path,
    source,
    with_calibration,
    with_data,
    with_json,
    with_layer_csv,
    with_mac,
    with_node,
    with_scale,
    with_seed,
    with_threads,
)

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.switching import NetworkActivity

STATIONARY = ("weight", "output", "input")
GATINGS = ("none", "zero", "clock", "both")


@click.command("activity")
@click.argument("model")
@with_mac
@with_data
@with_calibration
@with_scale
@click.option(
    "--stationary",
    type=click.Choice(STATIONARY),
    default="weight",
    show_default=True,
    help="What a processing element holds.",
)
@click.option(
    "--gating",
    type=click.Choice(GATINGS),
    default="none",
    show_default=True,
    help="Zero operands skip the MAC; registers whose word stays have no clock.",
)
@click.option("--macs", default=1 << 16, show_default=True, help="MACs a layer that are followed.")
@with_node
@with_seed
@with_layer_csv
@click.option("--plot", "plot_path", metavar="FILE", help="Draw the layers (png, svg or pdf).")
@with_threads
@with_json
def activity_command(
    model: str,
    mac: str,
    data: str | None,
    csv_path: str | None,
    plot_path: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Count what every layer's own operands switch while MODEL (an ONNX file, digits-cnn, char-lm)
    runs, and price it.

    Bits of operands, products and sums that switch from one MAC to the next, in the order in which
    a processing element sees them; and the energy of the arithmetic by that, beside the energy on
    uniform random operands, which `hwsim cost` states.

    \b
    Examples:
      hwsim activity char-lm --mac int8xint8+int32
      hwsim activity digits-cnn --mac e4m3xe4m3+fp16 --stationary output --plot layers.png
      hwsim activity m.onnx --data d.npz --mac int8xint8+int32 --gating zero --csv layers.csv
    """
    from hwsim.networks.mixed import as_units

    unit = as_units(mac)
    item = source(model, data)
    for option, path in (("--csv", csv_path), ("--plot", plot_path)):
        check_path(option, path, (".png", ".svg", ".pdf") if option == "--plot" else ())
    from hwsim.switching import network_activity

    with progress_bar(item.name) as progress:
        found = network_activity(item.model, item.data, unit, progress=progress, **options)
    if csv_path:
        found.to_csv(csv_path)
    if plot_path:
        found.plot(plot_path)
    if as_json:
        print_json(found.to_dict())
        return
    _print(item.name, str(unit), found)


def _print(name: str, unit: str, found: NetworkActivity) -> None:
    screen = console()

    def say(text: str) -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    if found.layers:
        first = found.layers[0][1]
        say(
            f"{name} on {unit}, {first.stationary}-stationary, gating {first.gating} ({first.node})"
        )
        screen.print(_table(found))
        say("")
        energy = found.energy
        say(
            f"{energy.data_pj * 1e-6:.4g} µJ in the MAC units alone by data, {found.ratio:.3f} × "
            f"the {energy.random_pj * 1e-6:.4g} µJ on uniform random operands"
        )
    for layer, why in found.uncounted:
        say(f"{layer}: {why}")


def _table(found: NetworkActivity) -> Table:
    from rich.markup import escape

    from hwsim.sweeps.table import percent

    zeros, bits = ("zeros\na %", "zeros\nb %"), ("a\n%", "b\n%", "product\n%", "sums\n%")
    last = ("random\nµJ", "by data\nµJ", "ratio")
    table = table_of("layer", "MACs", *zeros, *bits, *last)
    for name, layer in found.layers:
        rates = layer.rates
        table.add_row(
            escape(name),
            f"{layer.macs:,}",
            percent(layer.a_zeros / max(1, layer.a_words)),
            percent(layer.b_zeros / max(1, layer.b_words)),
            *(percent(rates[word]) for word in ("a", "b", "product", "sums")),
            f"{layer.energy.random_pj * 1e-6:.3g}",
            f"{layer.energy.data_pj * 1e-6:.3g}",
            f"{layer.ratio:.3f}",
        )
    return table
