"""Run the README's sweep and put its real table and picture into the README.

python scripts/update_readme.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- sweep:begin -->\n).*?(<!-- sweep:end -->)", re.DOTALL)


def main() -> None:
    """Replace the block between the markers, and docs/pictures/sweep.png."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hwsim", "sweep"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        picture = (Path(folder) / "hwsim-sweep" / "pareto.png").read_bytes()
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    block = "```\n" + "\n".join(lines) + "\n```\n"
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    replace(readme, BLOCK.sub(lambda m: m[1] + block + m[2], text).encode())
    replace(ROOT / "docs" / "pictures" / "sweep.png", picture)


def replace(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    partial.write_bytes(content)
    partial.replace(path)


if __name__ == "__main__":
    main()
