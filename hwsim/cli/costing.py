"""`hwsim cost`: units by several cost models, and the models against published prices."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import click

from hwsim.cli.output import console, print_json, table_of
from hwsim.cli.sources import check_path

if TYPE_CHECKING:
    from rich.table import Table

    from hwsim.costs.comparing import Benchmark
    from hwsim.costs.model import Cost
    from hwsim.costs.models import CostModel, Structural
    from hwsim.costs.nodes import Node
    from hwsim.costs.synthesis import Judgement

COMPARE = "compare"
NETLISTS = "netlists"
AT_45NM = ("structural", "plain", "qkeras", "horowitz")


@click.command("cost")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="structural, plain, qkeras, horowitz, jouppi, gates or a .toml of prices; repeatable.",
)
@click.option(
    "--calibrate",
    "points",
    multiple=True,
    metavar="'OP FORMAT=PJ'",
    help="A measured energy, for a node of your own; repeatable.",
)
@click.option("--node", help="Technology of the structural model: 45nm (default) or 7nm.")
@click.option(
    "--goal",
    type=click.Choice(("area", "speed")),
    default="area",
    show_default=True,
    help="What structural units are made for: chains and arrays, or prefixes and Booth.",
)
@click.option(
    "--plot", "plot_path", metavar="FILE", help="With compare or netlists: draw it (png, svg, pdf)."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def cost_command(
    units: tuple[str, ...],
    models: tuple[str, ...],
    node: str | None,
    points: tuple[str, ...],
    goal: str,
    plot_path: str | None,
    as_json: bool,
) -> None:
    """Energy and area of MAC units by several cost models, side by side.

    Of the structural model also transistors, the levels of gates that bound the clock, energy ×
    delay (lower is better) and throughput per area (higher is better).
    Energies are those of the arithmetic alone, never of a chip.  `hwsim cost compare` holds the
    models against published silicon instead: errors, rank correlation, and each point left out
    of the fit.  `hwsim cost netlists` holds the structural model's transistors and levels of gates
    against synthesised circuits.  A model says by name what it cannot price.

    \b
    Examples:
      hwsim cost int8xint8+int32 bf16xbf16+fp32
      hwsim cost e4m3xe4m3+fp16 --model structural --model mine.toml
      hwsim cost e4m3xe4m3+fp16 --calibrate "mul int8=0.05" --calibrate "add fp32=0.3"
      hwsim cost compare --plot models.png
      hwsim cost netlists --plot netlists.png
    \b
    mine.toml:
      name = "my library"
      node = "28nm"
      [add]
      fp16 = 0.12
      [mul]
      e4m3 = { pj = 0.05, um2 = 110 }
    """
    from hwsim.costs.models import Structural, benchmarked, cost_model

    if units == (NETLISTS,):
        if models or node or points or goal != "area":
            raise click.UsageError(
                "netlists: the structural model alone, for area; no --model, "
                "--node, --calibrate or --goal"
            )
        check_path("--plot", plot_path, (".png", ".svg", ".pdf"))
        _netlists(plot_path, as_json)
        return
    comparing = units == (COMPARE,)
    for word in (COMPARE, NETLISTS):
        if word in units and len(units) > 1:
            raise click.UsageError(f"{word} stands alone: it takes no units")
    own = _calibrated(points, node)
    if own and models and "structural" not in models:
        raise click.UsageError("--node, --calibrate: only the model structural has several nodes")
    names = models or (("structural",) if own else AT_45NM)
    chosen = [cost_model(name, own if name == "structural" else None) for name in names]
    if comparing and not models and not own:
        chosen = benchmarked()
    chosen = [replace(m, goal=goal) if isinstance(m, Structural) else m for m in chosen]
    check_path("--plot", plot_path, (".png", ".svg", ".pdf"))
    if comparing:
        _compare(chosen, plot_path, as_json)
    elif plot_path:
        raise click.UsageError("--plot: only `hwsim cost compare` and `hwsim cost netlists` draw")
    else:
        _show(units, chosen, goal, as_json)


def _calibrated(points: tuple[str, ...], node: str | None) -> Node | str | None:
    """The node that was asked for: by name, or by what was measured on it."""
    from hwsim.costs.calibrating import calibrated_node

    if not points:
        return node
    if node:
        raise click.UsageError("--node, --calibrate: one of the two")
    measured = {}
    for text in points:
        what, _, value = text.rpartition("=")
        what = " ".join(what.split())
        if what in measured:
            raise click.UsageError(f"--calibrate {text!r}: {what} stands there twice")
        try:
            measured[what] = float(value)
        except ValueError:
            raise click.UsageError(
                f"--calibrate {text!r}: an operation or unit, =, and pJ, as in 'mul int8=0.07'"
            ) from None
    return calibrated_node(measured)


def _compare(models: list[CostModel], plot_path: str | None, as_json: bool) -> None:
    from hwsim.costs.anchors import ANCHORS
    from hwsim.costs.comparing import compare_models

    found = compare_models(models)
    if not found.predictions:
        nodes = ", ".join(sorted({model.node for model in models}))
        known = ", ".join(dict.fromkeys(anchor.node for anchor in ANCHORS))
        raise click.UsageError(
            f"compare: no published point is of {nodes}; there are some of {known}"
        )
    if plot_path:
        from hwsim.costs.drawing import draw_comparison
        from hwsim.networks.files import save_figure

        save_figure(draw_comparison(found), Path(plot_path))
    if as_json:
        print_json(found.to_dict())
        return
    screen = console()
    screen.print(_points(found))
    screen.print()
    screen.print(_records(found))


def _netlists(plot_path: str | None, as_json: bool) -> None:
    from hwsim.costs.synthesis import judge, square_parts, unit_netlists

    units, parts = unit_netlists(), square_parts()
    if plot_path:
        from hwsim.costs.drawing import draw_netlists
        from hwsim.networks.files import save_figure

        save_figure(draw_netlists(), Path(plot_path))
    groups = {
        "floating-point units": judge(units),
        "adders, multipliers, 3 bits on": judge(parts),
        "both": judge([*units, *parts]),
    }
    if as_json:
        rows = [netlist.to_dict() for netlist in (*parts, *units)]
        print_json({"netlists": rows, "judged": {k: asdict(v) for k, v in groups.items()}})
        return
    screen = console()
    table = table_of("netlist", "transistors", "model", "error", "levels", "model", "error")
    for n in units:
        sizes = (str(n.transistors), str(n.modelled), _signed(n.error))
        depths = (str(n.depth), str(n.modelled_depth), _signed(n.depth_error))
        table.add_row(f"{n.kind} {n.name}", *sizes, *depths)
    screen.print(table)
    screen.print()
    screen.print(_judged(groups))


def _judged(groups: dict[str, Judgement]) -> Table:
    table = table_of(
        "netlists", "count", "median\nerror", "worst\nerror", "levels:\nmedian", "worst"
    )
    table.add_column("pairs in the\nwrong order", justify="right")
    for name, found in groups.items():
        errors = (found.median, found.worst, found.median_depth, found.worst_depth)
        order = f"{found.misranked} of {found.clear}"
        table.add_row(name, str(found.netlists), *map(_percent, errors), order)
    return table


def _points(found: Benchmark) -> Table:
    table = table_of("published point", "pJ")
    for record in found.records:
        table.add_column(record.model, justify="right", no_wrap=True)
    anchors = list(dict.fromkeys(p.anchor for p in found.predictions))
    for anchor in anchors:
        errors = {p.model: p.error for p in found.predictions if p.anchor == anchor}
        cells = [_signed(errors.get(record.model)) for record in found.records]
        name = f"{anchor.node} {anchor.operation} {anchor.format}"
        table.add_row(name, f"{anchor.energy_pj:g}", *cells)
    return table


def _records(found: Benchmark) -> Table:
    table = table_of("model", "points\npriced", "median\nerror", "worst\nerror", "rank\ncorr.")
    table.add_column("left out:\nmedian", justify="right")
    table.add_column("priced", justify="right")
    for r in found.records:
        table.add_row(
            r.model,
            f"{r.priced} of {r.points}",
            _percent(r.median),
            _percent(r.worst),
            "-" if r.rank is None else f"{r.rank:.3f}",
            _percent(r.held_out),
            f"{r.held_out_priced} of {r.points}",
        )
    return table


def _show(units: tuple[str, ...], models: list[CostModel], goal: str, as_json: bool) -> None:
    from hwsim.costs.model import cost
    from hwsim.costs.models import Structural, UnpricedError
    from hwsim.units import as_unit

    rows: list[dict[str, Any]] = []
    for text in units:
        unit = as_unit(text)
        for model in models:
            row: dict[str, Any] = {"unit": str(unit), "model": model.name, "node": model.node}
            try:
                price = model.unit(unit)
                row |= {"energy_pj": price.energy_pj, "area_um2": price.area_um2, "why": ""}
            except UnpricedError as error:
                row |= {"energy_pj": None, "area_um2": None, "why": str(error)}
            rows.append(row)
    ours = [m for m in models if isinstance(m, Structural)]
    built = [cost(row["unit"], ours[0].constants, goal) for row in rows[:: len(models)] if ours]
    if as_json:
        sources = {m.name: m.source for m in models}
        structure = [price.to_dict() for price in built]
        print_json({"prices": rows, "structure": structure, "sources": sources})
        return
    table = table_of("unit", *(f"{model.name}\npJ" for model in models))
    for model in models:
        table.add_column(f"{model.name}\nµm²", justify="right", no_wrap=True)
    for start in range(0, len(rows), len(models)):
        own = rows[start : start + len(models)]
        energies = ["-" if r["energy_pj"] is None else f"{r['energy_pj']:.4g}" for r in own]
        areas = ["-" if r["area_um2"] is None else f"{r['area_um2']:.0f}" for r in own]
        table.add_row(own[0]["unit"], *energies, *areas)
    screen = console()
    screen.print(table)
    for why in dict.fromkeys(r["why"] for r in rows if r["why"]):
        screen.print(why, highlight=False, markup=False)
    if built:
        screen.print(_structure(built))
    for model in models:
        volts = f", {model.constants.voltage_v} V" if _has_volts(model) else ""
        text = f"{model.name}: {model.node}{volts}; {model.source}"
        screen.print(text, highlight=False, markup=False)
    screen.print("Energy of the arithmetic alone, not of a chip.", highlight=False)


def _has_volts(model: CostModel) -> TypeGuard[Structural]:
    from hwsim.costs.models import Structural

    return isinstance(model, Structural) and model.constants.voltage_v is not None


def _structure(prices: list[Cost]) -> Table:
    """What the structural model counts, and what follows from its depth."""
    table = table_of("unit", "transistors", "gate\nlevels", "energy × delay\npJ · levels")
    table.add_column("MACs per level\nand 10⁶ T", justify="right", no_wrap=True)
    for price in prices:
        table.add_row(
            price.unit,
            str(price.transistors),
            str(price.depth)
            if price.delay_ps is None
            else f"{price.depth}, {price.delay_ps:.0f} ps",
            f"{price.energy_delay:.4g}",
            f"{price.throughput_per_area:.3g}",
        )
    return table


def _signed(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:+.0f} %"


def _percent(error: float | None) -> str:
    return "-" if error is None else f"{100 * error:.1f} %"
