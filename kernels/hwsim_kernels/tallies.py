"""What a pass counts, on the way from and to its arrays."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from hwsim_kernels.counting import SLOT
from hwsim_kernels.multiply import ROWS
from hwsim_kernels.paths import ALL, LARGEST, NONE, UNBOUNDED, Path
from hwsim_kernels.tiles import Tile
from hwsim_kernels.vectors import FLOATS, I64, Vector, bits, floats, lane_values, widened


def flag_starts(tile: Tile, path: Path) -> list[Any]:
    """Masks of the outputs that an overflow strikes, where any can."""
    if path.level == NONE or path.limit == UNBOUNDED:
        return []
    return [ir.Constant(tile.whole, None)] * (ROWS * tile.vectors)


def store_flags(tile: Tile, flags: list[Vector], at: Any) -> None:
    if not flags:
        return
    for spot, flag in zip(tile.spots("flags", at), flags, strict=True):
        before = tile.load(spot, tile.whole)
        tile.store(tile.builder.or_(before, flag.value), spot)


def start(tile: Tile, name: str) -> Any:
    """A count, a maximum or a sum at zero."""
    wide = ir.VectorType(FLOATS[64], tile.lanes)
    kind = {"largest": tile.whole, "lost": wide, "mass": wide}
    return ir.Constant(kind[name], None) if name in kind else I64(0)


def wrapped(builder: Any, tally: dict[str, Any]) -> dict[str, Any]:
    """Vectors as `Vector`, counts as they are."""
    return {k: v if k in SLOT else Vector(builder, v) for k, v in tally.items()}


def count_up(tile: Tile, path: Path, level: int, tally: dict[str, Any]) -> None:
    """Add a pass's counts to ``counts``."""
    builder = tile.builder
    for name, value in tally.items():
        if name in SLOT:
            spot = tile.address("counts", level, SLOT[name])
            builder.store(builder.add(builder.load(spot), value), spot)
    if path.level == ALL:
        _raise_largest(tile, level, tally["largest"])


def _raise_largest(tile: Tile, level: int, largest: Vector) -> None:
    """Bits of float64 magnitudes are ordered as integers."""
    builder, spot = tile.builder, tile.address("counts", level, LARGEST)
    top = builder.load(spot)
    for x in lane_values(bits(widened(floats(largest)))):
        top = builder.select(builder.icmp_signed(">", x, top), x, top)
    builder.store(top, spot)
