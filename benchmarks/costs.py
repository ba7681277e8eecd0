"""Cost models against silicon and against synthesised circuits.

python benchmarks/costs.py     writes benchmarks/COSTS.md and costs.png; seconds, no timing

The tables are those of `hwsim cost compare` and `hwsim cost netlists`.  Peers that know no single
operations are not in them: Accelergy and Timeloop look energies up in tables like Horowitz's,
QKeras has his polynomials.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from hwsim.cli import main as hwsim
from hwsim.costs.comparing import compare_models
from hwsim.costs.drawing import draw_comparison, draw_netlists
from hwsim.costs.models import benchmarked

HERE = Path(__file__).resolve().parent
HEAD = """# Cost models

`make bench-costs` writes this page; a test makes it anew and fails where it differs. Errors are
predicted / published − 1; *left out* is each point predicted by constants fitted on all others.

## Published energies

```
{compared}
```

![Predicted against published](costs-silicon.png)

## Synthesised circuits

Yosys 0.23, mapped to NAND, NOR and NOT; levels are those of the longest path between registers.

```
{netlists}
```

![The model against netlists](costs-netlists.png)
"""


def printed(*arguments: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        hwsim(list(arguments))
    return "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())


def page() -> str:
    """The page's text."""
    return HEAD.format(compared=printed("cost", "compare"), netlists=printed("cost", "netlists"))


def main() -> None:
    """Write the page and its pictures."""
    for name, figure in (
        ("silicon", draw_comparison(compare_models(benchmarked()))),
        ("netlists", draw_netlists()),
    ):
        figure.savefig(HERE / f"costs-{name}.png", dpi=90, metadata={"Software": None})
    partial = HERE / "COSTS.tmp"
    partial.write_text(page(), encoding="utf-8")
    partial.replace(HERE / "COSTS.md")


if __name__ == "__main__":
    main()
