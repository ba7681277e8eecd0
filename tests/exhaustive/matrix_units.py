"""Every digest of the matrix units, by the definition: `python -m tests.exhaustive.matrix_units`.

Some ten minutes; the tests have the first outputs of each.
"""

from __future__ import annotations

from tests.reference.test_fused import DIGESTS, DOTS, digest, dots


def main() -> None:
    """Print and compare the digests of both modes."""
    for spec, (free, normal, _) in DIGESTS.items():
        for mode, wanted in (("F", free), ("N", normal)):
            got = digest(dots(spec, mode, DOTS), spec)
            print(f"{spec:18} {mode} {got}", flush=True)
            if got != wanted:
                raise SystemExit(f"{spec}, mode {mode}: {got} is not {wanted}")


if __name__ == "__main__":
    main()
