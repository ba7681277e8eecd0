"""`hwsim sweep`: networks × MAC units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json, progress_bar
from hwsim.cli.sources import (
    SHIPPED,
    Source,
    check_empty,
    given,
    source,
    with_calibration,
    with_node,
    with_scale,
    with_threads,
)

if TYPE_CHECKING:
    from hwsim.sweeps import Sweep

# Each shows something: the yardsticks, the 16-bit floats, FP8 with ever narrower accumulators,
# Wang's unit, integer accumulators around the cliff, and the narrowest operands.
UNITS = (
    "fp32xfp32+fp32",
    "bf16xbf16+fp32",
    "bf16xbf16+bf16",
    "fp16xfp16+fp16",
    "e4m3xe4m3+fp32",
    "e4m3xe4m3+fp16",
    "e4m3xe4m3+e4m3",
    "e5m2xe5m2+e6m9",
    "e5m2xe5m2+e6m9:chunk64",
    "int8xint8+int32",
    "int8xint8+int18",
    "int8xint8+int17",
    "int8xint8+int17:saturate",
    "int8xint4+int16",
    "int4xint4+int12",
    "e2m1xe2m1+fp16",
)


@click.command("sweep")
@click.option("--model", help="ONNX file, or digits-cnn or char-lm; both of these by default.")
@click.option("--data", help="npz: arrays named as the model's inputs, optional integer 'labels'.")
@click.option(
    "--mac",
    "macs",
    multiple=True,
    metavar="UNIT",
    help="Unit, or .toml of layers' units; repeatable.",
)
@with_calibration
@with_scale
@click.option(
    "--metric",
    type=click.Choice(["auto", "accuracy", "bits_per_character", "sqnr_db"]),
    default="auto",
    show_default=True,
)
@with_node
@click.option("--seed", default=0, show_default=True, help="Of sr's bits and --verify.")
@click.option("--verify", default=0, metavar="N", help="Check N outputs a layer by the reference.")
@click.option("--dump", metavar="DIR", help="Write golden vectors of every layer.")
@click.option("--out", default="hwsim-sweep", show_default=True, help="Folder of the results.")
@click.option("--force", is_flag=True, help="Replace an earlier result in --out.")
@with_threads
@click.option("--json", "as_json", is_flag=True, help="Print results.json instead of the table.")
def sweep_command(
    model: str | None, macs: tuple[str, ...], out: str, force: bool, as_json: bool, **options: Any
) -> None:
    """Run networks on many MAC units: quality, swamping, overflow, energy and area of each.

    Without arguments, both shipped networks on sixteen units.

    \b
    Examples:
      hwsim sweep
      hwsim sweep --mac int8xint8+int16 --mac int8xint8+int16:saturate --verify 4
      hwsim sweep --model m.onnx --data d.npz --mac e4m3xe4m3+fp16 --mac fp16xfp16+fp32
    """
    from hwsim.networks.mixed import as_units
    from hwsim.sweeps import check_free

    units = [as_units(text) for text in macs or UNITS]
    data = options.pop("data")
    if model is None and data is not None:
        raise click.UsageError("--data needs --model: the network that the data is for")
    sources = [source(m, data) for m in ([model] if model else SHIPPED)]
    folder = Path(out)
    check_free(folder, force)
    check_empty("--dump", options["dump"], force)
    result = _run(sources, units, options)
    paths = result.save(folder, force)
    if as_json:
        print_json(result.to_dict())
        return
    _print(result, paths)


def _run(sources: list[Source], units: list[Any], options: dict[str, Any]) -> Sweep:
    from hwsim.sweeps import sweep

    results = []
    for item in sources:
        with progress_bar(item.name) as progress:
            results.append(
                sweep(
                    item.model,
                    item.data,
                    units,
                    name=item.name,
                    arguments=item.arguments + given(options),
                    progress=progress,
                    **options,
                )
            )
    return sum(results[1:], start=results[0])


def _print(result: Sweep, paths: tuple[Path, ...]) -> None:
    from hwsim.sweeps.table import make_table

    screen = console()
    about = result.metadata
    tasks = ", ".join(f"{name} ({t['samples']} samples)" for name, t in about["tasks"].items())
    line = f"{tasks}; seed {about['seed']}; {about['node']}, energy of the MACs alone"
    screen.print(line, highlight=False)
    screen.print()
    screen.print(make_table(result.standings))
    screen.print()
    for sentence in result.sentences:
        command = sentence.startswith("Next: ")  # to be copied whole
        screen.print(sentence, highlight=False, markup=False, soft_wrap=command)
    verified = sum(row.verified for row in result.rows)
    if verified:
        screen.print(
            f"Verified: {verified} outputs equal the reference, all bits.", highlight=False
        )
    names = " ".join(path.name for path in paths)
    screen.print(f"Wrote {paths[0].parent}/: {names}", highlight=False, soft_wrap=True)
