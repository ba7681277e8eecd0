"""The parts of a matrix unit: what aligns a block of products with the running sum and adds it.

Every term has a shifter, to F bits under the largest exponent (with a guard and a sticky bit where
terms are rounded); a tree of comparators finds that exponent; one wide adder per term; one rounding
a block.  Where groups of products are exact, each group's sum is one term.
"""

from __future__ import annotations

from dataclasses import replace

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    Number,
    Piece,
    add_float,
    convert,
    exponent_bits,
    number_of,
    placement,
    register,
)
from hwsim.formats import FloatFormat
from hwsim.units import Fused, MacUnit, Staged


def fused_pieces(unit: MacUnit, product: Number, order: Fused) -> list[Piece]:
    """Alignment, sum and rounding of a block, its register, and the promoted sum."""
    acc, sums = number_of(unit.accumulator), number_of(unit.block_format)
    low, high = min(product.low, acc.low), max(product.high, acc.high)
    span = max(acc.high - product.low, product.high - acc.low, product.high - product.low) + 1
    kept = span if order.fraction is None else min(span, order.fraction + 2)
    carry, exponent = order.terms.bit_length(), exponent_bits(product, acc)
    bits = 1 + carry + kept
    total = Number(bits, low, high + carry, low, False)
    groups, terms = _exact_groups(product, order), order.terms // (order.exact or 1)
    largest = t.comparator(exponent) + t.mux(exponent)
    moved = _cut(kept, exponent, order.nearest)
    if order.fraction is None:
        moved = t.placer(product.bits, kept)
    shift = t.adder(exponent) + moved
    each = shift + t.complementer(kept + 1)
    if order.nearest:
        each += t.rounder(kept, 2, "rne")
    blocks = -(-order.group // order.terms)
    overflow = unit.overflow_of(unit.block_format)
    done = convert(total, unit.block_format, unit.rounding, overflow, "block")
    width = sums.bits + exponent_bits(sums) + 1
    note = f"{terms} {'groups' if groups else 'products'} and the sum"
    pieces = [
        *groups,
        _tree("largest exponent", largest, note, terms, blocks),
        _per_term("alignment", each, f"{kept} bits", terms + 1, blocks),
        _tree("block adder", t.adder(bits), f"{bits} bits", terms, blocks),
        *(replace(piece, per="chunk", uses=blocks) for piece in done),
        replace(register("accumulator register", width, per="chunk"), uses=blocks),
    ]
    return pieces + (_promoted(unit, sums) if order.promote else [])


def _cut(kept: int, exponent: int, sticky: bool = False) -> t.Logic:
    """A term down by its distance, nothing where that is more than it has bits; the exponent of a
    zero is chosen before."""
    far = t.gate_tree(exponent) + t.AND * kept
    return t.mux(exponent) + (t.shifter(kept, kept, sticky) | far)


def _exact_groups(product: Number, order: Fused) -> list[Piece]:
    """Products of a block placed in words that hold them all, and added up."""
    if order.exact is None:
        return []
    carry = (order.exact - 1).bit_length()
    bits = carry + (product.high - product.low + 2 if product.floating else product.bits)
    word = Number(bits, product.low, product.low + bits - 1, product.smallest, False)
    places = placement(product, word, bits - carry).logic if product.floating else t.NOTHING
    sums = order.terms - order.terms // order.exact
    return [
        _per_term("group placement", places, f"{bits - carry} bits", order.terms, 1),
        _tree("group adder", t.adder(bits), f"{bits} bits", sums, 1),
    ]


def staged_pieces(unit: MacUnit, product: Number, order: Staged) -> list[Piece]:
    """Two alignments: of products within their groups, and of the groups' sums with the running
    sum; a register, and one rounding a block."""
    acc = number_of(unit.accumulator)
    exponent = exponent_bits(product, acc)
    carry, kept = order.terms.bit_length(), order.fraction + 2
    bits, last = 1 + carry + kept, 3 + carry + order.kept
    largest = t.comparator(exponent) + t.mux(exponent)
    cut = t.adder(exponent) + _cut(kept, exponent) + t.complementer(kept + 1)
    down = t.adder(exponent) + t.shifter(last, last)
    total = Number(last, acc.low, acc.low + last - 1, acc.low, False)
    overflow = unit.overflow_of(unit.accumulator)
    done = convert(total, unit.accumulator, unit.rounding, overflow, "block")
    groups, width = order.groups, acc.bits + exponent_bits(acc) + 1
    sums = order.terms - groups
    return [
        _tree("largest exponent", largest, f"{order.terms} products", order.terms, 1),
        _per_term("alignment", cut, f"{kept} bits", order.terms, 1),
        *([_tree("group adder", t.adder(bits), f"{bits} bits", sums, 1)] if sums else []),
        _per_term("second alignment", down, f"{last} bits", groups + 1, 1),
        _tree("block adder", t.adder(last), f"{last} bits", groups, 1),
        *(replace(piece, per="chunk") for piece in done),
        register("accumulator register", width, per="chunk"),
    ]


def _per_term(name: str, logic: t.Logic, note: str, copies: int, blocks: int) -> Piece:
    return Piece(name, logic, note, "chunk", copies, copies * blocks)


def _tree(name: str, logic: t.Logic, note: str, copies: int, blocks: int) -> Piece:
    """``copies`` nodes of a binary tree."""
    return replace(_per_term(name, logic, note, copies, blocks), levels=copies.bit_length())


def _promoted(unit: MacUnit, sums: Number) -> list[Piece]:
    """The accumulator that blocks' sums are added to, to nearest even."""
    fmt = unit.accumulator
    assert isinstance(fmt, FloatFormat)
    adder = add_float(sums, fmt, "rne", unit.overflow_of(fmt))
    named = [replace(piece, name=f"outer {piece.name}", per="chunk") for piece in adder]
    return [*named, register("outer accumulator register", fmt.width, per="chunk")]
