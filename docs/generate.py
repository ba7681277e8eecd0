"""Tables that the pages include, made from the code itself: run by conf.py at every build."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from hwsim.costs import NODES, compare_anchors
from hwsim.costs.synthesis import CLEAR, judge, square_parts, unit_netlists
from hwsim.costs.toggling import STREAMS, netlist_toggles
from hwsim.formats import (
    ALIASES,
    CATALOGUE,
    Entry,
    FixedFormat,
    FloatFormat,
    PositFormat,
    TableFormat,
)

ROOT = Path(__file__).parent.parent
SHOWN_WIDTHS = (1, 4, 8, 16, 32)


def write(folder: Path) -> None:
    """Write every table into ``folder`` as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in TABLES.items():
        (folder / f"{name}.md").write_text(make() + "\n", encoding="utf-8")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in r) + " |" for r in lines
    )


# --- formats --------------------------------------------------------------------------------------
def floats() -> str:
    """The float formats of the catalogue."""
    entries = [e for e in CATALOGUE.values() if isinstance(e.format, FloatFormat)]
    headings = ("name", "width", "exp. bits", "precision", "bias", "specials", "field 0")
    values = ("largest", "min normal", "smallest", "NaN code", "overflow", "source")
    return table(headings + values, [_float_row(entry) for entry in entries])


def _float_row(entry: Entry) -> list[str]:
    fmt = entry.format
    assert isinstance(fmt, FloatFormat)
    fields = (fmt.width, fmt.exponent_bits, fmt.precision, fmt.exponent_bias)
    return [
        f"`{entry.name}`",
        *map(str, fields),
        fmt.specials,
        fmt.zero_field + ("" if fmt.has_zero else ", no zero"),
        *map(number, (fmt.largest, fmt.smallest_normal, fmt.smallest)),
        f"{fmt.nan_code:#x}" if fmt.has_nan else "–",
        fmt.default_overflow,
        entry.source,
    ]


def integers() -> str:
    """Some of the integers and fixed-point formats."""
    rows = []
    for entry in CATALOGUE.values():
        fmt = entry.format
        if isinstance(fmt, FixedFormat) and (fmt.width in SHOWN_WIDTHS or fmt.fraction_bits):
            limits = (fmt.lowest, fmt.largest, fmt.smallest)
            cells = [f"`{entry.name}`", str(fmt.width), *map(number, limits)]
            rows.append([*cells, fmt.default_overflow, entry.source])
    headings = ("name", "width", "lowest", "largest", "step", "overflow", "source")
    return table(headings, rows)


def tables() -> str:
    """The catalogue's formats that are tables."""
    rows = []
    for entry in CATALOGUE.values():
        fmt = entry.format
        if isinstance(fmt, TableFormat):
            cells = (fmt.width, len(fmt.entries), *map(_shown, (fmt.lowest, fmt.largest)))
            smallest = "–" if fmt.largest == fmt.smallest else _shown(fmt.smallest)
            rows.append([f"`{entry.name}`", *map(str, cells), smallest, entry.source])
    return table(("name", "width", "values", "lowest", "largest", "smallest", "source"), rows)


def posits() -> str:
    """The catalogue's posits."""
    rows = []
    for entry in CATALOGUE.values():
        fmt = entry.format
        if isinstance(fmt, PositFormat):
            numbers = (fmt.width, fmt.exponent_bits, fmt.precision)
            ends = (number(fmt.smallest), number(fmt.largest), str(fmt.quire_bits))
            rows.append([f"`{entry.name}`", *map(str, numbers), *ends, entry.source])
    headings = ("name", "width", "es", "precision", "minpos", "maxpos", "quire", "source")
    return table(headings, rows)


def _shown(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.8g}"


def aliases() -> str:
    """What other libraries' names mean here."""
    return table(("name", "is"), [(f"`{a}`", f"`{name}`") for a, name in ALIASES.items()])


def number(value: Fraction) -> str:
    """A value: whole where short, else m·2^e, which is exact for every float format."""
    if value.denominator == 1 and abs(value) < 10**7:
        return str(value.numerator)
    if value.denominator != 1 and (
        value.denominator <= 8 or (value.denominator < 10**4 and value > 1)
    ):
        return f"{float(value)!r}".removesuffix(".0")
    top, exponent = value.numerator, 1 - value.denominator.bit_length()
    while top % 2 == 0:
        top, exponent = top // 2, exponent + 1
    if abs(top) == 1:
        return f"{'-' if top < 0 else ''}2^{exponent}"
    if len(str(abs(top))) > 6:  # too many digits to read: say how far it is from a power of two
        return _near_power(Fraction(value))
    return f"{top}·2^{exponent}"


def _near_power(value: Fraction) -> str:
    upper = (value.numerator // value.denominator).bit_length()
    gap = Fraction(2) ** upper - value
    assert gap > 0
    assert gap.numerator & (gap.numerator - 1) == 0
    exponent = gap.numerator.bit_length() - gap.denominator.bit_length()
    return f"2^{upper} − " + (f"2^{exponent}" if exponent else "1")


def disagreements() -> str:
    """Where other libraries give other results (tests/formats/disagreements.py)."""
    path = ROOT / "tests" / "formats" / "disagreements.py"
    spec = importlib.util.spec_from_file_location("disagreements", path)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    rows = [(r.library, r.case, r.theirs, r.ours, r.clause) for r in module.TABLE]
    return table(("library", "case", "theirs", "ours", "why"), rows)


# --- costs ----------------------------------------------------------------------------------------
def anchors() -> str:
    """Predicted beside published costs."""
    rows = []
    for c in compare_anchors():
        a = c.anchor
        area = ("–", "–", "–")
        if a.area_um2 is not None and c.predicted_area_um2 is not None:
            area = (f"{c.predicted_area_um2:.0f}", f"{a.area_um2:.0f}", f"{c.area_error:+.0%}")
        energy = (f"{c.predicted_energy_pj:.3g}", f"{a.energy_pj:.3g}", f"{c.energy_error:+.0%}")
        fitted = " (the point of the fit)" if a.fitted else ""
        rows.append((a.node, f"{a.format} {a.operation}", *energy, *area, a.source + fitted))
    energies = ("energy, pJ", "published", "error")
    areas = ("area, µm²", "published", "error")
    return table(("node", "operation", *energies, *areas, "source"), rows)


def nodes() -> str:
    """The constants of every technology node."""
    rows = []
    for node in NODES.values():
        area = node.area_um2_per_transistor
        rows.append(
            (
                f"`{node.name}`",
                f"{node.energy_aj_per_transistor} aJ (10⁻¹⁸ J)",
                "not calibrated" if area is None else f"{area} µm²",
                "not stated" if node.voltage_v is None else f"{node.voltage_v} V",
                node.source,
                node.area_source,
                node.valid,
            )
        )
    constants = ("energy / transistor", "area / transistor", "supply")
    return table(("node", *constants, "energy from", "area from", "valid for"), rows)


def netlists() -> str:
    """Errors and order of the structural model over the shipped netlists."""
    units = unit_netlists()
    rows = []
    for name, own in (
        *(
            (f"`{kind}` of one format", [n for n in units if n.kind == kind])
            for kind in ("add", "mul")
        ),
        ("MAC units", [n for n in units if n.kind == "mac"]),
        (
            "adders and multipliers, 3 to 32 bits",
            [n for n in square_parts() if n.bits and n.bits[0] <= 32],
        ),
        ("all of them", [*units, *(n for n in square_parts() if n.bits and n.bits[0] <= 32)]),
    ):
        found = judge(own)
        errors = (found.median, found.worst, found.median_depth, found.worst_depth)
        order = f"{found.misranked} of {found.clear}"
        rows.append((name, str(found.netlists), *(f"{100 * x:.1f} %" for x in errors), order))
    errors = ("transistors: median error", "worst", "levels: median error", "worst")
    wrong = f"pairs more than {CLEAR} times apart in the wrong order"
    return table(("netlists", "count", *errors, wrong), rows)


def toggles() -> str:
    """Ratios of netlists' toggles beside the model's."""
    rows = []
    for design in dict.fromkeys(t.design for t in netlist_toggles()):
        own = [t for t in netlist_toggles() if t.design == design]
        cells = [f"{t.ratio:.2f} / {t.modelled:.2f} ({t.error:+.2f})" for t in own[1:]]
        rows.append((f"`{design}`", f"{own[0].switched:.0f}", *cells))
    return table(("netlist", "T switched", *STREAMS[1:]), rows)


TABLES: dict[str, Callable[[], str]] = {
    "floats": floats,
    "integers": integers,
    "tables": tables,
    "posits": posits,
    "aliases": aliases,
    "disagreements": disagreements,
    "anchors": anchors,
    "nodes": nodes,
    "netlists": netlists,
    "toggles": toggles,
}
