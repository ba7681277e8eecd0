"""Prices of MAC units: shape, order, units of measure, and what they are made of."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim.costs import (
    EXACT_GUARD_BITS,
    Cost,
    Node,
    cost,
    cost_model,
    exact_register_bits,
    operation_cost,
    primitives,
    register_bits,
)
from hwsim.formats import CATALOGUE, FloatFormat, IntFormat, parse_format
from hwsim.testing import strategies
from hwsim.units import MacUnit, parse_unit

FORMATS = [e.format for e in CATALOGUE.values() if not isinstance(e.format, IntFormat)]
FORMATS = [fmt for fmt in FORMATS if fmt.has_exact_values]  # others have no exact product
FORMATS += [IntFormat(b, s) for b in (1, 2, 4, 8, 16, 32) for s in (True, False)]
ACCUMULATORS = ("e6m9", "fp32", "int32", "fixed8.8", "e5m10_nosub", "exact")
ODD = [
    "e5m2xe5m2+e6m9:chunk64/fp32:rtz",
    "e5m2xe5m2+e6m9:chunk64/int32",
    "e4m3xe4m3+fixed10.6:saturate:chunk1",
    "int8xint8+fp16:chunk7/fp32:out=int8:saturate",
    "uint8xint8+int24:saturate:out=int8",
    "bf16xint4+fp32:mul_add/bf16:rup",
    "e4m3xe4m3+fp16:mul_add/int8:saturate",
    "e4m3xe4m3+fp32:exact:mul_add/fp16",
    "fixed1.6xfixed1.6+fixed4.4:rna:out=fp16",
    "fixed1.6xe5m2+fixed4.4:rto:saturate",
    "e8m0xe8m0+fp32:exact:rdn",
    "e2m0fnxe2m0fn+e3m0fn",
    "e1m3fnxe1m3none+e4m10fn",
    "int1xint1+int1",
    "uint1xuint1+int2:saturate",
    "fp64xfp64+fp64:out=dlfloat16:saturate",
    "int8xint8+fp32:exact",
]
# Dearest first; the strict order that a reader of the table expects.
ORDERED = [
    "fp32xfp32+exact",
    "fp32xfp32+fp32",
    "fp16xfp16+fp32",
    "bf16xbf16+fp32",
    "e4m3xe4m3+fp32",
    "e4m3xe4m3+fp16",
    "e5m2xe5m2+e6m9",
    "int8xint8+int32",
    "int8xint8+int24",
    "int8xint8+int18:saturate",
    "int8xint8+int17:saturate",
    "int4xint4+int16",
    "int4xint4+int12",
    "int2xint2+int8",
    "int1xint1+int4",
]


def _accumulators(a, b):
    for name in ACCUMULATORS:
        yield f"{a}x{b}+{name}"


@pytest.mark.parametrize("b", FORMATS, ids=str)
@pytest.mark.parametrize("a", FORMATS, ids=str)
def test_every_pair_has_a_price(a, b):
    prices = [cost(name) for name in _accumulators(a, b)]
    assert len(prices) == len(ACCUMULATORS)
    assert all(_is_sound(price) for price in prices)


@pytest.mark.parametrize("node", ["45nm", "7nm"])
@pytest.mark.parametrize("name", ODD)
def test_odd_units_have_a_price(name, node):
    assert _is_sound(cost(name, node))


def _is_sound(price: Cost) -> bool:
    numbers = [price.energy_pj, *(part.use_energy_pj for part in price.parts)]
    areas = [p.area_um2 for p in (price, *price.parts) if p.area_um2 is not None]
    return (
        all(math.isfinite(x) and x > 0 for x in numbers + areas)
        and all(isinstance(p.transistors, int) for p in price.parts)
        and price.transistors == sum(p.transistors for p in price.parts)
        and price.energy_pj == sum(p.energy_pj for p in price.parts)
        and (price.area_um2 is not None) == (price.node == "45nm")
    )


@pytest.mark.parametrize("node", ["45nm", "7nm"])
@pytest.mark.parametrize(("dearer", "cheaper"), list(pairwise(ORDERED)))
def test_order_of_units(dearer, cheaper, node):
    assert cost(dearer, node).energy_pj > cost(cheaper, node).energy_pj


def test_wide_units_are_much_dearer():
    assert cost("fp32xfp32+fp32").energy_pj > 2.5 * cost("bf16xbf16+fp32").energy_pj
    assert cost("fp16xfp16+fp32").energy_pj > 3.5 * cost("int8xint8+int32").energy_pj


exponents, precisions = st.integers(2, 8), st.integers(2, 24)
small = st.builds(FloatFormat, st.integers(2, 5), st.integers(2, 8))
large = st.builds(FloatFormat, exponents, precisions)


def _wider(fmt):
    yield FloatFormat(fmt.exponent_bits + 1, fmt.precision)
    yield FloatFormat(fmt.exponent_bits, fmt.precision + 1)


@pytest.mark.parametrize("rounding", ["rne", "rtz", "rto"])
@given(a=small, b=small, acc=large)
def test_monotone_in_every_width_of_a_float_unit(rounding, a, b, acc):
    unit = MacUnit(a, b, acc, rounding=rounding)
    here = cost(unit).energy_pj
    for name, fmt in (("a", a), ("b", b), ("accumulator", acc)):
        for wider in _wider(fmt):
            assert cost(replace(unit, **{name: wider})).energy_pj > here


@pytest.mark.parametrize("order", ["exact", "chunk16/fp32"])
@given(a=small, b=small)
def test_monotone_in_the_operands_of_other_orders(order, a, b):
    unit = parse_unit(f"{a}x{b}+fp16:{order}")
    here = cost(unit).energy_pj
    for name, fmt in (("a", a), ("b", b)):
        for wider in _wider(fmt):
            assert cost(replace(unit, **{name: wider})).energy_pj > here


ORDERS = ("chunk8", "lanes4", "lanes8-tree", "tree4", "tree16", "dot4", "rev2", "fused4f11")
ORDERS += ("fused16f25z-133", "staged8f24s31", "kahan", "double", "exact", "mul_add", "sr8")


@pytest.mark.parametrize("order", ORDERS)
@given(a=small, b=small, acc=large)
def test_monotone_in_every_width_whatever_the_order(order, a, b, acc):
    """But for what falls away in a format that holds every sum: rounding, overflow, subnormals."""
    unit = parse_unit(f"{a}x{b}+{acc}:{order}")
    here = _by_name(unit)
    for name, fmt in (("a", a), ("b", b), ("accumulator", acc)):
        for wider in _wider(fmt):
            there = _by_name(replace(unit, **{name: wider}))
            gone = {part for part in here if part.endswith(OPTIONAL)}
            gone = {part for part in gone if there.get(part, 0) < here[part]}
            assert _without(gone, there) > _without(gone, here)


OPTIONAL = ("rounding", "overflow and specials", "small results")


def _by_name(unit: MacUnit) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in cost(unit).parts:
        found[part.name] = found.get(part.name, 0) + part.transistors
    return found


def _without(names: set[str], parts: dict[str, int]) -> int:
    return sum(transistors for name, transistors in parts.items() if name not in names)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@given(a=st.integers(1, 16), b=st.integers(1, 16), bits=st.integers(2, 48))
def test_monotone_in_every_width_of_an_integer_unit(overflow, a, b, bits):
    def energy(a: int, b: int, bits: int) -> float:
        return cost(f"int{a}xint{b}+int{bits}:{overflow}").energy_pj

    here = energy(a, b, bits)
    assert here < energy(a + 1, b, bits)
    assert here < energy(a, b + 1, bits)
    assert here < energy(a, b, bits + 1)
    assert here == energy(b, a, bits)
    depths = [
        cost(f"int{a + i}xint{b}+int{bits + k}:{overflow}").depth for i in (0, 1) for k in (0, 1)
    ]
    assert depths[0] <= min(depths[1:3]) <= max(depths[1:3]) <= depths[3]


@given(st.integers(1, 16), st.integers(2, 48))
def test_saturation_costs_more_than_wrapping(bits, acc):
    name = f"int{bits}xint{bits}+int{acc}"
    assert cost(name + ":saturate").energy_pj > cost(name).energy_pj


@pytest.mark.parametrize("name", ["e5m2", "e4m3", "e3m4", "e8m7", "e5m10", "e8m23"])
@pytest.mark.parametrize(
    "unit", ["{0}x{0}+fp32", "fp16xfp16+{0}", "{0}xint8+fp32", "{0}x{0}+{0}:mul_add"]
)
def test_subnormals_cost(name, unit):
    """Where numbers are normalised; on an exact register masking them costs more than they do."""
    flushing = cost(unit.format(name + "_nosub"))
    assert cost(unit.format(name)).energy_pj > flushing.energy_pj


@pytest.mark.parametrize("unit", ["e5m2xe5m2+e6m9", "fp16xfp16+fp32", "bf16xbf16+bf16:mul_add"])
def test_rounding_modes(unit):
    rne, rna, rtz, rup, rdn, rto = (
        cost(f"{unit}:{mode}").energy_pj for mode in ("rne", "rna", "rtz", "rup", "rdn", "rto")
    )
    assert rtz < rto < rna < rne
    assert rup == rdn == pytest.approx(rne, rel=0.02)


def test_wrapping_needs_no_hardware():
    assert _part_names("int8xint8+int32") == [
        "significand multiplier",
        "adder",
        "accumulator register",
    ]
    assert cost("int8xint8+int32").transistors == 2544 + (43 * 32 - 27) + 36 * 16 + 24 * 32
    assert "overflow" in _part_names("int8xint8+int32:saturate")


def test_a_second_rounding_is_paid():
    assert "product rounding" in _part_names("fp16xfp16+fp16:mul_add")
    assert "product rounding" not in _part_names("fp16xfp16+fp16")
    # a product of 6 bits fits e6m9: nothing is left to round
    assert "product rounding" not in _part_names("e5m2xe5m2+e6m9:mul_add")


def _part_names(unit):
    return [part.name for part in cost(unit).parts]


@pytest.mark.parametrize("length", [1, 2, 64, 1000])
def test_chunks_share_the_outer_sum(length):
    plain, chunked = cost("e5m2xe5m2+e6m9"), cost(f"e5m2xe5m2+e6m9:chunk{length}/fp32")
    outer = [p for p in chunked.parts if p.per == "chunk"]
    assert outer
    assert chunked.chunk_energy_pj == sum(p.use_energy_pj for p in outer)
    assert chunked.energy_pj == pytest.approx(plain.energy_pj + chunked.chunk_energy_pj / length)
    assert chunked.area_um2 == pytest.approx(plain.area_um2 + sum(p.area_um2 for p in outer))


@pytest.mark.parametrize(
    ("a", "bits"),
    # 1 sign + guard + (2·emax + 2) − 2·(emin − fraction bits)
    [("fp32", 1 + 256 + 298), ("fp16", 1 + 32 + 48), ("e5m2", 1 + 32 + 32), ("e4m3", 1 + 18 + 18)],
)
def test_exact_registers(a, bits):
    fmt = parse_format(a)
    assert exact_register_bits(fmt, fmt) == bits + EXACT_GUARD_BITS


@given(small, small, st.integers(1, 2**20))
def test_exact_registers_hold_the_largest_sum(a, b, terms):
    span = (a.largest * b.largest * terms) / (a.magnitude(1) * b.magnitude(1))
    bits = exact_register_bits(a, b, terms)
    assert span <= 2 ** (bits - 1)
    fields = [2**f.exponent_bits + f.precision - 1 for f in (a, b)]
    assert bits <= sum(fields) + (terms - 1).bit_length() - 1  # van Baalen et al. 2023


@pytest.mark.parametrize(
    ("unit", "bits"),
    [
        *(("int8xint8+int32", 16), ("uint8xuint8+int32", 16), ("uint8xint8+int32", 16)),
        *(("ternaryxternary+int16", 2), ("e4m3xpow2_4+fp32", 25), ("e4m3xe4m3+fp32", 37)),
        *(("codebook_n1_n0.25_0_0.5_1xe4m3+fp32", 21), ("e8m0xe8m0+fp64", 509)),
    ],
)
def test_widths_are_those_of_the_values(unit, bits):
    """Counted by hand: e4m3 has 18 bits from 2^-9 to 448, a codebook of quarters 3."""
    assert register_bits(parse_unit(f"{unit}:exact"), 1) == bits


def test_an_exact_unit_says_its_width():
    assert register_bits(parse_unit("int8xint8+int32:mul_add/int12:exact"), 4) == 14
    assert register_bits(parse_unit("int8xpow2_4b7:shift2+fixed13.2:exact"), 1) == 12
    with pytest.raises(ValueError, match="terms is 0"):
        register_bits(parse_unit("e5m2xe5m2+fp16:exact"), 0)


def test_exact_output_is_priced_per_output():
    price = cost("e5m2xe5m2+exact")
    done = [p for p in price.parts if p.per == "output"]
    assert done
    assert all(p.energy_pj == 0 < p.use_energy_pj for p in done)
    assert price.output_energy_pj == sum(p.use_energy_pj for p in done)
    assert "per output" in str(price)


def test_conversion_of_the_output_is_no_mac():
    plain, converted = cost("int8xint8+int32"), cost("int8xint8+int32:out=int8")
    assert plain.energy_pj == converted.energy_pj
    assert plain.output_energy_pj == 0
    wide = cost("fp16xfp16+fp32:out=fp16")
    assert wide.output_energy_pj > 0
    assert wide.area_um2 > cost("fp16xfp16+fp32").area_um2


def test_integers_into_floats_are_converted():
    assert "product to float" in _part_names("int8xint8+fp32")
    assert "product to float" not in _part_names("bf16xint8+fp32")


@pytest.mark.parametrize(
    "unit", ["fp32xfp32+fp32", "fp16xfp16+fp32", "int8xint8+int32", "bf16xbf16+exact"]
)
def test_units_for_speed(unit):
    """Larger and shallower, more than they are larger; the other price does not move."""
    small, fast = cost(unit), cost(unit, goal="speed")
    assert small.transistors < fast.transistors < 1.5 * small.transistors
    assert fast.depth < 0.8 * small.depth
    assert fast.energy_delay < small.energy_delay
    assert cost(unit) == small
    with pytest.raises(ValueError, match="goal='power': allowed are area, speed"):
        cost(unit, goal="power")


def test_operations_for_speed():
    """An adder is a prefix adder, and a comparison of models sees it."""
    fast = operation_cost("add", "int32", goal="speed")
    assert fast.transistors == primitives.prefix_adder(32).transistors
    assert fast.depth < operation_cost("add", "int32").depth / 3
    fmt = parse_format("int32")
    models = [replace(cost_model("structural"), goal=goal) for goal in ("area", "speed")]
    small, price = (model.operation("add", fmt, fmt).energy_pj for model in models)
    assert small < price == fast.energy_pj
    with pytest.raises(ValueError, match="goal='power'"):
        operation_cost("add", "int32", goal="power")


@settings(max_examples=200)
@given(strategies.mac_units())
def test_drawn_units_have_a_price(unit):
    """Of every kind: formats, orders, roundings, conversions."""
    price = cost(unit)
    assert _is_sound(price)
    assert price.depth > 0
    assert price.delay_ps is None
    assert math.isfinite(price.energy_delay * price.throughput_per_area)
    json.dumps(price.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "unit",
    [
        *("binary8p4sexbinary8p4se+fp16:daz", "binary8p4sfxbinary8p4sf+fp16:ftz"),
        *("e3m4xe3m4+e1m0fnuz:mul_add", "e4m3xe4m3+e1m1b0fnuz_nosub:tree11"),
        "nf4xnf4+binary3p2se:rto:bins16:ftz",
    ],
)
def test_narrow_and_masked_formats_have_a_price(unit):
    assert _is_sound(cost(unit))


def test_conversions_between_like_floats_are_small():
    """fp32 to bf16 drops bits and rounds: 442 T by Yosys 0.23; e4m3's sums in fp16 to e5m2 238."""
    for unit, transistors in (("fp16xfp16+fp32:out=bf16", 442), ("e4m3xe4m3+fp16:out=e5m2", 238)):
        parts = [part for part in cost(unit).parts if part.per == "output"]
        assert sum(part.transistors for part in parts) < 2.5 * transistors


NUMBERS = {"energy_pj", "area_um2", "output_energy_pj", "chunk_energy_pj", "voltage_v"}
NUMBERS |= {"energy_delay_pj_levels", "macs_per_level_and_million_transistors"}


def test_units_are_in_the_names():
    """QKeras's SRAM energy is 64 times low: per bit taken for per access."""
    price = cost("e5m2xe5m2+e6m9:chunk8").to_dict()
    floats = {name for name, value in price.items() if isinstance(value, float)}
    assert floats == NUMBERS
    part = {name for name, value in price["parts"][0].items() if isinstance(value, float)}
    assert part == {"energy_pj", "use_energy_pj", "area_um2"}
    assert json.loads(json.dumps(price))["node"] == "45nm"


def test_text_says_what_it_is():
    text = str(cost("e5m2xe5m2+e6m9"))
    for words in ("45nm", "0.9 V", "pJ", "µm²", "Horowitz", "valid:", "not of a chip"):
        assert words in text
    assert cost("fp16xfp16+fp16")._repr_html_().startswith("<pre>fp16xfp16+fp16 at 45nm")


def test_a_unit_or_its_name():
    assert cost(parse_unit("int8xint8+int32")) == cost("int8xint8+int32")
    with pytest.raises(TypeError, match="mac=8"):
        cost(8)
    with pytest.raises(TypeError, match="format=8"):
        operation_cost("add", 8)


def test_bring_your_own_node():
    mine = Node("mine", 28, 50.0, 0.05, 0.9, "measured", "measured", "here")
    price = cost("int8xint8+int32", mine)
    assert price.energy_pj == pytest.approx(price.transistors * 50e-6)
    assert price.area_um2 == pytest.approx(price.transistors * 0.05)


def test_costs_import_no_simulation():
    code = (
        "import sys, hwsim.costs; print([m for m in sys.modules if m.split('.')[0] in "
        "('numba', 'numpy', 'hwsim_kernels')"
        " or m.startswith(('hwsim.sim', 'hwsim.ref', 'hwsim.net'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Operands that are tables, and what they replace.
CHEAPER = [
    ("binaryxbinary+int32", "binaryxint8+int32"),
    ("binaryxint8+int32", "ternaryxint8+int32"),
    ("ternaryxint8+int32", "pow2_4xint8+int32"),
    ("pow2_4xint8+int32", "int8xint8+int32"),
    ("pow2_4xint8+int32", "pow2_5xint8+int32"),
    ("binaryxe4m3+fp16", "e4m3xe4m3+fp16"),
    ("pow2_4xe4m3+fp16", "e4m3xe4m3+fp16"),
    ("int4xint8+int32", "codebook_int4_n3_n1_1_3xint8+int32"),
    ("codebook_int4_n3_n1_1_3xint8+int32", "codebook_int8_n3_n1_1_3xint8+int32"),
]


@pytest.mark.parametrize(("cheaper", "dearer"), CHEAPER)
def test_tables_cost_what_they_are(cheaper, dearer):
    """A flipped sign < a masked one < a shift < a multiplier; a codebook's entries add to one."""
    assert _is_sound(cost(cheaper))
    assert cost(cheaper).energy_pj < cost(dearer).energy_pj


def test_parts_of_tables():
    """A binary operand has no multiplier, a power of two a shifter, a codebook its table."""
    parts = {s: [p.name for p in cost(s).parts] for s in ("binaryxint8+int16", "pow2_4xint8+int32")}
    assert parts == {
        "binaryxint8+int16": ["sign flip", "adder", "accumulator register"],
        "pow2_4xint8+int32": ["sign flip", "zero", "shifter", "adder", "accumulator register"],
    }
    assert cost("nf4xfp16+fp32").parts[1].name == "codebook"
    with pytest.raises(ValueError, match="lns8"):
        operation_cost("mul", "lns8")


def test_random_bits_cost_a_register_and_adders() -> None:
    """More of them cost more, and a wider register; nothing where nothing is rounded."""
    areas = [
        cost(f"e5m2xe5m2+e6m9:{rounding}").area_um2 or 0.0
        for rounding in ("rtz", "rne", "sr4-lfsr8", "sr8-lfsr8", "sr8-lfsr16", "sr8", "sr16")
    ]
    assert areas == sorted(areas)
    assert len(set(areas)) == len(areas)
    parts = [part.name for part in cost("e5m2xe5m2+e6m9:sr8").parts]
    assert parts.count("random generator") == 1
    assert cost("int8xint8+int32:sr8").area_um2 == cost("int8xint8+int32").area_um2


@pytest.mark.parametrize(
    ("spec", "names", "per"),
    [
        ("mxfp4xmxfp4+fp32", ["scale exponents"], "chunk"),
        ("nvfp4xnvfp4+fp32", ["scale exponents", "scale multiplier"], "chunk"),
        ("mxfp4xe4m3+fp16:seq", ["scale exponents"], "mac"),
        ("e2m1xe2m1+fp32:dot32", [], ""),
    ],
)
def test_scales_are_priced(spec, names, per):
    found = [part for part in cost(parse_unit(spec)).parts if part.name.startswith("scale ")]
    assert [part.name for part in found] == names
    assert all(part.per == per for part in found)


def test_groups_have_a_pair_of_scales_each():
    """Four groups of 16 products in a block of 64."""
    one, four = (
        next(p for p in cost(parse_unit(spec)).parts if p.name == "scale exponents")
        for spec in ("nvfp4xnvfp4+fp32", "blackwell.nvfp4")
    )
    assert four.transistors == 4 * one.transistors
