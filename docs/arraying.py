"""Arrays: what arrays.md shows.  ``docs/draw.py`` draws the pictures.

python docs/arraying.py      prints what the page's commands print
"""

from __future__ import annotations

import contextlib
import io

from matplotlib.figure import Figure

import hwsim
from hwsim.cli import main
from hwsim.costs import DATAFLOWS, Memory, array_cost
from hwsim.networks import shipped
from hwsim.networks.array_drawing import draw_arrays

COMMANDS = (
    ("array", "512x512x512", "int8xint8+int32", "bf16xbf16+fp32"),
    ("array", "char-lm", "int8xint8+int32", "--samples", "8", "--sram-kb", "128"),
)
COLOURS = ("#0072B2", "#D55E00", "#009E73")  # Okabe and Ito 2008
SHAPE = (1024, 512, 256)
SIZES_KB = tuple(2 ** (i / 8) for i in range(-8, 81))


def printed(*arguments: str) -> str:
    """What a command prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main(arguments)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def draw_network() -> Figure:
    """The language model on two units: where the energy goes, and what bounds its layers."""
    network = hwsim.Network.load(shipped("char-lm").model)
    machine = hwsim.Array(sram=hwsim.costs.sram(128))
    units = ("int8xint8+int32", "bf16xbf16+fp32")
    return draw_arrays([hwsim.array(network, unit, machine, samples=8) for unit in units])


def draw_capacity() -> Figure:
    """DRAM traffic of one product against the SRAM's capacity, by dataflow."""
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    gemm = hwsim.Gemm(*SHAPE)
    for kind, colour in zip(DATAFLOWS, COLOURS, strict=True):
        moved = []
        for kb in SIZES_KB:
            array = hwsim.Array(dataflow=kind, sram=Memory("sram", 64, 0.0, 0.0, kb))
            found = array_cost(gemm, "int8xint8+int32", array)
            (level,) = [x for x in found.levels if x.level == "dram"]
            moved.append((level.read_bits + level.write_bits) / 8192)
        axes.plot(SIZES_KB, moved, color=colour, lw=1.6, ds="steps-post",
                  label=f"{kind} stationary")  # fmt: skip
    m, k, n = SHAPE
    least = (m * k * 8 + k * n * 8 + m * n * 32) / 8192
    axes.axhline(least, color="0.6", lw=1, zorder=0)
    axes.annotate("every tensor once", (1, least), fontsize=8, color="0.4", va="bottom")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("SRAM, KB", fontsize=9)
    axes.set_ylabel("across the DRAM's interface, KB", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    for command in COMMANDS:
        print(printed(*command))
