"""Sweeps: one network, many MAC units, and what each of them costs and loses."""

from hwsim.sweeps.result import FILES, Sweep, check_free
from hwsim.sweeps.rows import COLUMNS, YARDSTICK, Row
from hwsim.sweeps.summary import Standing
from hwsim.sweeps.tasks import Task, run_task, sweep

__all__ = [
    "COLUMNS",
    "FILES",
    "YARDSTICK",
    "Row",
    "Standing",
    "Sweep",
    "Task",
    "check_free",
    "run_task",
    "sweep",
]
