"""Write docs/catalogue.md: for every unit of the catalogue, what there is of it.

    python scripts/catalogue.py

Cases are those of tests/exhaustive.json (`make exhaustive`), ratios those of benchmarks/RESULTS.md
(`make bench`); a test makes the page anew and fails where it differs.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
PAGE = ROOT / "docs" / "catalogue.md"
NONE = "missing"
HEAD = """# Catalogue

`python scripts/catalogue.py` writes this page: one unit for each part that a description can name.
The reference of all of them is `hwsim.reference` (`units.dot`, `multipliers.multiply`); *kernel* is
what `hwsim mac` says of finite data of any size (known data may need less); *cases* were compared
with the reference, all bits and all counts, by `make exhaustive`: every pair of 8-bit codes and
seeded sums; *ratio* is to NumPy's float32 GEMM on one thread, by `make bench`; *cost* is where its
prices come from.

| unit | stands for | source | kernel | cases | ratio | cost |
| --- | --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The page's text."""
    import hwsim
    from hwsim.simulate import describe
    from hwsim.units.catalogue import MISSING, UNITS

    record = json.loads((ROOT / "tests" / "exhaustive.json").read_text(encoding="utf-8"))
    cases = record["sections"].get("catalogue", {}).get("units", {})
    ratios = measured()
    rows = []
    for entry in UNITS:
        unit = hwsim.mac(entry.unit)
        done = f"{cases[entry.unit]:,}" if entry.unit in cases else NONE
        cost = hwsim.cost(unit).source.split(":")[0]
        cells = (f"`{entry.unit}`", entry.part, entry.source, "; ".join(describe(unit)), done)
        rows.append(" | ".join((*cells, ratios.get(entry.unit, NONE), cost)))
    missing = "\n".join(f"- {what}" for what in MISSING)
    missing = (
        f"Not there yet:\n\n{missing}"
        if missing
        else "No part that a description names is missing."
    )
    table = "\n".join(f"| {row} |" for row in rows)
    return f"{HEAD}{table}\n\n{missing}\n"


def measured() -> dict[str, str]:
    """Ratios to GEMM of units on plain data, nothing counted."""
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    row = re.compile(
        r"\| `([^`]+)` \| (?:normal|int8|powers) \| no \|[^|]+\|[^|]+\|[^|]+\| ([0-9.]+) "
    )
    return {_canonical(unit): ratio for unit, ratio in row.findall(text)}


def _canonical(unit: str) -> str:
    """A unit's own spelling; of a table that nobody brought here, the one it had."""
    import hwsim

    try:
        return str(hwsim.mac(unit))
    except hwsim.SpecError:
        return unit


def main() -> None:
    """Write it, whole or not at all."""
    partial = PAGE.with_suffix(".tmp")
    partial.write_text(page(), encoding="utf-8")
    partial.replace(PAGE)
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
