"""Judge every mutant of the reference by the laws: docs/mutations.md, exit 1 if one survives."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from tests.testing.mutants import MUTANTS, judged, page, seen_by, untouched  # noqa: E402


def main() -> int:
    found = []
    for mutant in MUTANTS:
        laws = seen_by(judged(mutant))
        found.append((mutant, laws))
        print(f"{mutant.spec:<44} {', '.join(laws) or 'SURVIVES':<40} {mutant}", flush=True)
    (ROOT / "docs" / "mutations.md").write_text(page(found), encoding="utf-8")
    survivors = sum(not laws for _, laws in found)
    print(f"{len(found)} mutants, {survivors} survive")
    specs = dict.fromkeys(mutant.spec for mutant in MUTANTS)
    blamed = [spec for spec in specs if seen_by(judged(untouched(spec)))]
    print(f"{len(specs)} specifications, called broken without a mutant: {blamed or 'none'}")
    return int(survivors > 0 or bool(blamed))


if __name__ == "__main__":
    sys.exit(main())
