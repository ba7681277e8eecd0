"""Amaranth, or an error that names the extra; and a datapath under construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

try:
    from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
except ImportError as error:  # pragma: no cover
    raise ImportError("hwsim.rtl needs Amaranth: pip install 'hwsim[rtl]'") from error

__all__ = ["Array", "Bits", "Cat", "Const", "Datapath", "Module", "Mux", "Signal"]

Bits = Any  # a value of Amaranth's, which has no types of its own


@dataclass
class Datapath:
    """Wires and registers of one module.

    ranks : where pipeline registers stand: after the ``product``, after ``alignment``; nowhere
        else `rank` is more than a wire.
    wires, registers : what takes which value; registers at every clock.
    """

    ranks: frozenset[str] = frozenset()
    wires: list[tuple[Bits, Bits]] = field(default_factory=list)
    registers: list[tuple[Bits, Bits]] = field(default_factory=list)

    def wire(self, value: Bits, name: str, shape: Bits = None) -> Bits:
        """A named wire of a value, cut to ``shape`` (None: the value's own)."""
        wire = Signal(value.shape() if shape is None else shape, name=name)
        self.wires.append((wire, value))
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
        """The datapath as one module; ``apart``: every wire in one of its own, which Amaranth's
        simulator runs several times faster."""
        module = Module()
        for wire, value in self.wires:
            part = Module() if apart else module
            part.d.comb += wire.eq(value)
            if apart:
                module.submodules += part
        for register, value in self.registers:
            module.d.sync += register.eq(value)
        return module

    def rank(self, where: str, values: dict[str, Bits]) -> dict[str, Bits]:
        """A register for every wire, if a rank stands there."""
        if where not in self.ranks:
            return values
        return {name: self.register(value, f"{where}_{name}") for name, value in values.items()}
