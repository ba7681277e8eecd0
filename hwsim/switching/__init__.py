"""How much a layer's own operands switch, and the energy by that: see docs/activity.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsim import costs
from hwsim.costs.activity import DataEnergy, Switching, check_gating, data_energy
from hwsim.costs.nodes import Node
from hwsim.networks import LayerUnits, Network
from hwsim.networks.data import DataLike
from hwsim.networks.execution import LayerRun, Progress
from hwsim.networks.products import Product
from hwsim.networks.scales import ScaleLike
from hwsim.networks.source import ModelLike
from hwsim.switching.counting import Tiles, count
from hwsim.switching.operands import operand_toggles
from hwsim.switching.orders import STATIONARY, check_stationary
from hwsim.switching.randomness import random_counts
from hwsim.switching.report import Activity, NetworkActivity
from hwsim.switching.sampling import sample
from hwsim.switching.sources import Source, source_of
from hwsim.switching.sums import UncountedError, check_countable, multipliers_of, places_of
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

MACS = 1 << 16
MOST = 1 << 24


@dataclass(frozen=True)
class How:
    """How a layer is seen, sampled and priced."""

    stationary: str = "weight"
    gating: str = "none"
    macs: int = MACS
    seed: int = 0
    node: str | Node = "45nm"

    def __post_init__(self) -> None:
        check_stationary(self.stationary)
        check_gating(self.gating)
        for name, value, least, most in (
            ("macs", self.macs, 1, MOST),
            ("seed", self.seed, 0, None),
        ):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least or (most is not None and value > most):
                upper = "" if most is None else f" to {most}"
                raise ValueError(f"{name}={value!r}: an integer from {least}{upper} is needed")


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
    macs : how many MACs are followed through products and sums; a product with no more is counted
        exactly.  Operands are always counted exactly.  seed : draws the outputs.
    node : technology of the costs.

    Returns an `Activity`.  Raises ValueError for options and shapes, UncountedError for a unit
    whose sums cannot be followed, otherwise as `hwsim.matmul` does.

    >>> still = activity(np.ones((64, 32)), np.ones((32, 8)), "int8xint8+int32")
    >>> round(still.ratio, 2), still.a_toggles, still.exact
    (0.13, 1, True)
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


def counted(source: Source, how: How) -> Activity:
    """All counts of a layer's operands, and its energy."""
    unit, (items, m, k, n) = source.unit, source.sizes
    check_countable(unit)
    drawn = sample(items, m, k, n, how.stationary, how.macs, how.seed)
    operands = [_operands(source, item, how.stationary) for item in range(items)]
    words = [sum(column) for column in zip(*operands, strict=True)] or [0] * 4
    random = random_counts(unit.summing, k, how.stationary == "output")
    if items and m and n and k:
        found = count(unit, Tiles(*source.tiles(drawn), how.stationary, drawn))
        gated = how.gating in ("zero", "both")
        switching, idle, widths = found.gated if gated else found.plain, found.idle, found.widths
    else:
        switching, idle, widths = Switching(), 0.0, random.widths
    energy, name = _energy(unit, (items * m * n, k), switching, random.plain, how)
    return Activity(
        unit=str(unit),
        node=name,
        stationary=how.stationary,
        gating=how.gating,
        m=m,
        k=k,
        n=n,
        items=items,
        a_words=items * m * k,
        b_words=items * n * k,
        a_zeros=words[0],
        b_zeros=words[1],
        a_toggles=words[2],
        b_toggles=words[3],
        followed=len(drawn.places) * drawn.rows * drawn.columns * k,
        exact=drawn.exact,
        switching=switching,
        idle=idle,
        widths=widths,
        random=random.plain,
        energy=energy,
    )


def _energy(
    unit: MacUnit, outputs: tuple[int, int], data: Switching, random: Switching, how: How
) -> tuple[DataEnergy, str]:
    """Of ``outputs``: how many, of how many products each; and the node's name."""
    price, (count, k) = costs.cost(unit, how.node), outputs
    times = (count * k, count * -(-k // unit.order.group), count)
    return data_energy(price, times, data, random, how.gating), price.node


def _operands(source: Source, item: int, stationary: str) -> tuple[int, int, int, int]:
    """Zeros of a and b, and their toggles."""
    unit, (_, m, k, n) = source.unit, source.sizes
    places = places_of(unit, k)
    plain = places == list(range(k))
    zeros = [
        sum(_zeros(x, fmt) for x in pieces)
        for pieces, fmt in ((source.rows(item), unit.a), (source.columns(item), unit.b))
    ]
    toggles = operand_toggles(
        lambda: (x if plain else x[:, places] for x in source.rows(item)),
        lambda: (x if plain else x[:, places] for x in source.columns(item)),
        *(m, n),
        stationary,
        multipliers_of(unit),
    )
    return zeros[0], zeros[1], *toggles


def _zeros(codes: Any, fmt: Any) -> int:
    """Codes of ±0."""
    from hwsim import simulate  # imports numba

    found = np.zeros(codes.shape, bool)
    if fmt.has_zero if hasattr(fmt, "has_zero") else True:
        for zero in np.unique(simulate.encode(np.array([0.0, -0.0]), fmt)):
            found |= codes == zero
    return int(np.count_nonzero(found))


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
    found: dict[str, Activity] = {}
    uncounted: dict[str, str] = {}

    def watch(run: LayerRun, product: Product, result: Any, span: range) -> None:
        name = run.layer.name
        try:
            part = counted(source_of(product, run.unit), how)
        except UncountedError as error:
            uncounted[name] = str(error)
            return
        found[name] = part if name not in found else found[name] + part

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
    layers = tuple((name, found[name]) for name in network.layers if name in found)
    return NetworkActivity(network.name, layers, tuple(uncounted.items()))
