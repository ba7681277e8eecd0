"""What a MAC unit, or a single operation, is made of: descriptions to lists of parts.

Choices, the same for every unit (none is fitted to a price):
* significands multiply in an array, sums ripple (`hwsim.costs.primitives`); approximate
  multipliers are those of `hwsim.costs.cores`, between magnitudes of two's complement operands;
* subnormal operands of a floating-point unit are normalised on entry, subnormal results are
  shifted onto their grid; formats without subnormals mask and flush instead, and operands
  under ``daz`` are masked;
* floating-point units are pipelined once, after the multiplier (an adder: after alignment):
  the flip-flops of that one rank are counted; integer and fixed-point units have none;
* operands come from outside: their registers belong to the array, not to the unit;
* a chunked unit has a second adder and register, which work once per chunk;
* interleaved lanes have one adder and as many registers as lanes; what adds up their sums works
  once per lane and output: one more adder, or, for a halving tree, one for each pair;
* a tree of W leaves has W multipliers, W − 1 adders and registers that work once per W products,
  and the accumulator's; a dot instruction the same, but its W − 1 adders keep every bit: they are
  as wide as the products span, and have no registers;
* a sum of logarithms is made of integers (`hwsim.costs.logsums`);
* a compensated sum (of two words) has an adder for each of its additions, and two registers;
* a unit of bins has one adder and as many registers as bins, and a multiplier and an adder that
  work once for each bin and output;
* posits are decoded on entry, an accumulator's too, and encoded wherever they are rounded
  (`hwsim.costs.posits`): in between they are floats of the precision that they have near 1;
* an exact unit has a register as wide as the products span plus `EXACT_GUARD_BITS`; rounding
  into the accumulator's format happens once per output;
* a unit that rounds stochastically has one random generator, and in every rounder an adder of its
  N bits (as in Ben Ali, Filip, Sentieys 2024, DATE).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from fractions import Fraction

from hwsim.costs import primitives as t
from hwsim.costs.blocks import (
    GUARD_ROUND_STICKY,
    Number,
    Piece,
    Scaled,
    add_fixed,
    add_float,
    convert,
    exponent_bits,
    fields_decoder,
    needs_normaliser,
    number_of,
    out_of_range,
    placement,
    register,
    stored,
)
from hwsim.costs.compensated import compensated_pieces
from hwsim.costs.cores import core_pieces
from hwsim.costs.fused import fused_pieces, staged_pieces
from hwsim.costs.logsums import log_sum_pieces
from hwsim.costs.powers import pieces_of_powers, product_of_powers
from hwsim.costs.scales import scale_pieces
from hwsim.costs.tables import BINARY, decoded, look_up, number_beside, shift, shifts, sign_flip
from hwsim.formats import FixedFormat, FloatFormat, Format, SumFormat, stochastic_of
from hwsim.formats.stochastic import TAPS
from hwsim.units import (
    COMPENSATED,
    Bins,
    Chunked,
    DotAdd,
    DoubleWord,
    Exact,
    Fused,
    IntegerMultiplier,
    Lanes,
    LogSum,
    MacUnit,
    Order,
    Requantization,
    Sequential,
    Staged,
    StoredProduct,
    TableMultiplier,
    Tree,
    codebook_side,
    has_subnormal_values,
)

EXACT_GUARD_BITS = 16  # sums of up to 65 536 products of largest magnitude cannot overflow


def product_of(a: Format, b: Format, core: IntegerMultiplier | None = None) -> Number:
    """The product on its wires: exact, or a shifter's or a logarithmic multiplier's."""
    narrower = product_of_powers(a, b, core)
    if narrower is not None:
        return narrower
    x, y = number_beside(a, b), number_beside(b, a)
    return Number(
        x.bits + y.bits,
        x.low + y.low,
        x.high + y.high + 1,
        x.smallest + y.smallest,
        x.floating or y.floating,
    )


def exact_register_bits(a: Format, b: Format, terms: int = 1 << EXACT_GUARD_BITS) -> int:
    """Width in bits of the register that sums ``terms`` products of ``a`` and ``b`` exactly.

    As many multiples of the products' last bit as the largest product has, times ``terms``, and a
    sign where there are negative products (Kulisch 2013; van Baalen et al. 2023 bound it from
    above).  c is taken for one of the terms.  Raises ValueError for ``terms`` below 1.

    >>> from hwsim.formats import parse_format
    >>> exact_register_bits(parse_format("e5m2"), parse_format("e5m2"))
    81
    >>> exact_register_bits(parse_format("e5m2"), parse_format("e5m2"), terms=512)
    74
    """
    ends = [x * y for x in (a.lowest, a.largest) for y in (b.lowest, b.largest)]
    return _held(min(ends), max(ends), a.quantum_exponent + b.quantum_exponent, terms)


def register_bits(unit: MacUnit, terms: int = 1 << EXACT_GUARD_BITS) -> int:
    """The same of a unit's addends: products as its multiplier makes and rounds them.

    >>> from hwsim import mac
    >>> register_bits(mac("int8xint8+int32:mul_add/int12:exact"), terms=4)
    14
    """
    unit = _as_masked(unit)
    fmt = unit.product_format
    if isinstance(unit.multiplier, StoredProduct):
        fmt = fmt or unit.multiplier.format
    if fmt is not None:
        return _held(fmt.lowest, fmt.largest, fmt.quantum_exponent, terms)
    if unit.core is None:
        return exact_register_bits(unit.a, unit.b, terms)
    product = product_of(unit.a, unit.b, unit.core)
    span = product.high - product.low + 2 if product.floating else product.bits
    return _held(Fraction(0), Fraction(2**span - 1), 0, terms)


def _held(low: Fraction, high: Fraction, quantum: int, terms: int) -> int:
    """Bits of ``terms`` addends from ``low`` to ``high``, in steps of 2^quantum: two's complement
    where there are negative ones."""
    if terms < 1:
        raise ValueError(f"terms is {terms}; a register sums at least 1")
    least, most = (int(terms * end / Fraction(2) ** quantum) for end in (low, high))
    return max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + (least < 0)


def multiplier_pieces(
    a: Format, b: Format, normalise: bool, core: IntegerMultiplier | None = None
) -> list[Piece]:
    """Decode both operands and multiply, exactly but for a ``core``; ``normalise`` removes leading
    zeros first."""
    powers = pieces_of_powers(a, b, core)
    if powers is not None:
        return powers
    product = product_of(a, b)
    if BINARY in (a, b):
        return sign_flip(b if a == BINARY else a, normalise)
    for power, other in ((a, b), (b, a)):
        if shifts(power, other):
            return shift(power, other)
    tables = look_up(a) + look_up(b)
    a, b = decoded(a), decoded(b)
    removed = normalise and (needs_normaliser(a) or needs_normaliser(b)) and product.floating
    times = t.late_multiplier if removed else t.multiplier
    array = [Piece("significand multiplier", times(_bits(a), _bits(b)), _times(a, b))]
    if core is not None:
        array = [*_signs(a, b, core), *core_pieces(core)]
    pieces = [*tables, *array]
    if not product.floating:
        return pieces
    decode = t.NOTHING
    exponent = exponent_bits(product)
    for fmt in (a, b):
        own = t.NOTHING
        if isinstance(fmt, FixedFormat) and fmt.signed:
            own = t.complementer(fmt.width)
        if normalise and needs_normaliser(fmt):  # a float with leading zeros has the least exponent
            count = t.bits_for(_bits(fmt))
            less = t.mux(count) if isinstance(fmt, FloatFormat) else t.narrow_adder(exponent, count)
            own += t.normaliser(_bits(fmt)) | less
        decode |= fields_decoder(fmt) + own
    note = "leading zeros removed" if removed else "no leading zeros to remove"
    sums = t.adder(exponent - 1) | t.XOR
    return [
        Piece("operand decode", decode, note),
        *pieces,
        Piece("exponent adder", sums, f"{exponent - 1} bits, and the sign", beside=True),
    ]


def _signs(a: SumFormat, b: SumFormat, core: IntegerMultiplier) -> list[Piece]:
    """Magnitudes of two's complement operands, and the product's sign."""
    if isinstance(core, TableMultiplier) and core.signed:
        return []
    signed = [f.width for f in (a, b) if isinstance(f, FixedFormat) and f.signed]
    if not signed:
        return []
    total = sum(map(t.complementer, signed), t.NOTHING) | t.XOR
    total += t.complementer(_bits(a) + _bits(b))
    return [Piece("magnitudes and sign", total, "two's complement")]


def _as_masked(unit: MacUnit) -> MacUnit:
    """The unit whose operands are masked, as those of formats without subnormals are."""
    if unit.daz or unit.ftz:
        unit = replace(unit, a=_masked(unit.a), b=_masked(unit.b), daz=False)
    return unit


def macs_per_cycle(order: Order) -> int:
    """Products that a unit takes in at once."""
    if isinstance(order, Tree | DotAdd):
        return order.width
    return order.terms if isinstance(order, Fused | Staged) else 1


def mac_pieces(unit: MacUnit) -> list[Piece]:
    """The parts of ``unit``, in the order data meets them."""
    if isinstance(unit.order, Bins):
        return _bins(unit, unit.order)
    if isinstance(unit.order, LogSum):
        return log_sum_pieces(unit, unit.order)
    unit = _as_masked(unit)
    order, exact = unit.order, isinstance(unit.order, Exact)
    stored = isinstance(unit.multiplier, StoredProduct)
    sides = (unit.accumulator,) * 2 if stored else (unit.a, unit.b)
    product = product_of(*sides, unit.core)
    in_float = isinstance(unit.product_format or unit.accumulator, Scaled) and not (
        isinstance(order, Exact | Fused | Staged) and unit.product_format is None
    )
    if isinstance(unit.multiplier, StoredProduct):
        fmt = unit.multiplier.format
        pieces, product = [_stored(unit, fmt.width)], number_of(fmt)
    else:
        pieces = multiplier_pieces(unit.a, unit.b, in_float, unit.core)
    if unit.product_format is not None:
        into = unit.product_format
        pieces += convert(product, into, unit.rounding, unit.overflow_of(into), "product")
        product = number_of(into)
    if product.floating or isinstance(unit.accumulator, Scaled):
        exponent = exponent_bits(product) if product.floating else 0
        pieces.append(_rank("product register", product.bits, exponent, sides))
    scales = scale_pieces(unit, product)
    if exact:
        pieces += _exact_sum(unit, product)
    elif isinstance(order, Fused):
        pieces = [replace(piece, copies=order.terms) for piece in pieces]
        pieces += fused_pieces(unit, product, order)
    elif isinstance(order, Staged):
        pieces = [replace(piece, copies=order.terms) for piece in pieces]
        pieces += staged_pieces(unit, product, order)
    elif isinstance(order, COMPENSATED):
        pieces += compensated_pieces(unit, product, order)
    elif isinstance(order, Tree | DotAdd):
        pieces = [replace(piece, copies=order.width) for piece in pieces]
        pieces += _tree(unit, product, order) if isinstance(order, Tree) else []
        pieces += _exact_group(unit, product, order) if isinstance(order, DotAdd) else []
    else:
        pieces += accumulate(product, unit.accumulator, unit)
    if isinstance(order, Chunked):
        pieces += _outer_sum(unit)
    if isinstance(order, Lanes):
        pieces = [*pieces[:-1], replace(pieces[-1], copies=order.count), *_lane_sums(unit, order)]
    pieces += scales
    how = stochastic_of(unit.rounding)
    if how and any(piece.name.endswith("rounding") and piece.transistors for piece in pieces):
        width = f"{how.bits} bits of a register of {how.lfsr or max(TAPS)}"
        pieces.append(Piece("random generator", t.random_generator(how), width, beside=True))
    if isinstance(order, DoubleWord):
        pass  # both words are rounded into the output's format at once
    elif unit.requantization is not None:
        pieces += requantizer(unit.requantization, unit.outer_format, unit.output_format)
    elif unit.output is not None:
        value = number_of(unit.outer_format)
        overflow = unit.overflow_of(unit.output)
        done = convert(value, unit.output, unit.rounding, overflow, "output")
        pieces += [replace(piece, per="output") for piece in done]
    return [piece for piece in pieces if piece.transistors]


def _stored(unit: MacUnit, width: int) -> Piece:
    """A table of products."""
    entries = 1 << (unit.a.width + unit.b.width)
    note = f"{entries} products of {width} bits"
    return Piece("products", t.table(entries, width), note)


def _masked(fmt: Format) -> Format:
    """``fmt`` with its subnormals read as zeros."""
    if isinstance(fmt, FloatFormat) and has_subnormal_values(fmt):
        return replace(fmt, zero_field="zero")
    return fmt


def requantizer(how: Requantization, wide: SumFormat, fmt: SumFormat) -> list[Piece]:
    """Multiplier, shifters and rounders, zero point and clamp; they work once per output."""
    product = wide.width + how.multiplier_bits
    if how.high_rounding is None:
        shift = t.shifter(product, product - 1, sticky=True)
    else:
        shift = t.shifter(wide.width, wide.width - 1) + out_of_range(wide, "saturate")
        shift += _requant_rounder(wide.width, how.multiplier_bits, how.high_rounding)
        shift += t.shifter(wide.width, wide.width - 1, sticky=True)
    shift += _requant_rounder(wide.width, 1, how.rounding)
    limits = t.adder(wide.width) + 2 * (t.comparator(wide.width) + t.mux(fmt.width))
    pieces = [
        Piece("requantization multiplier", t.multiplier(wide.width, how.multiplier_bits)),
        Piece("requantization shift", shift, str(how)),
        Piece("zero point and clamp", limits, f"{fmt}"),
    ]
    return [replace(piece, per="output") for piece in pieces]


def _requant_rounder(kept: int, dropped: int, mode: str) -> t.Logic:
    """half-up adds the bit below the last one, which is all that a two's complement rna does."""
    return t.rounder(kept, dropped, "rna" if mode == "half-up" else mode)


def accumulate(value: Number, fmt: SumFormat, unit: MacUnit) -> list[Piece]:
    """fmt ← R(fmt + value) by the unit's rules, and the register that holds it."""
    overflow = unit.overflow_of(fmt)
    if isinstance(fmt, Scaled):
        pieces = add_float(value, fmt, unit.rounding, overflow)
        if unit.ftz and isinstance(fmt, FloatFormat):  # after rounding on the grid of subnormals
            flush = t.gate_tree(fmt.exponent_bits) + t.AND * fmt.width
            pieces.append(Piece("flush to zero", flush))
    else:
        pieces = add_fixed(value, fmt, unit.rounding, overflow)
    return [*pieces, register("accumulator register", fmt.width)]


def _outer_sum(unit: MacUnit) -> list[Piece]:
    value = stored(unit.accumulator)
    pieces = accumulate(value, unit.outer_format, unit)
    return [replace(piece, name=f"outer {piece.name}", per="chunk") for piece in pieces]


def _lane_sums(unit: MacUnit, order: Lanes) -> list[Piece]:
    """What adds up the lanes' sums and c: its register is the first lane's."""
    adders = accumulate(stored(unit.accumulator), unit.accumulator, unit)[:-1]
    copies = order.count if order.tree else 1
    return [
        replace(piece, name=f"lanes' {piece.name}", per="output", copies=copies, uses=order.count)
        for piece in adders
    ]


def _bins(unit: MacUnit, order: Bins) -> list[Piece]:
    """One adder, as many registers as bins, and a multiplier and an adder that work once for each
    bin and output.  Zeros, draws and the output conversion are priced as those of a plain unit."""
    side = codebook_side(unit)
    assert side is not None
    book, other = (unit.b, unit.a) if side else (unit.a, unit.b)
    masked = _masked(other) if unit.daz else other
    plain = replace(unit, accumulator=unit.outer_format, order=Sequential(), daz=False)
    sums = accumulate(stored(decoded(masked)), unit.accumulator, unit)
    bits = unit.accumulator.width
    ports = 2 * t.selection(order.count, bits)
    after = mac_pieces(replace(plain, a=unit.accumulator, b=book))
    return [
        *look_up(masked),
        *sums[:-1],
        replace(sums[-1], name="bins", copies=order.count),
        Piece("bin selection", ports, f"{order.count} bins"),
        *(
            replace(piece, name=f"last {piece.name}", per="output", uses=order.count)
            if piece.per == "mac"
            else piece
            for piece in after
        ),
    ]


def _tree(unit: MacUnit, product: Number, order: Tree) -> list[Piece]:
    """The nodes on two leaves, the other nodes, each with its register, and the accumulator."""
    fmt, pairs = unit.accumulator, order.width // 2
    value = stored(fmt)
    found = []
    for name, number, count in (("leaf", product, pairs), ("node", value, order.width - 1 - pairs)):
        *adder, held = accumulate(number, fmt, unit)
        found += [
            replace(piece, name=f"{name}: {piece.name}", per="chunk", copies=count, uses=count)
            for piece in (*adder, replace(held, name="register"))
            if count
        ]
    root = accumulate(value, fmt, unit)
    return [*found, *(replace(piece, per="chunk") for piece in root)]


def _exact_group(unit: MacUnit, product: Number, order: DotAdd) -> list[Piece]:
    """Products added up without rounding, and one step of the accumulator for all of them."""
    bits = (order.width - 1).bit_length() + product.bits
    if product.floating:
        bits = 1 + (order.width - 1).bit_length() + product.high - product.low + 1
    total = Number(bits, product.low, product.low + bits - 1, product.smallest, False)
    placed = [placement(product, total, bits)] if product.floating else []
    count = order.width - 1
    adders = Piece("exact adder", t.adder(bits), f"{bits} bits", "chunk", count, count)
    adders = replace(adders, levels=(order.width - 1).bit_length())
    own: list[Piece] = []
    if order.partial is not None:
        own = convert(total, order.partial, "rne", "saturate", "partial sum")
        total = stored(order.partial)
    step = [*own, *accumulate(total, unit.accumulator, unit)]
    return [
        *(replace(piece, copies=order.width) for piece in placed),
        adders,
        *(replace(piece, per="chunk") for piece in step),
    ]


def _exact_sum(unit: MacUnit, product: Number) -> list[Piece]:
    """A register on which every product has its place; one rounding per output."""
    bits, low = register_bits(unit), product.low
    if unit.core is None and unit.product_format is None:
        low = max(low, unit.a.quantum_exponent + unit.b.quantum_exponent)
    total = Number(bits, low, low + bits - 1, low, False)
    placed = [placement(product, total, bits)] if product.floating else []
    overflow = unit.overflow_of(unit.accumulator)
    done = convert(total, unit.accumulator, unit.rounding, overflow, "total")
    return [
        *placed,
        Piece("wide adder", t.adder(bits), f"{bits} bits"),
        register("exact register", bits, f"{bits} bits, {EXACT_GUARD_BITS} of them guard"),
        *(replace(piece, per="output") for piece in done),
    ]


def operation_pieces(operation: str, a: Format, b: Format) -> list[Piece]:
    """One addition (a = b) or one multiplication, rounded to nearest even."""
    if operation == "add" and a == b and isinstance(a, SumFormat):
        return _addition(a)
    if operation == "mul" and isinstance(a, FixedFormat) and isinstance(b, FixedFormat):
        return multiplier_pieces(a, b, normalise=False)  # the product keeps all its bits
    if operation == "mul" and a == b and isinstance(a, Scaled):
        product = product_of(a, b)
        done = convert(product, a, "rne", a.default_overflow, "product")
        rank = _rank("pipeline register", product.bits, exponent_bits(product), (a, b))
        return [*multiplier_pieces(a, b, normalise=True), rank, *done]
    raise ValueError(
        f"operation={operation!r} of {a} and {b}: 'add' and 'mul' of one format, and 'mul' of any "
        "two integer or fixed-point formats, have a price; a mixed product is part of a MAC unit"
    )


def _addition(fmt: SumFormat) -> list[Piece]:
    if isinstance(fmt, FixedFormat):
        return [Piece("adder", t.adder(fmt.width), f"{fmt.width} bits, wraps")]
    value = stored(fmt)
    window = 2 * fmt.precision + GUARD_ROUND_STICKY  # both significands, one of them aligned
    pieces = add_float(value, fmt, "rne", fmt.default_overflow)
    aligned = 1 + [piece.name for piece in pieces].index("alignment shifter")
    return [
        Piece("operand decode", fields_decoder(fmt)),
        *pieces[:aligned],
        _rank("pipeline register", window, exponent_bits(value), (fmt, fmt)),
        *pieces[aligned:],
    ]


def _rank(name: str, bits: int, exponent: int, operands: Collection[Format]) -> Piece:
    """A significand, its exponent (none of 0 bits), and flags: sign, zero, and Inf and NaN where
    an operand may be one."""
    flags = 2 + any(x.has_inf for x in operands) + any(x.has_nan for x in operands)
    return register(name, bits + max(0, exponent - 1) + flags, "one pipeline rank")


def _bits(fmt: SumFormat) -> int:
    return fmt.precision if isinstance(fmt, Scaled) else fmt.width


def _times(a: SumFormat, b: SumFormat) -> str:
    return f"{_bits(a)} × {_bits(b)} bits"
