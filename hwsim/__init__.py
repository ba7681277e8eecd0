"""hwsim: a bit-accurate hardware arithmetic simulator for deep-learning accelerators.

One description of a MAC unit gives its numbers, its cost, its diagnosis and its proof::

    import hwsim
    c, telemetry = hwsim.matmul(a, b, "e5m2xe5m2+e6m9:chunk64", telemetry=True)

Everything is loaded on first use, so that importing hwsim costs nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from hwsim.errors import HwsimError, SpecError, UnsupportedOperator

if TYPE_CHECKING:
    from hwsim import reference as reference
    from hwsim import theory as theory
    from hwsim.accumulators import AccumulatorWidths as AccumulatorWidths
    from hwsim.accumulators import accumulator_widths as accumulator_widths
    from hwsim.costs import Array as Array
    from hwsim.costs import Cost as Cost
    from hwsim.costs import Gemm as Gemm
    from hwsim.costs import cost as cost
    from hwsim.diagnosis import Diagnosis as Diagnosis
    from hwsim.diagnosis import diagnose as diagnose
    from hwsim.formats import BlockFormat as BlockFormat
    from hwsim.formats import CodebookFormat as CodebookFormat
    from hwsim.formats import FixedFormat as FixedFormat
    from hwsim.formats import FloatFormat as FloatFormat
    from hwsim.formats import IntFormat as IntFormat
    from hwsim.formats import LogFormat as LogFormat
    from hwsim.formats import PositFormat as PositFormat
    from hwsim.formats import any_format as format
    from hwsim.networks import ArrayReport as ArrayReport
    from hwsim.networks import LayerUnits as LayerUnits
    from hwsim.networks import Network as Network
    from hwsim.networks import RunReport as RunReport
    from hwsim.networks import array as array
    from hwsim.networks import run as run
    from hwsim.simulate import Blocks as Blocks
    from hwsim.simulate import conv2d as conv2d
    from hwsim.simulate import conv2d_zero_point_correction as conv2d_zero_point_correction
    from hwsim.simulate import conv_transpose2d as conv_transpose2d
    from hwsim.simulate import decode as decode
    from hwsim.simulate import encode as encode
    from hwsim.simulate import matmul as matmul
    from hwsim.simulate import requantize as requantize
    from hwsim.simulate import rescaling as rescaling
    from hwsim.simulate import round as round
    from hwsim.simulate import zero_point_correction as zero_point_correction
    from hwsim.sweeps import Sweep as Sweep
    from hwsim.sweeps import sweep as sweep
    from hwsim.switching import Activity as Activity
    from hwsim.switching import NetworkActivity as NetworkActivity
    from hwsim.switching import activity as activity
    from hwsim.switching import network_activity as network_activity
    from hwsim.units import Bins as Bins
    from hwsim.units import Chunked as Chunked
    from hwsim.units import DotAdd as DotAdd
    from hwsim.units import DoubleWord as DoubleWord
    from hwsim.units import Exact as Exact
    from hwsim.units import ExactProduct as ExactProduct
    from hwsim.units import Fused as Fused
    from hwsim.units import Kahan as Kahan
    from hwsim.units import Lanes as Lanes
    from hwsim.units import LogSum as LogSum
    from hwsim.units import MacUnit as MacUnit
    from hwsim.units import Requantization as Requantization
    from hwsim.units import Rescaling as Rescaling
    from hwsim.units import Reversed as Reversed
    from hwsim.units import RoundedProduct as RoundedProduct
    from hwsim.units import Sequential as Sequential
    from hwsim.units import Staged as Staged
    from hwsim.units import StoredProduct as StoredProduct
    from hwsim.units import Telemetry as Telemetry
    from hwsim.units import Tree as Tree
    from hwsim.units import as_unit as mac

__version__ = "0.1.0"

logging.getLogger("hwsim").addHandler(logging.NullHandler())

# Public name → (module, name there).
_WHERE = {
    "format": ("hwsim.formats", "any_format"),
    "mac": ("hwsim.units", "as_unit"),
    "multiplier": ("hwsim.units", "multiplier"),
    **{
        name: ("hwsim.formats", name)
        for name in (
            "BlockFormat",
            "CodebookFormat",
            "FixedFormat",
            "FloatFormat",
            "IntFormat",
            "LogFormat",
            "PositFormat",
        )
    },
    **{
        name: ("hwsim.units", name)
        for name in (
            "Chunked",
            "Bins",
            "DotAdd",
            "DoubleWord",
            "Exact",
            "ExactProduct",
            "Fused",
            "Kahan",
            "Lanes",
            "LogSum",
            "MacUnit",
            "Requantization",
            "Rescaling",
            "Reversed",
            "RoundedProduct",
            "Staged",
            "StoredProduct",
            "Sequential",
            "TableMultiplier",
            "Telemetry",
            "Tree",
        )
    },
    **{
        name: ("hwsim.simulate", name)
        for name in (
            "Blocks",
            "conv2d",
            "conv2d_zero_point_correction",
            "conv_transpose2d",
            "decode",
            "encode",
            "matmul",
            "requantize",
            "rescaling",
            "round",
            "zero_point_correction",
        )
    },
    **{name: ("hwsim.costs", name) for name in ("Array", "Cost", "Gemm", "cost")},
    **{
        name: ("hwsim.networks", name)
        for name in ("ArrayReport", "LayerUnits", "Network", "RunReport", "array", "run")
    },
    **{name: ("hwsim.sweeps", name) for name in ("Sweep", "sweep")},
    **{name: ("hwsim.accumulators", name) for name in ("AccumulatorWidths", "accumulator_widths")},
    **{name: ("hwsim.diagnosis", name) for name in ("Diagnosis", "diagnose")},
    **{
        name: ("hwsim.switching", name)
        for name in ("Activity", "NetworkActivity", "activity", "network_activity")
    },
}

__all__ = [
    "AccumulatorWidths",
    "Activity",
    "Array",
    "ArrayReport",
    "BlockFormat",
    "Blocks",
    "Chunked",
    "CodebookFormat",
    "Cost",
    "Diagnosis",
    "DotAdd",
    "DoubleWord",
    "Exact",
    "ExactProduct",
    "FixedFormat",
    "FloatFormat",
    "Fused",
    "Gemm",
    "HwsimError",
    "IntFormat",
    "Kahan",
    "Lanes",
    "LayerUnits",
    "LogFormat",
    "LogSum",
    "MacUnit",
    "Network",
    "NetworkActivity",
    "PositFormat",
    "Requantization",
    "Rescaling",
    "Reversed",
    "RoundedProduct",
    "RunReport",
    "Sequential",
    "SpecError",
    "Staged",
    "Sweep",
    "TableMultiplier",
    "Telemetry",
    "Tree",
    "UnsupportedOperator",
    "accumulator_widths",
    "activity",
    "array",
    "conv2d",
    "conv2d_zero_point_correction",
    "conv_transpose2d",
    "cost",
    "decode",
    "diagnose",
    "encode",
    "format",
    "mac",
    "matmul",
    "multiplier",
    "network_activity",
    "reference",
    "requantize",
    "rescaling",
    "round",
    "run",
    "sweep",
    "theory",
    "zero_point_correction",
]


def __getattr__(name: str) -> Any:
    if name in ("reference", "theory"):
        return importlib.import_module(f"hwsim.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'hwsim' has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
