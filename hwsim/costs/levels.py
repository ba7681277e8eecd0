"""Levels of storage: what one access moves and costs, how much a level holds, how fast it is.

Prices: SRAM and DRAM by Horowitz (ISSCC 2014, 45 nm, 0.9 V), each for an access of 64 bits;
registers are flip-flops of the node's own transistors.  No other node has a calibrated memory here:
a `Memory` of your own, or a machine's TOML file (`hwsim.costs.read_array`), goes in its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import sqrt

from hwsim.costs import primitives as t
from hwsim.costs.nodes import Node, node_named

HOROWITZ_MEMORY = "Horowitz, ISSCC 2014, figure 1.1.9"
SRAM_WORD_BITS = 64
SRAM_NODE = "45nm"
SRAM_PJ_PER_ACCESS_AT_8KB = 10.0  # 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ
SRAM_RANGE_KB = (8, 1024)
DRAM_WORD_BITS = 64
DRAM_PJ_PER_ACCESS = 1300.0  # the lower end of 1300–2600 pJ per 64 bits
DRAM_PJ_PER_BIT = DRAM_PJ_PER_ACCESS / DRAM_WORD_BITS


@dataclass(frozen=True)
class Memory:
    """One level of storage, with everything that its price rests on.

    access_bits : bits that one access moves.  read_pj_per_access, write_pj_per_access : energy of
    one access, whole or not.  capacity_kb : KB of 1024 bytes; None is never full.  gb_per_s :
    10⁹ bytes a second, reads and writes together; None is as fast as it is asked to be.
    node : the technology that the prices hold at; at others there is no energy.
    voltage_v : None where the source states none.

    Raises ValueError for numbers that no memory has.
    """

    name: str
    access_bits: int
    read_pj_per_access: float
    write_pj_per_access: float
    capacity_kb: float | None = None
    gb_per_s: float | None = None
    node: str = SRAM_NODE
    voltage_v: float | None = None
    source: str = "the user's"
    valid: str = "not stated"

    def __post_init__(self) -> None:
        require_count("access_bits", self.access_bits, 1)
        for name in ("read_pj_per_access", "write_pj_per_access"):
            _require_number(name, getattr(self, name), zero=True)
        for name in ("capacity_kb", "gb_per_s", "voltage_v"):
            if getattr(self, name) is not None:
                _require_number(name, getattr(self, name))

    @property
    def capacity_bits(self) -> float:
        """Bits that it holds; infinite where ``capacity_kb`` is None."""
        return math.inf if self.capacity_kb is None else self.capacity_kb * 8192

    def accesses(self, read_bits: int, write_bits: int) -> tuple[int, int]:
        """Reads and writes that move so many bits, packed; the last access is made whole, and where
        reads and writes both end in a part of one, the write is the whole one.

        >>> dram().accesses(64 + 1, 63)
        (1, 1)
        """
        writes = -(-write_bits // self.access_bits)
        return -(-(read_bits + write_bits) // self.access_bits) - writes, writes

    def energy_pj(self, read_bits: int, write_bits: int) -> float:
        """Energy of moving so many bits, in whole accesses.

        >>> sram(32).energy_pj(64, 0), sram(32).energy_pj(65, 0)
        (20.0, 40.0)
        """
        reads, writes = self.accesses(read_bits, write_bits)
        return reads * self.read_pj_per_access + writes * self.write_pj_per_access


def sram_access_pj(capacity_kb: float) -> float:
    """Energy of one 64-bit access at 45 nm: 10·√(C / 8 KB) pJ, for 8 KB to 1 MB."""
    number = isinstance(capacity_kb, int | float) and not isinstance(capacity_kb, bool)
    if not number or not SRAM_RANGE_KB[0] <= capacity_kb <= SRAM_RANGE_KB[1]:
        raise ValueError(f"capacity_kb={capacity_kb!r}: published points span 8 to 1024 KB")
    return SRAM_PJ_PER_ACCESS_AT_8KB * sqrt(capacity_kb / 8)


def sram_energy_pj(bits: int, capacity_kb: float = 32) -> float:
    """Energy of moving ``bits`` in packed 64-bit accesses, 45 nm; the last one is paid whole."""
    return sram(capacity_kb).energy_pj(bits, 0)


def dram_energy_pj(bits: int) -> float:
    """Energy of moving ``bits`` once over a DRAM interface, 1300 pJ for 64 bits."""
    return bits * DRAM_PJ_PER_BIT


def sram(capacity_kb: float = 32, access_bits: int = 64, gb_per_s: float | None = 64.0) -> Memory:
    """A buffer of 8 KB to 1 MB at 45 nm.

    access_bits : a multiple of 64, which is as many accesses of 64 bits.  gb_per_s : 64, eight
    words of 64 bits at 1 GHz, is a choice and no published number.  Reads and writes cost the
    same, as the source does not tell them apart.  Raises ValueError beyond the published points.
    """
    require_count("access_bits", access_bits, 1)
    if access_bits % SRAM_WORD_BITS:
        raise ValueError(f"access_bits={access_bits!r}: published points are accesses of 64 bits")
    pj = sram_access_pj(capacity_kb) * (access_bits // SRAM_WORD_BITS)
    source = f"{HOROWITZ_MEMORY}: 10·√(C / 8 KB) pJ for 64 bits"
    valid = "8 KB to 1 MB; the published 8 KB, 32 KB and 1 MB within 14 %"
    about = (SRAM_NODE, 0.9, source, valid)
    return Memory("sram", access_bits, pj, pj, capacity_kb, gb_per_s, *about)


def dram(pj_per_access: float = DRAM_PJ_PER_ACCESS, gb_per_s: float | None = 25.6) -> Memory:
    """DRAM behind an interface of 64 bits; 25.6 GB/s is one channel of DDR4-3200 (JESD79-4)."""
    source = f"{HOROWITZ_MEMORY}: 1300 to 2600 pJ for 64 bits, interface included"
    valid = "1300 pJ, the lower end; up to twice that"
    about = (SRAM_NODE, None, source, valid)
    return Memory("dram", DRAM_WORD_BITS, pj_per_access, pj_per_access, None, gb_per_s, *about)


def registers(node: str | Node = SRAM_NODE) -> Memory:
    """Flip-flops, priced by the bit: 24 transistors switch with a write; a read is a wire."""
    found = node_named(node)
    pj = t.register(1).transistors * found.energy_aj_per_transistor * 1e-6  # aJ to pJ
    source = f"{t.register(1).transistors} transistors a bit; {found.source}"
    about = (found.name, found.voltage_v, source, found.valid)
    return Memory("registers", 1, 0.0, pj, None, None, *about)


def require_count(name: str, value: object, least: int) -> None:
    """ValueError for what is no integer from ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r}: an integer of at least {least} is needed")


def _require_number(name: str, value: object, zero: bool = False) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf or not (value or zero):  # type: ignore[operator]
        raise ValueError(f"{name}={value!r}: a number {'from' if zero else 'above'} 0 is needed")
