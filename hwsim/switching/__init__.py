"""How much a layer's own operands switch, and the energy by that: see docs/activity.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim.costs.activity import DataEnergy, Switching
from hwsim.costs.nodes import Node
from hwsim.networks import LayerUnits, Network
from hwsim.networks.data import DataLike
from hwsim.networks.execution import LayerRun, Progress
from hwsim.networks.products import Product
from hwsim.networks.scales import ScaleLike
from hwsim.networks.source import ModelLike
from hwsim.switching.layers import MACS, How, counted
from hwsim.switching.orders import STATIONARY
from hwsim.switching.report import Activity, NetworkActivity
from hwsim.switching.sources import source_of
from hwsim.switching.sums import UncountedError
from hwsim.units import MacUnit, as_unit

__all__ = [
    "STATIONARY",
    "Activity",
    "DataEnergy",
    "NetworkActivity",
    "Switching",
    "UncountedError",
    "activity",
    "network_activity",
]


def activity(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: str | MacUnit,
    *,
    c: npt.ArrayLike | None = None,
    stationary: str = "weight",
    gating: str = "none",
    macs: int = MACS,
    seed: int = 0,
    node: str | Node = "45nm",
) -> Activity:
    """Toggles and energy of a·b, a matrix product on a MAC unit.

    Parameters
    ----------
    a, b, c, mac : as in `hwsim.matmul`: values (…, M, K), (…, K, N).
    stationary : weight (b is held), output or input (a is held): `hwsim.switching.orders`.
    gating : none; zero (a MAC with a zero operand leaves multiplier and adder as they are); clock
        (a register whose word stays has no clock); both.
    macs : about how many MACs are followed through products and sums, 1 to 2^22, and two outputs at
        least; a product with no more is counted exactly.  Operands always are.  seed : draws the
        outputs.
    node : technology of the costs.

    Returns an `Activity`.  Raises ValueError for options and shapes, UncountedError for a unit
    whose sums cannot be followed, otherwise as `hwsim.matmul` does.

    >>> still = activity(np.ones((64, 32)), np.ones((32, 8)), "int8xint8+int32")
    >>> round(still.ratio, 2), still.a_toggles, still.exact
    (0.12, 1, True)
    """
    how = How(stationary, gating, macs, seed, node)
    unit, (left, right) = as_unit(mac), (_matrix(name, x) for name, x in (("a", a), ("b", b)))
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"a {left.shape} and b {right.shape}: K of both must be equal")
    start = None if c is None else np.asarray(c)
    sizes = (left.shape[-2], left.shape[-1], right.shape[-1])
    product = Product(left, right, None, *sizes, 1, 1, (), False, start, (None, None))
    return counted(source_of(product, unit), how)


def _matrix(name: str, x: Any) -> Any:
    from hwsim.simulate.inputs import as_real

    array = as_real(name, x)
    if array.ndim < 2:
        raise ValueError(f"{name}: shape {array.shape}; (…, M, K) and (…, K, N) are needed")
    return array


def network_activity(
    model: ModelLike | Network,
    inputs: DataLike,
    mac: str | MacUnit | LayerUnits,
    *,
    stationary: str = "weight",
    gating: str = "none",
    macs: int = MACS,
    seed: int = 0,
    node: str = "45nm",
    calibration: DataLike | None = None,
    scale: ScaleLike | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NetworkActivity:
    """Toggles and energy of every layer of a network, on the operands that it has in a run.

    Parameters: ``model``, ``inputs``, ``mac``, ``calibration``, ``scale``, ``threads``,
    ``progress`` as in `hwsim.run`; the others as in `activity`, ``macs`` for each layer and
    mini-batch.  A mini-batch is one product: a processing element begins anew with the next one.

    Returns a `NetworkActivity`: to_dict(), to_csv(), plot().  Layers whose units cannot be counted
    stand in ``uncounted``, with the reason.  Raises as `hwsim.run` does, ValueError for options.

    >>> from hwsim.networks import shipped
    >>> digits = shipped("digits-cnn")
    >>> found = network_activity(digits.model, digits.evaluation, "int8xint8+int32", macs=4096)
    >>> [name for name, _ in found.layers], 0.3 < found.ratio < 0.9
    (['conv1', 'conv2', 'conv3', 'fc1', 'fc2'], True)
    """
    how = How(stationary, gating, macs, seed, node)
    network = model if isinstance(model, Network) else Network.load(model)
    network.check_layers()
    watch = _Watch(how)
    network.run(
        inputs,
        mac,
        calibration=None if calibration is None else network.measure(calibration),
        scale=scale,
        telemetry=False,
        threads=threads,
        seed=seed,
        node=node,
        progress=progress,
        watch=watch,
    )
    layers = tuple((name, watch.found[name]) for name in network.layers if name in watch.found)
    return NetworkActivity(network.name, layers, tuple(watch.uncounted.items()))


@dataclass
class _Watch:
    """Called with every product of a run: what each layer switched so far."""

    how: How
    found: dict[str, Activity] = field(default_factory=dict)
    uncounted: dict[str, str] = field(default_factory=dict)

    def __call__(self, run: LayerRun, product: Product, result: Any, span: range) -> None:
        name = run.layer.name
        try:
            part = counted(source_of(product, run.unit), self.how)
        except UncountedError as error:
            self.uncounted[name] = str(error)
            return
        self.found[name] = part if name not in self.found else self.found[name] + part
