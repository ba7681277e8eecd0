"""Models and data as command-line arguments: shipped names, or files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

SHIPPED = ("digits-cnn", "char-lm")


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
        shown = model if data is None else f"{model} --data {data}"
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
    return Source(Path(model).stem, model, data, f"{model} --data {data}")
