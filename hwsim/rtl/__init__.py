"""Datapaths of units in Amaranth, bit for bit what the reference computes (extra ``rtl``).

A code becomes a number on wires (`decode`), numbers are multiplied and added exactly, or with a
last bit that is sticky (`arithmetic`), and a number becomes a code again (`project`): the roundings
are those that a description names, and no others.
"""

from hwsim.rtl.components import Design, mac, operation

__all__ = ["Design", "mac", "operation"]
