"""The networks that ship with hwsim."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hwsim.networks.errors import ModelError

NAMES = ("digits-cnn", "char-lm")


@dataclass(frozen=True)
class Shipped:
    """A shipped network: its model and its two data files."""

    name: str
    model: Path
    calibration: Path
    evaluation: Path


def shipped(name: str) -> Shipped:
    """Paths of a shipped network.

    >>> shipped("digits-cnn").model.name
    'digits-cnn.onnx'
    """
    if name not in NAMES:
        raise ModelError(f"no network {name!r} ships with hwsim; those that do: {', '.join(NAMES)}")
    folder = Path(str(resources.files("hwsim").joinpath("zoo")))
    return Shipped(
        name,
        folder / f"{name}.onnx",
        folder / f"{name}.calibration.npz",
        folder / f"{name}.evaluation.npz",
    )


def recognise(sha256: str) -> Shipped | None:
    """The shipped network whose model file has this digest."""
    for name in NAMES if sha256 else ():
        network = shipped(name)
        if hashlib.sha256(network.model.read_bytes()).hexdigest() == sha256:
            return network
    return None
