"""Models and data as command-line arguments: shipped names, or files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

SHIPPED = ("digits-cnn", "char-lm")
SCALES = ("auto", "absmax", "power2", "none", "affine")  # known here too: --help imports no network


# Options that several commands have.
with_mac = click.option(
    "--mac", required=True, metavar="UNIT", help="Unit of every layer, or a .toml of units."
)
with_data = click.option(
    "--data", help="npz with the model's inputs; not needed for shipped networks."
)
with_calibration = click.option(
    "--calibration", help="npz that fixes the scales; see the docs for the default."
)
with_scale = click.option(
    "--scale", type=click.Choice(SCALES), help="Rule of the scales; by format if left out."
)
with_node = click.option(
    "--node", default="45nm", show_default=True, help="Technology of the costs."
)
with_threads = click.option(
    "--threads", type=click.IntRange(min=1), help="By default all processors."
)
with_seed = click.option(
    "--seed", default=0, show_default=True, help="Of the outputs drawn, and sr's bits."
)
with_layer_csv = click.option("--csv", "csv_path", metavar="FILE", help="Write the layers as CSV.")
with_json = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@dataclass(frozen=True)
class Source:
    """A model, its data, and how to name both on a command line."""

    name: str
    model: str
    data: str
    arguments: str


def source(model: str, data: str | None) -> Source:
    """The model and data that two arguments name; usage error when one is missing."""
    if model in SHIPPED and not Path(model).exists():
        from hwsim.networks import shipped

        found = shipped(model)
        shown = model if data is None else f"{model} --data {shlex.quote(data)}"
        return Source(model, str(found.model), data or str(found.evaluation), shown)
    if not Path(model).exists():
        names = " or ".join(SHIPPED)
        raise click.UsageError(
            f"model {model!r}: no such file; a path to an ONNX model, or {names}"
        )
    if data is None:
        raise click.UsageError(
            f"model {model!r} needs --data: an npz with arrays named as its inputs, and optional "
            "integer 'labels'"
        )
    if not Path(data).exists():
        raise click.UsageError(f"--data {data!r}: no such file")
    return Source(Path(model).stem, model, data, f"{shlex.quote(model)} --data {shlex.quote(data)}")


REPEATED = {"calibration": None, "scale": None, "seed": 0, "node": "45nm"}


def given(options: dict[str, Any]) -> str:
    """The options that decide a run's numbers, as the next command must repeat them."""
    changed = {k: options[k] for k, default in REPEATED.items() if options.get(k) != default}
    return "".join(f" --{key} {shlex.quote(str(value))}" for key, value in changed.items())


def check_path(option: str, path: str | None, suffixes: tuple[str, ...] = ()) -> None:
    """Usage error for a file that cannot be written, before the work rather than after it."""
    if path is None:
        return
    if not Path(path).absolute().parent.is_dir():
        raise click.UsageError(f"{option} {path!r}: no such folder")
    if suffixes and Path(path).suffix.lower() not in suffixes:
        raise click.UsageError(f"{option} {path!r}: the name must end in {', '.join(suffixes)}")


def check_empty(option: str, folder: str | None, force: bool = False) -> None:
    """Usage error for a folder whose files a dump would replace."""
    if folder is None or force or not Path(folder).exists():
        return
    if not Path(folder).is_dir() or any(Path(folder).iterdir()):
        raise click.UsageError(f"{option} {folder!r}: not an empty folder; nothing is replaced")
