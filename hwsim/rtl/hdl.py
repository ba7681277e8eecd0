"""Amaranth, or an error that names the extra; and a datapath under construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

try:
    from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, signed
    from amaranth.utils import bits_for
except ImportError as error:  # pragma: no cover
    raise ImportError("hwsim.rtl needs Amaranth: pip install 'hwsim[rtl]'") from error

__all__ = [
    "Array",
    "Bits",
    "Cat",
    "Const",
    "Datapath",
    "Module",
    "Mux",
    "Signal",
    "block",
    "signed",
]

Bits = Any  # a value of Amaranth's, which has no types of its own


@dataclass
class Datapath:
    """Wires and registers of one module.

    ranks : where pipeline registers stand: after the ``product``, after ``alignment``; nowhere
        else `rank` is more than a wire.
    wires, registers : what takes which value, in which block; registers at every clock.
    blocks : their names.  now : which one is being built.
    """

    ranks: frozenset[str] = frozenset()
    wires: list[tuple[Bits, Bits, int]] = field(default_factory=list)
    registers: list[tuple[Bits, Bits]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=lambda: ["unit"])
    now: int = 0

    def wire(self, value: Bits, name: str, shape: Bits = None) -> Bits:
        """A named wire of a value, cut to ``shape`` (None: the value's own)."""
        if isinstance(shape, range):
            shape = _spanned(shape)
        wire = Signal(value.shape() if shape is None else shape, name=name)
        self.wires.append((wire, value, self.now))
        return wire

    def state(self, bits: int, name: str, init: int = 0) -> Bits:
        """A register whose next value is named later, by `hold`.  It is not cleared."""
        return Signal(bits, name=name, init=init, reset_less=True)

    def hold(self, register: Bits, value: Bits) -> None:
        """Name a register's next value."""
        self.registers.append((register, value))

    def register(self, value: Bits, name: str) -> Bits:
        """A register that takes the value at every clock; nothing for a constant.  It starts at 0,
        a flag of a zero at 1."""
        if isinstance(value, Const):
            return value
        held = Signal(value.shape(), name=name, init=int(name.endswith("zero")), reset_less=True)
        self.hold(held, value)
        return held

    def module(self, apart: bool = False) -> Bits:
        """The datapath: a module for every block.  ``apart``: for every wire, which Amaranth's
        simulator runs several times faster."""
        module = Module()
        parts = {0: module}
        for number, (wire, value, block) in enumerate(self.wires):
            key = number + 1 if apart else block
            if key not in parts:
                parts[key] = Module()
                name = None if apart else f"{self.blocks[block]}_{block}"
                module.submodules[name or f"wire_{number}"] = parts[key]
            parts[key].d.comb += wire.eq(value)
        for register, value in self.registers:
            module.d.sync += register.eq(value)
        return module

    def rank(self, where: str, values: dict[str, Bits]) -> dict[str, Bits]:
        """A register for every wire, if a rank stands there."""
        if where not in self.ranks:
            return values
        return {name: self.register(value, f"{where}_{name}") for name, value in values.items()}


def _spanned(span: range) -> Bits:
    """The shape of every number of a range, which may have more of them than `len` can count."""
    ends, below = (span[0], span[-1]), span[0] < 0
    return Shape(max(bits_for(end, below) for end in ends) if any(ends) else 0, signed=below)


P = ParamSpec("P")
T = TypeVar("T")


def block(function: Callable[Concatenate[Datapath, P], T]) -> Callable[Concatenate[Datapath, P], T]:
    """What a function builds stands in a block of its name."""

    @wraps(function)
    def built(path: Datapath, /, *args: P.args, **kwargs: P.kwargs) -> T:
        before = path.now
        path.blocks.append(function.__name__.strip("_"))
        path.now = len(path.blocks) - 1
        try:
            return function(path, *args, **kwargs)
        finally:
            path.now = before

    return built
