"""Run ordinary ONNX models with their matrix products and convolutions on a simulated MAC unit."""

from __future__ import annotations

from os import PathLike

from hwsim.networks.arrays import ArrayReport, array
from hwsim.networks.calibration import Calibration
from hwsim.networks.data import Data, DataLike, load_npz
from hwsim.networks.engine import TelemetryMode
from hwsim.networks.errors import DataError, LayerError, ModelError, VerificationError
from hwsim.networks.execution import Progress
from hwsim.networks.filling import fill_weights
from hwsim.networks.metrics import METRICS, Score, accuracy, evaluate, is_within, sqnr_db
from hwsim.networks.mixed import LayerUnits
from hwsim.networks.network import MacLike, Network
from hwsim.networks.report import LayerReport, RunReport
from hwsim.networks.scales import ScaleLike, scale_and_zero_point, scale_for
from hwsim.networks.source import ModelLike
from hwsim.networks.unseen import NativeProductWarning
from hwsim.networks.zoo import Shipped, shipped

__all__ = [
    "METRICS",
    "ArrayReport",
    "Calibration",
    "Data",
    "DataError",
    "LayerError",
    "LayerReport",
    "LayerUnits",
    "ModelError",
    "NativeProductWarning",
    "Network",
    "RunReport",
    "Score",
    "Shipped",
    "VerificationError",
    "accuracy",
    "array",
    "evaluate",
    "fill_weights",
    "is_within",
    "load_npz",
    "run",
    "scale_and_zero_point",
    "scale_for",
    "shipped",
    "sqnr_db",
]


def run(
    model: ModelLike | Network,
    inputs: DataLike,
    mac: MacLike,
    *,
    calibration: DataLike | None = None,
    scale: ScaleLike | None = None,
    telemetry: TelemetryMode = "counts",
    threads: int | None = None,
    verify: int = 0,
    seed: int = 0,
    dump: str | PathLike[str] | None = None,
    batch: int | None = None,
    bias: str = "float32",
    node: str = "45nm",
    progress: Progress | None = None,
) -> RunReport:
    """Run an ONNX model bit for bit as hardware with the MAC unit ``mac`` would.

    Conv, ConvTranspose, Einsum, Gemm and MatMul run on the unit (recurrent operators, Attention and
    local functions as their MatMuls), everything else on ONNX Runtime in float32.  An
    operand x enters the unit as x / s (float64), rounded to its format; results are multiplied
    by s_a·s_b in float64 and rounded once to float32; biases are added after that, in float32
    (``bias="acc"`` puts them into the sums).  Unsigned integer formats have zero points; layers
    that the model gives in integer codes run on these codes where the unit's formats hold them.
    The first ONNX input of a layer is the unit's operand ``a``, the second ``b``.

    Parameters
    ----------
    model : path, bytes, onnx.ModelProto (not changed), or a prepared `Network`.
    inputs : mapping of input names to arrays, an npz path, or an array for a single input.  The
        samples are the first axis; each is computed by itself, unless the model mixes them.
    mac : description, `MacUnit`, or a mapping of layer-name patterns (fnmatch, first match wins)
        to either, or `LayerUnits` (or the path of its file, ``….toml``); a pattern that fits no
        layer is an error.
    calibration : data for the scales, in any form that ``inputs`` takes; by default a shipped
        model's calibration split, else the first ≤ 256 samples of ``inputs``.
    scale : overrides the scales' rule (`hwsim.networks.scale_and_zero_point`): a divisor s, a
        pair (s, zero point), or ``auto``, ``absmax``, ``power2``, ``none``, ``affine``; a mapping
        ``{"a": …, "b": …}`` of these; or a mapping of layer-name patterns to either.
    telemetry : ``counts`` (cheap), True (all) or False.
    threads : for the simulation; by default all.
    verify : recompute so many random outputs of every layer by the reference, drawn with
        ``seed``; VerificationError on any bit that differs.
    seed : of these outputs, and of sr's random bits: each layer and each sample has a stream of its
        own, so that neither ``batch`` nor other samples change a result.
    dump : folder for golden vectors, one npz per layer; its README.txt explains them.
    batch : samples per mini-batch; changes memory and speed, never an output or a count (only
        the last bits of the telemetry's lost and mass, which are rounded per mini-batch).
    bias : ``float32`` adds biases after the output conversion; ``acc`` makes them the initial
        value of the sums, and LayerError where the accumulator cannot hold them exactly.
    node : technology node of the costs.
    progress : called with (layer, done, total) after every layer of every mini-batch.

    Returns
    -------
    RunReport with outputs, layers, to_dict(), to_csv(), plot().

    Raises
    ------
    UnsupportedOperator (a node multiplies but is not simulated), ModelError, DataError,
    SpecError (``mac``), LayerError (NaN into a format without one), VerificationError.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> report = run(digits.model, digits.evaluation, "int8xint8+int32")
    >>> report.outputs["logits"].shape
    (540, 10)
    """
    network = model if isinstance(model, Network) else Network.load(model)
    measured = None if calibration is None else network.measure(calibration)
    return network.run(
        inputs,
        mac,
        calibration=measured,
        scale=scale,
        telemetry=telemetry,
        threads=threads,
        verify=verify,
        seed=seed,
        dump=dump,
        batch=batch,
        bias=bias,
        node=node,
        progress=progress,
    )
