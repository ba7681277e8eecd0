"""One layer of the language model on nine generations of matrix units: `docs/draw.py` draws it.

python docs/generations.py      prints the table of docs/matrix-units.md
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import hwsim
from hwsim.networks import shipped

LAYER, ROWS = "block1.down", 1024
NVIDIA = ("volta", "turing", "ampere", "ada", "hopper", "blackwell")
HALF = tuple(f"{name}.fp16" for name in (*NVIDIA, "cdna1", "cdna2", "cdna3"))
PROMOTED = "e4m3xe4m3+fp32:rtz:inf_always:fused32f13z-133p128/e8m13"
EIGHT = {
    "ada.e4m3": "ada.e4m3",
    "hopper.e4m3": "hopper.e4m3",
    "hopper.e4m3, promoted": PROMOTED,
    "blackwell.e4m3": "blackwell.e4m3",
}


@cache
def operands() -> tuple[Any, Any]:
    """Activations (1024, 256) and weights (256, 64) of the layer, fp16 values."""
    model = shipped("char-lm")
    fmt = hwsim.format("fp16")
    with tempfile.TemporaryDirectory() as folder:
        hwsim.run(model.model, model.evaluation, "fp16xfp16+fp32", dump=folder, telemetry=False)
        with np.load(Path(folder) / f"{LAYER}.npz", allow_pickle=False) as layer:
            a, b = (np.asarray(hwsim.decode(layer[f"{x}_codes"], fmt)) for x in "ab")
    return a[:ROWS], b


def scaled(x: Any, unit: str) -> Any:
    """x in the unit's operand format; for 8 bits times the power of two that puts its largest
    magnitude into [8, 16), as for networks."""
    fmt = hwsim.mac(unit).a
    power = 3 - np.floor(np.log2(np.abs(x).max())) if fmt.width == 8 else 0.0
    return hwsim.round(x * 2.0**power, fmt)


@cache
def results() -> dict[str, tuple[Any, Any]]:
    """What every unit gives, and how far that is from the exact sum, as a share of Σ|a·b|."""
    a, b = operands()
    found = {}
    for name, unit in ({x: x for x in HALF} | EIGHT).items():
        left, right = scaled(a, unit), scaled(b, unit)
        out = np.asarray(hwsim.matmul(left, right, unit))
        exact = left.astype(np.float64) @ right.astype(np.float64)  # errs by some 2^-50
        mass = np.abs(left).astype(np.float64) @ np.abs(right).astype(np.float64)
        found[name] = (out, np.abs(out - exact) / np.where(mass > 0, mass, 1.0))
    return found


def table() -> list[tuple[str, float, float, float]]:
    """Name, share of outputs unlike the exact sum rounded to nearest, median and largest error."""
    rows = []
    for name, (out, error) in results().items():
        unit = hwsim.mac(EIGHT.get(name, name))
        a, b = (scaled(x, str(unit)) for x in operands())
        nearest = np.asarray(hwsim.matmul(a, b, f"{unit.a}x{unit.b}+fp32:exact"))
        rows.append((name, float(np.mean(out != nearest)), *_ends(error)))
    return rows


def _ends(error: Any) -> tuple[float, float]:
    return float(np.median(error)), float(np.max(error))


def draw() -> Figure:
    """Left: outputs whose bits differ between two generations; right: errors."""
    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.1, 1.0))
    _differences(left)
    _errors(right)
    return figure


def _differences(axes: Any) -> None:
    outs = [results()[name][0] for name in HALF]
    share = np.array([[np.mean(x != y) for y in outs] for x in outs])
    names = [name.removesuffix(".fp16") for name in HALF]
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (i, j), value in np.ndenumerate(share):
        text = "=" if value == 0 else f"{100 * value:.0f}"
        axes.text(j, i, text, ha="center", va="center", color="white" if value > 0.5 else "0.2")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("fp16: outputs with different bits, %")
    axes.tick_params(length=0)


def _errors(axes: Any) -> None:
    found = results()
    names = list(found)[::-1]
    for at, name in enumerate(names):
        median, top = _ends(found[name][1])
        colour = "#0072B2" if name in HALF else "#D55E00"
        axes.plot([median, top], [at, at], color=colour, lw=1.5, zorder=1)
        axes.plot(median, at, "o", color=colour, ms=6)
        axes.plot(top, at, "|", color=colour, ms=10)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set(title="error: median (dot) to largest (bar)", xlabel="|error| / Σ|a·b|")
    axes.grid(True, axis="x", color="0.93")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Print the table."""
    print("| unit | not rounded as the exact sum | median error | largest error |")
    print("| --- | --- | --- | --- |")
    for name, share, median, top in table():
        print(f"| `{name}` | {100 * share:.1f} % | {median:.1e} | {top:.1e} |")


if __name__ == "__main__":
    main()
