"""What SCALE-Sim counts: writes tests/costs/scalesim.csv, which the tests hold our arrays against.

pip install scalesim==3.0.0, then python scripts/scale_sim.py.  Its demand matrices have one line a
cycle, and −1 where a row or column asks for nothing.
"""

from __future__ import annotations

import csv
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).resolve().parents[1] / "tests" / "costs" / "scalesim.csv"
DATAFLOWS = {"output": "os", "weight": "ws", "input": "is"}
ARRAYS = ((4, 4), (8, 4), (3, 5), (16, 16))
PRODUCTS = (
    *((4, 4, 4), (8, 16, 12), (7, 5, 3), (1, 9, 17)),
    *((33, 20, 18), (5, 1, 1), (16, 64, 16), (50, 40, 30)),
)


def counted(dataflow: str, array: tuple[int, int], size: tuple[int, int, int]) -> dict[str, Any]:
    """Cycles of (M, K) × (K, N), and words of a, b and out that cross the array's edges."""
    name = f"systolic_compute_{DATAFLOWS[dataflow]}"
    machine = getattr(import_module(f"scalesim.compute.{name}"), name)()
    config = import_module("scalesim.scale_config").scale_config()
    config.set_arr_dims(*array)
    config.valid_conf_flag = True
    m, k, n = size
    shapes = {"ifmap_op_mat": (m, k), "filter_op_mat": (k, n), "ofmap_op_mat": (m, n)}
    operands = {x: np.arange(r * c, dtype=float).reshape(r, c) for x, (r, c) in shapes.items()}
    machine.set_params(config_obj=config, **operands)
    machine.create_demand_matrices()
    asked = {
        "a": machine.ifmap_demand_matrix,
        "b": machine.filter_demand_matrix,
        "out": machine.ofmap_demand_matrix,
    }
    row = {"dataflow": dataflow, "rows": array[0], "columns": array[1], "m": m, "k": k, "n": n}
    words = {x: int((matrix != -1).sum()) for x, matrix in asked.items()}
    return row | {"cycles": len(asked["a"])} | words


def main() -> None:
    """Write the file."""
    rows = [counted(*case) for case in product(DATAFLOWS, ARRAYS, PRODUCTS)]
    with FILE.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
