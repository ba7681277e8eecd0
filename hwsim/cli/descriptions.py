"""`hwsim formats`, `hwsim format`, `hwsim mac`: descriptions in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hwsim.cli.output import console, print_json

if TYPE_CHECKING:
    from fractions import Fraction

    from hwsim.formats import BlockFormat, Format
    from hwsim.units import Fused, MacUnit, Staged

MOST_CODES = 256  # formats of up to 8 bits are listed value by value


@click.command("formats")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def formats_command(as_json: bool) -> None:
    """List the named formats.  Any eXmY, intN, fixedI.F, positN_ES, logI.F works unlisted."""
    from rich.table import Table

    from hwsim.formats import BLOCKS, CATALOGUE, IntFormat

    if as_json:
        listed = [fields(entry.name, entry.format, entry.source) for entry in CATALOGUE.values()]
        print_json(listed + [block_fields(entry.format) for entry in BLOCKS])
        return
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in ("bits", "largest", "smallest", "specials"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for entry in CATALOGUE.values():
        fmt = entry.format
        if isinstance(fmt, IntFormat) and fmt.width not in (1, 4, 8, 16, 32):
            continue
        specials = str(getattr(fmt, "specials", "-"))
        row = (f"{fmt.width}", number(fmt.largest), number(fmt.smallest), specials)
        table.add_row(entry.name, *row, entry.source)
    for block in BLOCKS:
        size = block.format
        row = (f"{float(size.bits):g}", number(size.largest), "-", f"{size.size} x {size.element}")
        table.add_row(block.name, *row, block.source)
    screen = console()
    screen.print(table)
    screen.print(
        "and every intN, uintN to 64 bits, fixedI.F, eXmY, positN_ES, logI.F, pow2_N, "
        "codebook_A_B_C: "
        "hwsim format NAME",
        highlight=False,
    )


@click.command("format")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def format_command(name: str, as_json: bool) -> None:
    """Show a format: its fields, its range and, to 8 bits, every value.

    \b
    Examples:
      hwsim format e4m3
      hwsim format e6m9
      hwsim format fixed3.4
      hwsim format posit8
      hwsim format mxfp4
      hwsim format codebook_n1_n0.25_0_0.25_1
    """
    from hwsim.formats import CATALOGUE, BlockFormat, any_format

    fmt = any_format(name)
    if isinstance(fmt, BlockFormat):
        facts = block_fields(fmt)
    else:
        entry = CATALOGUE.get(str(fmt))
        facts = fields(str(fmt), fmt, entry.source if entry else "")
    if as_json:
        print_json(facts)
        return
    screen = console()
    for key, value in facts.items():
        if value not in ("", None):
            screen.print(f"{key.replace('_', ' '):22} {value}", highlight=False, markup=False)
    if not isinstance(fmt, BlockFormat) and 2**fmt.width <= MOST_CODES:
        screen.print()
        screen.print(_values(fmt))


def _values(fmt: Format) -> Any:
    """Every code and its value, in eight columns: as many as fit a terminal of 100."""
    from rich.table import Table

    from hwsim import reference

    count = 2**fmt.width
    wide = count > 16
    step = count // 8 if wide else count
    values = [_value_text(reference, code, fmt) for code in range(count)]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    rows, columns = (step, count // step) if wide else (count, 1)
    table.add_column("code", justify="right")
    for column in range(columns):
        table.add_column(f"+0x{column * rows:02x}" if wide else "value", justify="right")
    for row in range(rows):
        cells = [values[row + rows * column] for column in range(columns)]
        table.add_row(f"0x{row:02x}", *cells)
    return table


def _value_text(reference: Any, code: int, fmt: Format) -> str:
    try:
        return f"{reference.decode([code], fmt)[0]:.4g}"
    except ValueError:  # the code that symmetric integers leave out
        return "-"


def fields(name: str, fmt: Format, source: str) -> dict[str, Any]:
    """What there is to say about a format, by name."""
    from hwsim.formats import CodebookFormat, FixedFormat, FloatFormat, LogFormat, PositFormat

    facts: dict[str, Any] = {"format": name, "width_bits": fmt.width, "signed": fmt.signed}
    if isinstance(fmt, FloatFormat):
        facts |= {
            "exponent_bits": fmt.exponent_bits,
            "precision_bits": fmt.precision,
            "exponent_bias": fmt.exponent_bias,
            "specials": fmt.specials,
            "exponent_field_0": fmt.zero_field,
        }
    elif isinstance(fmt, PositFormat):
        facts |= {
            "exponent_bits": fmt.exponent_bits,
            "precision_bits": fmt.precision,
            "quire_bits": fmt.quire_bits,
        }
    elif isinstance(fmt, (FixedFormat, LogFormat)):
        facts |= {"integer_bits": fmt.integer_bits, "fraction_bits": fmt.fraction_bits}
    if isinstance(fmt, LogFormat):
        facts |= {"bias": fmt.exponent_bias, "nearest_in": f"{fmt.domain} domain"}
    if isinstance(fmt, CodebookFormat):
        facts |= {"values": len(fmt.values), "entries_in": str(fmt.entry or "float64")}
    facts |= {
        "largest": number(fmt.largest),
        "lowest": number(fmt.lowest),
        "smallest_normal": number(fmt.smallest_normal),
        "smallest": number(fmt.smallest),
        "infinity": fmt.has_inf,
        "nan": hex(getattr(fmt, "nan_code", 0)) if fmt.has_nan else False,
        "negative_zero": fmt.has_negative_zero,
        "zero": fmt.has_zero,
        "exact_values": fmt.has_exact_values,
        "overflow_by_default": fmt.default_overflow,
        "source": source,
    }
    return facts


def block_fields(fmt: BlockFormat) -> dict[str, Any]:
    """What there is to say about a block format."""
    from hwsim.formats import BLOCKS

    source = next((entry.source for entry in BLOCKS if entry.format == fmt), "")
    return {
        "format": str(fmt),
        "element": str(fmt.element),
        "scale": str(fmt.scale),
        "block_size": fmt.size,
        "bits_per_element": float(fmt.bits),
        "rule_of_the_scale": fmt.rule,
        "scale_of_the_tensor": "float32" if fmt.tensor else "none",
        "largest": number(fmt.largest),
        "source": source,
    }


def number(value: Fraction) -> str:
    """A value: exact where short, as a power of two where it is one, else to six digits."""
    if value.denominator == 1 and abs(value) < 10**7:
        return str(value.numerator)
    top, bottom = value.numerator, value.denominator
    if top & (top - 1) == 0 and bottom & (bottom - 1) == 0 and top > 0:
        return f"2^{top.bit_length() - bottom.bit_length()}"
    return f"{float(value):.6g}"


@click.command("mac")
@click.argument("spec")
@click.option("--node", default="45nm", show_default=True, help="Technology of the cost.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def mac_command(spec: str, node: str, as_json: bool) -> None:
    """Explain a MAC unit: in words, every default filled in, why it is exact, what it costs.

    \b
    Examples:
      hwsim mac e5m2xe5m2+e6m9:chunk64
      hwsim mac int8xint8+int17:saturate
      hwsim mac fp16xfp16+exact
    """
    from hwsim.costs import cost
    from hwsim.simulate import describe
    from hwsim.units import parse_unit

    unit = parse_unit(spec)
    price = cost(unit, node)
    proofs = describe(unit)
    if as_json:
        words = dict(in_words(unit))
        print_json({"unit": str(unit), **words, "proofs": proofs, "cost": price.to_dict()})
        return
    screen = console()

    def say(text: str) -> None:
        screen.print(text, highlight=False, markup=False, soft_wrap=True)

    say(str(unit))
    for key, value in in_words(unit):
        say(f"  {key:12} {value}")
    say("\nwhy the kernels are exact")
    for proof in proofs:
        say(f"  {proof}")
    say("\ncost")
    say(str(price))


def in_words(unit: MacUnit) -> list[tuple[str, str]]:
    """Every part of a unit, defaults included."""
    overflow = ", ".join(
        dict.fromkeys(f"{f}: {unit.overflow_of(f)}" for f in unit.rounded_formats().values())
    )
    return [
        ("operands", _operands(unit)),
        ("product", _product(unit)),
        ("accumulator", str(unit.accumulator)),
        ("rounding", _rounding(unit.rounding)),
        ("overflow", overflow),
        ("order", _order(unit)),
        ("output", _output(unit)),
        *([] if unit.nan is None else [("NaN", f"0x{unit.nan:x}")]),
    ]


def _operands(unit: MacUnit) -> str:
    """What a and b are, and what becomes of numbers under the smallest normal."""
    a, b = unit.operands
    text = f"a {a}, b {b}"
    if unit.ftz:
        text += "; they and c under the smallest normal read as +0, rounded numbers as signed zeros"
    return text + "; subnormals read as zeros" * unit.daz


def _product(unit: MacUnit) -> str:
    """What is multiplied, and whether it is rounded."""
    from hwsim.units import LogSum, StoredProduct

    if isinstance(unit.order, LogSum):
        return f"the sum of two logarithms, rounded to a field of {unit.accumulator}"
    if isinstance(unit.multiplier, StoredProduct):
        return f"looked up: rounded to {unit.multiplier.format} (rne, saturate) in a table"
    core = f"{unit.core} of {unit.core.bits}-bit {unit.core.MEETS}" if unit.core else ""
    if unit.product_format is None:
        return f"{core or 'exact'} (fma)"
    return f"{core}{', ' * bool(core)}rounded to {unit.product_format} (mul_add)"


def _order(unit: MacUnit) -> str:
    """How products become a sum."""
    from hwsim.units import (
        Bins,
        Chunked,
        DotAdd,
        DoubleWord,
        Exact,
        Fused,
        Kahan,
        Lanes,
        LogSum,
        Reversed,
        Staged,
        Tree,
    )

    match unit.order:
        case Chunked() | Tree() if unit.scales_sums:
            return (
                f"{unit.order}, of elements' products, within blocks: each, from +0, times both "
                f"scales (exactly) is added in ascending order to c or +0 in {unit.outer_format}"
            )
        case Chunked(length):
            return (
                f"chunks of {length} products, each from +0; their sums are added in "
                f"ascending order to c or +0 in {unit.outer_format}"
            )
        case Lanes(count, tree):
            how = "half to half, lane i and lane i + count/2" if tree else "in ascending order"
            lanes = f"{count} lanes, k mod {count}" if count > 1 else "one lane"
            return f"{lanes}, each from +0; their sums are added {how}, and that to c or +0"
        case Tree(width):
            return (
                f"trees over {width} products, adjacent pairs, each sum of two rounded; "
                "their roots are added in ascending order to c or +0"
            )
        case Reversed(width):
            return f"s = c or +0, then s = R(s + p), {width} products at a time by descending k"
        case DotAdd(width, partial):
            own = f", rounded to {partial} (rne, saturate)" if partial else ""
            return f"s = c or +0, then s = R(s + the exact sum of the next {width} products{own})"
        case Bins(count):
            return (
                f"{count} bins, one for each value of the codebook, each summed from +0; "
                f"s = c or +0, then s = R(s + bin·value), values ascending, in {unit.outer_format}"
            )
        case Fused() as order:
            return _fused(order, unit)
        case Staged() as order:
            return _staged(order)
        case Kahan():
            return (
                "Kahan: s = c or +0, e = +0, then y = R(p − e), t = R(s + y), "
                "e = R(R(t − s) − y), s = t for ascending k"
            )
        case DoubleWord():
            return (
                "two words, c or +0 and +0; each product enters as two, by TwoSum and Fast2Sum, "
                f"thirteen roundings; at last R(upper + lower) in {unit.output_format}"
            )
        case LogSum(places):
            bits = unit.log_accumulator.fraction_bits if places is None else places
            return (
                "logarithms: s = c or 0, then log|s| = R(max + table(distance)) for ascending k, "
                f"entries of log2(1 ± 2^−d) to {bits} fraction bits"
            )
        case Exact():
            return f"exact: one rounding of the whole sum, c included; {_register(unit)}"
    return "sequential: s = c or +0, then s = R(s + p) for ascending k"


def _register(unit: MacUnit) -> str:
    """How wide a register sums exactly, and the standard's of posits."""
    from hwsim.costs import register_bits
    from hwsim.formats import PositFormat

    one, many = (register_bits(unit, 2**n) for n in (0, 16))
    text = f"a register of {one} + ⌈log2 K⌉ bits holds the products, {many} for K = 65536"
    if not isinstance(unit.a, PositFormat) or unit.a != unit.b:
        return text
    return f"{text}; the quire of {unit.a} has {unit.a.quire_bits}"


def _fused(order: Fused, unit: MacUnit) -> str:
    """What a block does with its terms."""
    zero = "none" if order.zero is None else str(order.zero)
    how = "rounded (rne)" if order.nearest else "cut"
    align = "kept whole"
    if order.fraction is not None:
        align = f"{how} to {order.fraction} fraction bits of the largest exponent"
    text = (
        f"fused: {order.terms} products and s at once, terms {align}; "
        f"a zero's exponent: {zero}; s = R(sum) in {unit.block_format}"
    )
    if order.promote is None:
        return text + "; s starts at c or +0"
    return (
        text
        + f"; every {order.promote} products, s is added (rne) to c or +0 in {unit.accumulator}"
    )


def _staged(order: Staged) -> str:
    """What the two stages of a block do."""
    groups = "one group" if order.groups == 1 else f"groups k mod {order.groups}"
    reach = "" if order.reach is None else f" (0 where more than {order.reach} places below)"
    return (
        f"two stages: {order.terms} products in {groups}, cut to {order.fraction} fraction bits of "
        f"the largest exponent; their sum and s{reach} down to {order.kept + 1} and "
        f"{order.fraction} bits of the largest of all; s = R(total, down to {order.kept} bits of "
        "its own exponent); s starts at c or +0"
    )


def _rounding(name: str) -> str:
    """A rounding's name, and of a stochastic one what it says."""
    from hwsim.formats import stochastic_of

    how = stochastic_of(name)
    if how is None:
        return name
    source = f"a shift register of {how.lfsr} bits" if how.lfsr else "splitmix64"
    return f"{name}: {how.bits} random bits of {source}, P3109 Stochastic{how.variant.upper()}"


def _output(unit: MacUnit) -> str:
    """Format of the results, and the requantization that leads to it."""
    how = unit.requantization
    if how is None:
        return str(unit.output_format)
    first = f"{how.high_rounding} after the multiplier, then " if how.high_rounding else ""
    return (
        f"{unit.output_format}: sum times a multiplier of {how.multiplier_bits} bits, shifted "
        f"({first}{how.rounding}), plus zero point, clamped"
    )
