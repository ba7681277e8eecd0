"""Read a MAC unit's description.

    unit   = ( A "x" B [ ":" core ] "+" ( ACC | "exact" ) | INSTRUCTION ) { ":" option }
    core   = a name of `hwsim.units.multipliers` | ( "table" | "tables" ) "=" FILE | "table-" DIGEST
    option = rounding | overflow | order | "mul_add" [ "/" FMT ] | "products/" FMT
         | "daz" | "ftz" | "out=" FMT | requant | "nan=" CODE
    order  = "seq" | "rev" N | "chunk" N [ "/" FMT ] | "lanes" N [ "-tree" ] | "tree" N | "exact"
           | "dot" N [ "/" FMT ] | "bins" N [ "/" FMT ] | "kahan" | "double" | "lns" [ N ]
           | "fused" L [ "f" F [ "n" ] [ "z" [ "-" ] E ] ] [ "p" N ] [ "g" N ]
              [ "/" FMT ]
           | "staged" L "f" F "s" S [ "g" G ] [ "c" C ]
    rounding = "rne" | "rna" | "rtz" | "rup" | "rdn" | "rto" | stochastic
    stochastic = "sr" [ N ] [ "a" | "b" | "c" ] [ "-lfsr" W ]
    requant = "requant" BITS [ "/" MODE [ "/" MODE ] ]

A, B, ACC and FMT are format names (`hwsim.formats.grammar`), A and B also block formats'
(`hwsim.formats.block_names`), taken longest first; INSTRUCTION is one of `INSTRUCTIONS` or of
`MATRIX_UNITS`.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, replace
from dataclasses import fields as fields_of
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NoReturn

from hwsim.errors import SpecError
from hwsim.formats import (
    ALIASES,
    CATALOGUE,
    OVERFLOWS,
    ROUNDINGS,
    FloatFormat,
    Format,
    GridFormat,
    SumFormat,
    TableFormat,
    block_length,
    format_length,
    parse_block,
    parse_format,
    stochastic_of,
)
from hwsim.units.compensated import DoubleWord, Kahan
from hwsim.units.logsums import LogSum
from hwsim.units.matrix_units import MATRIX_UNITS
from hwsim.units.multipliers import MOST_BITS, IntegerMultiplier, core_bits, parse_multiplier
from hwsim.units.orders import (
    Bins,
    Chunked,
    DotAdd,
    Exact,
    Fused,
    Lanes,
    Order,
    Reversed,
    Sequential,
    Tree,
)
from hwsim.units.requantization import REQUANT_ROUNDINGS, Requantization
from hwsim.units.staged import Staged
from hwsim.units.tables import known_table, read_table
from hwsim.units.types import (
    MacUnit,
    RoundedProduct,
    StoredProduct,
    default_exact_accumulator,
    default_order,
)

ORDERS = (
    "seq",
    "rev2",
    "chunk64",
    "lanes8",
    "lanes8-tree",
    "tree16",
    "dot4",
    "bins16",
    "fused16f25",
    "staged8f24s31",
    "kahan",
    "double",
    "lns",
    "exact",
)
OPTIONS = (
    *ROUNDINGS,
    "sr8",
    *OVERFLOWS,
    *ORDERS,
    "mul_add",
    "products/",
    "daz",
    "ftz",
    "out=",
    "requant31",
    "nan=0x7fffffff",
)
# Instructions of CPUs, and the first TPU's array (Jouppi et al. 2017), by their names.
INSTRUCTIONS = {
    "vpdpbusd": "uint8xint8+int32:dot4",
    "vpdpbusds": "uint8xint8+int32:saturate:dot4",
    "avx512.vpdpbusd": "uint8xint8+int32:dot4",
    "avx512.vpdpbusds": "uint8xint8+int32:saturate:dot4",
    "avx512.vdpbf16ps": "bf16xbf16+e8m23_nosub:rev2:daz",
    "avx2.vpmaddubsw": "uint8xint8+int32:dot2/int16",  # then VPMADDWD by ones, VPADDD
    "avx2.vpmaddubsw/int16": "uint8xint8+int16:saturate:dot2/int16",  # then VPADDSW
    "tpu1.int8": "int8xint8+int32",
}
NAMED = INSTRUCTIONS | MATRIX_UNITS
_PLAIN_ORDERS = {"seq": Sequential, "kahan": Kahan, "double": DoubleWord, "exact": Exact}
_COUNTED = {
    "rev": Reversed,
    "chunk": Chunked,
    "lanes": Lanes,
    "tree": Tree,
    "dot": DotAdd,
    "bins": Bins,
}
_COUNTED_ORDER = re.compile(rf"({'|'.join(_COUNTED)})([1-9][0-9]{{0,8}})(-tree)?")
_FUSED_ORDER = re.compile(
    r"fused([1-9][0-9]{0,8})(?:f([0-9]{1,9})(n)?(?:z(-?[0-9]{1,9}))?)?(?:p([1-9][0-9]{0,8}))?"
    r"(?:g([1-9][0-9]{0,8}))?"
)
_STAGED_ORDER = re.compile(
    r"staged([1-9][0-9]{0,8})f([0-9]{1,9})s([0-9]{1,9})(?:g([1-9][0-9]{0,8}))?(?:c([0-9]{1,9}))?"
)

# What options with numbers look like, for those that have others.
_FORMS = {kind: f"{kind}N, N from 1 up" for kind in _COUNTED} | {
    "fused": "fusedL or fusedLfF[n][zE], then [pN][gG]: L terms from 1, F fraction bits, n to "
    "nearest, E the exponent of zero, promoted every N, groups of G",
    "staged": "stagedLfFsS[gG][cC]: L terms from 1, F and S fraction bits, G groups, C the reach",
    "nan": "nan=0x and the code in hexadecimal digits",
    "sr": "srN[b|c][-lfsrW]: N from 1 to 32 random bits",
}
_FILES = re.compile("codebook=|tables?=")
_FIELD_OF_ROLE = {"product": "multiplier", "outer": "order"}


class _Reader:
    """A position in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spans: dict[str, tuple[int, int]] = {}  # where each field was read

    def take(self, token: str) -> bool:
        """Step over ``token`` if it comes next."""
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def expect(self, token: str, after: str) -> None:
        if not self.take(token):
            self.fail(f"{token!r} expected after {after}")

    def word(self, stops: str = "+:/") -> str:
        """The text up to the next separator, without stepping over it."""
        match = re.compile(f"[^{stops}]*").match(self.text, self.at)
        assert match
        return match[0]

    def format(self) -> Format:
        """Step over the longest format name."""
        length = format_length(self.text, self.at)
        if not length:
            word = self.word("x+:/")
            message = f"{word!r} is no format" if word else "the name of a format is expected"
            self.fail(message, len(word), [*CATALOGUE, *ALIASES])
        start, self.at = self.at, self.at + length
        try:
            return parse_format(self.text[start : self.at])
        except SpecError as error:
            raise SpecError(error.message, self.text, start, length) from None

    def field(self, name: str) -> Format:
        """Read a format and remember that it is the field ``name``."""
        start = self.at
        fmt = self.format()
        self.spans[name] = (start, self.at - start)
        return fmt

    def operand(self, name: str) -> dict[str, Any]:
        """Read the format of numbers, or of blocks, that is the field ``name``."""
        start, length = self.at, block_length(self.text, self.at)
        if not length or length < format_length(self.text, start):
            return {name: self.field(name)}
        self.at += length
        self.spans[name] = (start, length)
        try:
            block = parse_block(self.text[start : self.at])
        except SpecError as error:
            raise SpecError(error.message, self.text, start, length) from None
        return {name: block.element, f"{name}_block": block}

    def grid(self) -> SumFormat:
        """Step over the format of a sum."""
        start = self.at
        fmt = self.format()
        if isinstance(fmt, TableFormat):
            self.at, length = start, self.at - start
            self.fail(
                f"format {fmt}: a float, a posit, an integer or fixed point is needed", length
            )
        return fmt

    def entry(self) -> GridFormat:
        """Step over the format of a table's entries."""
        start, fmt = self.at, self.grid()
        if not isinstance(fmt, GridFormat):
            self.at, length = start, self.at - start
            self.fail(f"format {fmt}: entries are floats, integers or fixed point", length)
        return fmt

    def fail(self, message: str, length: int = 1, known: Any = ()) -> NoReturn:
        raise SpecError(message, self.text, self.at, length, known)


def parse_unit(text: str) -> MacUnit:
    """The MAC unit that ``text`` describes.

    >>> str(parse_unit("e4m3xe4m3+fp16:chunk32/fp32:rtz"))
    'e4m3xe4m3+fp16:rtz:chunk32/fp32'
    >>> str(parse_unit("int8xint8+exact"))
    'int8xint8+int64:exact'
    """
    # A file (of a codebook, of products) may have changed since it was read.
    return _parsed.__wrapped__(text) if _FILES.search(text) else _parsed(text)


@lru_cache(maxsize=1 << 10)
def _parsed(text: str) -> MacUnit:
    reader = _Reader(text)
    fields = _instruction(reader) or _formats(reader)
    while reader.at < len(text):
        reader.expect(":", "a format or an option")
        _option(reader, fields)
    try:
        return _unit(fields)
    except SpecError as error:
        place = _FIELD_OF_ROLE.get(error.part, error.part)
        start, length = reader.spans.get(place, (0, len(text)))
        raise SpecError(error.message, text, start, length) from None


def _unit(fields: dict[str, Any]) -> MacUnit:
    """The unit of these fields; blocks have another default order."""
    unit = MacUnit(**{"order": Sequential()} | fields)
    if unit.is_blocked and "order" not in fields:
        unit = replace(unit, order=default_order(unit.block_size))
    return unit


def _instruction(reader: _Reader) -> dict[str, Any]:
    """The fields of an instruction's unit, if one is named."""
    name = reader.word("+:")
    if name not in NAMED:
        _refuse_unknown(reader, name)
        return {}
    reader.take(name)
    unit = parse_unit(NAMED[name])
    always = ("a", "b", "a_block", "b_block", "accumulator", "order")
    return {
        field.name: getattr(unit, field.name)
        for field in fields_of(MacUnit)
        if field.name in always or getattr(unit, field.name) not in _unsaid(field)
    }


def _refuse_unknown(reader: _Reader, name: str) -> None:
    """Raise SpecError for a name that is like those of matrix units, with what there is."""
    families = {known.partition(".")[0] for known in NAMED if "." in known}
    family, dot, _ = name.lower().partition(".")
    near = get_close_matches(family, families, n=1, cutoff=0.8)
    if near and (dot or family in families):
        known = [unit for unit in NAMED if unit.startswith(f"{near[0]}.")]
        message = f"unit {name!r} is not known; there are {', '.join(known)}"
        raise SpecError(message, reader.text, 0, len(name), known)


def _unsaid(field: Field[Any]) -> tuple[Any, ...]:
    """What a field is where nothing is said."""
    made = [] if field.default_factory is MISSING else [field.default_factory()]
    return (field.default, *made)


def _formats(reader: _Reader) -> dict[str, Any]:
    """Operands and accumulator."""
    fields: dict[str, Any] = reader.operand("a")
    a = fields["a"]
    reader.expect("x", f"the format {fields.get('a_block', a)}")
    fields |= reader.operand("b")
    b = fields["b"]
    if reader.take(":"):
        fields["core"] = _core(reader, core_bits(a, b))
    reader.expect("+", f"the format {fields.get('b_block', b)}")
    if reader.word() == "exact":
        reader.take("exact")
        values = [
            fields[f"{x}_block"].values if f"{x}_block" in fields else fields[x] for x in "ab"
        ]
        fields |= {"accumulator": default_exact_accumulator(*values), "order": Exact()}
    else:
        fields["accumulator"] = reader.field("accumulator")
    return fields


def names_unit(text: str) -> bool:
    """Whether ``text`` is meant for a unit, not for a format."""
    return "+" in text or text.partition(":")[0] in NAMED


def _core(reader: _Reader, bits: int) -> IntegerMultiplier:
    """Read what multiplies significands of ``bits`` bits: everything up to the next plus sign."""
    word, start = reader.word("+"), reader.at
    reader.spans["core"] = (start, len(word))
    kind, _, file = word.partition("=")
    if bits > MOST_BITS:
        message = f"{word}: operands of {bits} bits; {MOST_BITS} are multiplied at most"
        raise SpecError(message, reader.text, start, len(word))
    try:
        if file and kind in ("table", "tables"):
            core: IntegerMultiplier = read_table(file, kind == "tables")
        elif word.startswith("table-"):
            core = known_table(word[len("table-") :])
        else:
            core = parse_multiplier(word, bits)
    except SpecError as error:
        message, known = error.message, error.known
        if known:  # the word names none
            message += ", table=FILE.npy (its products), tables=FILE.npy (of signed operands)"
            known = (*known, "table=", "tables=")
        raise SpecError(message, reader.text, start, len(word), known) from None
    reader.take(word)
    return core


def as_unit(mac: str | MacUnit) -> MacUnit:
    """A MAC unit from its name, or itself."""
    if isinstance(mac, MacUnit):
        return mac
    if isinstance(mac, str):
        return parse_unit(mac)
    raise TypeError(f"mac={mac!r}: a MacUnit or its description is needed")


def _option(reader: _Reader, fields: dict[str, Any]) -> None:
    """Read one option into ``fields``."""
    start, word = reader.at, reader.word()
    name, value = _read_option(reader, word)
    if name in fields:
        reader.at = start
        reader.fail(f"a second {name}: {word!r}", len(word))
    if name == "output" and "nan" not in reader.spans:
        fields.pop("nan", None)  # an instruction's own NaN, which a conversion replaces
    fields[name] = value
    reader.spans[name] = (start, reader.at - start)


def _read_option(reader: _Reader, word: str) -> tuple[str, object]:
    if word in ROUNDINGS and reader.take(word):
        return "rounding", word
    if how := _stochastic(reader, word):
        return "rounding", how
    if word in OVERFLOWS and reader.take(word):
        return "overflow", word
    if word in _PLAIN_ORDERS and reader.take(word):
        return "order", _PLAIN_ORDERS[word]()
    if found := _COUNTED_ORDER.fullmatch(word):
        return "order", _counted_order(reader, *found.groups())
    if found := re.fullmatch("lns([0-9]{1,2})?", word):
        return "order", _log_sum(reader, word, found[1])
    if found := _FUSED_ORDER.fullmatch(word):
        return "order", _fused_order(reader, word, *found.groups())
    if found := _STAGED_ORDER.fullmatch(word):
        return "order", _staged_order(reader, word, *found.groups())
    if word == "mul_add" and reader.take(word):
        return "multiplier", RoundedProduct(reader.grid() if reader.take("/") else None)
    if word == "products" and reader.take("products"):
        reader.expect("/", "products")
        return "multiplier", StoredProduct(reader.entry())
    if word in ("daz", "ftz") and reader.take(word):
        return word, True
    if re.fullmatch("nan=0x[0-9a-f]{1,16}", word) and reader.take(word):
        return "nan", int(word[len("nan=") :], 16)
    if word.startswith("out=") and reader.take("out="):
        return "output", reader.format()
    if re.fullmatch(r"requant[1-9][0-9]?", word):
        return "requantization", _requantization(reader, word)
    kind = re.split("[^a-z]", word)[0]
    if kind in _FORMS:
        return reader.fail(f"option {word!r}: allowed is {_FORMS[kind]}", len(word))
    allowed = ", ".join(OPTIONS)
    return reader.fail(f"unknown option {word!r}; allowed are {allowed}", len(word), OPTIONS)


def _counted_order(reader: _Reader, kind: str, digits: str, tree: str | None) -> Order:
    """An order with a number in its name."""
    word = f"{kind}{digits}{tree or ''}"
    if tree and kind != "lanes":
        reader.fail(f"{word!r}: only lanes end in a tree", len(word), OPTIONS)
    order = Lanes(int(digits), True) if tree else _COUNTED[kind](int(digits))
    try:
        order.check()
    except SpecError as error:
        reader.fail(error.message, len(word))
    reader.take(word)
    if isinstance(order, Chunked | Bins) and reader.take("/"):
        return replace(order, outer=reader.grid())
    if isinstance(order, DotAdd) and reader.take("/"):
        return replace(order, partial=reader.grid())
    return order


def _log_sum(reader: _Reader, word: str, places: str | None) -> Order:
    """Sums of logarithms, and the fraction bits of their tables."""
    order = LogSum(None if places is None else int(places))
    try:
        order.check()
    except SpecError as error:
        reader.fail(error.message, len(word))
    reader.take(word)
    return order


def _fused_order(reader: _Reader, word: str, *fields: str | None) -> Order:
    """Blocks of L terms; after a slash, what they are rounded to."""
    terms, fraction, nearest, zero, promote, exact = fields
    f, z, p, g = [None if n is None else int(n) for n in (fraction, zero, promote, exact)]
    order = Fused(int(terms or 0), f, z, bool(nearest), None, p, g)
    try:
        order.check()
    except SpecError as error:
        reader.fail(error.message, len(word))
    reader.take(word)
    if not reader.take("/"):
        return order
    start, result = reader.at, reader.grid()
    if not isinstance(result, FloatFormat):
        reader.at, length = start, reader.at - start
        reader.fail(f"format {result}: blocks are rounded to floats", length)
    return replace(order, result=result)


def _staged_order(reader: _Reader, word: str, *fields: str | None) -> Order:
    """Blocks of L terms in two stages."""
    terms, fraction, kept, groups, reach = (None if n is None else int(n) for n in fields)
    order = Staged(terms or 0, fraction or 0, kept or 0, groups or 1, reach)
    try:
        order.check()
    except SpecError as error:
        reader.fail(error.message, len(word))
    reader.take(word)
    return order


def _stochastic(reader: _Reader, word: str) -> str | None:
    """The canonical name of the stochastic rounding ``word``; None for another word."""
    try:
        how = stochastic_of(word)
    except SpecError as error:
        reader.fail(error.message, len(word))
    if how is None:
        return None
    reader.take(word)
    return str(how)


def _requantization(reader: _Reader, word: str) -> Requantization:
    """``word`` (requant and its bits), and after it one rounding, or gemmlowp's two."""
    start, modes = reader.at, list[str]()
    reader.take(word)
    while len(modes) < 2 and reader.take("/"):
        mode = reader.word()
        if mode not in REQUANT_ROUNDINGS:
            message = f"{mode!r} is no rounding of a requantization"
            reader.fail(message, len(mode), REQUANT_ROUNDINGS)
        reader.take(mode)
        modes.append(mode)
    try:
        return Requantization(int(word[len("requant") :]), *modes[::-1])
    except SpecError as error:
        raise SpecError(error.message, reader.text, start, len(word)) from None
