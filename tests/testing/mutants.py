"""Mutants: the reference with one thing changed in one line, and what the laws say of each.

A mutant is a copy of the package `hwsim.reference` under another name.  Its `matmul` or `round` is
judged as a user's would be, by `hwsim.testing.check` on one specification.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hwsim import reference
from hwsim.testing import Report, check
from hwsim.units import names_unit

PACKAGE = Path(reference.__file__).parent
NAME = "mutant_of_the_reference"


@dataclass(frozen=True)
class Mutant:
    """``old`` in a file of the reference becomes ``new``; what it is judged on."""

    kind: str
    file: str
    old: str
    new: str
    spec: str

    def __str__(self) -> str:
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.kind}: {old} → {new or 'nothing'}"


def _family(kind: str, file: str, spec: str, *edits: tuple[str, ...]) -> list[Mutant]:
    """Mutants of one part; an edit may bring a specification of its own."""
    return [Mutant(kind, file, old, new, *(own or (spec,))) for old, new, *own in edits]


U6 = "uint6xuint6:{}+int32"
U7 = "uint7xuint7:mbm+int32"
TREE6 = "e3m2xe3m2+e4m3:tree6"
CORES = "multipliers.py"
MUTANTS = (
    *_family(
        *("Mitchell", CORES, U6.format("mitchell")),
        ("rest = (r1 << k2) + (r2 << k1)", "rest = (r1 << k2) - (r2 << k1)"),
        ("rest = (r1 << k2) + (r2 << k1)", "rest = (r1 << k1) + (r2 << k2)"),
        ("if rest < one else 2 * rest", "if rest < one else rest"),
        ("if rest < one else 2 * rest", "if rest < one else 2 * rest - one"),
        ("one = 1 << (k1 + k2)\n    return", "one = 1 << (k1 + k2 + 1)\n    return"),
        ("k = x.bit_length() - 1", "k = max(0, x.bit_length() - 2)"),
    ),
    *_family(
        *("MBM", CORES, U6.format("mbm")),
        ("Fraction(5, 64)", "Fraction(4, 64)", "uint8xuint8:mbm+int32"),
        ("Fraction(5, 64)", "Fraction(6, 64)", "uint8xuint8:mbm+int32"),
        ("carry = int(fraction >= one)", "carry = int(fraction > one)", U7),
        ("addition * one / 2**carry", "addition * one"),
        ("shift = k1 + k2 + carry", "shift = k1 + k2"),
        ("fraction + more >= one:", "fraction + more > one:", U7),
        ("shift == 2 * n - 1 and", "shift == 2 * n and", U7),
        (">> (n - 1)\n\n\ndef _segment", ">> n\n\n\ndef _segment"),
        ("fraction = (r1 << (n - 1 - k1))", "fraction = (r1 << (n - 1 - k2))"),
    ),
    *_family(
        *("REALM", CORES, U6.format("realm4")),
        ("+ 0.5) for j in cells", "+ 0.0) for j in cells", "uint8xuint8:realm4+int32"),
        ("+ 0.5) for j in cells", "+ 1.0) for j in cells"),
        ("[i][j], 64)", "[i][j], 32)"),
        ("[i][j], 64)", "[i][-1 - j], 64)"),
        ("(r * segments) >> k", "((r * segments) >> k) // 2"),
        ("below = x + y + side / 2 < 1", "below = True"),
    ),
    *_family(
        *("ILM", CORES, U6.format("ilm1")),
        ("range(multiplier.corrections + 1)", "range(multiplier.corrections)"),
        ("range(multiplier.corrections + 1)", "range(multiplier.corrections + 2)"),
        ("a, b = r1, r2", "a, b = r1, b"),
        ("(1 << (k1 + k2)) + (r1 << k2)", "(1 << (k1 + k2)) | (r1 << k2)"),
    ),
    *_family(
        *("DRUM", CORES, U6.format("drum3")),
        ("cut = x.bit_length() - bits", "cut = x.bit_length() - bits - 1"),
        ("cut = x.bit_length() - bits", "cut = x.bit_length() - bits + 1"),
        ("if cut <= 0", "if cut <= 1"),
        ("((x >> cut) | 1)", "((x >> cut) | 0)"),
        ("((x >> cut) | 1)", "((x >> cut) | 2)"),
        ("((x >> cut) | 1) << cut", "((x >> cut) + 1) << cut"),
    ),
    *_family(
        *("truncated", CORES, U6.format("trunc4c")),
        ("range(dropped, 2 * n - 1)", "range(dropped + 1, 2 * n - 1)"),
        ("range(dropped, 2 * n - 1)", "range(max(0, dropped - 1), 2 * n - 1)"),
        ("range(dropped, 2 * n - 1)", "range(dropped, 2 * n - 2)"),
        ("if multiplier.corrected else 0", "if not multiplier.corrected else 0"),
        ("/ 2**dropped + Fraction(1, 2)", "/ 2**dropped"),
        ("/ 2**dropped + Fraction(1, 2)", "/ 2**dropped + Fraction(3, 4)", U6.format("trunc2c")),
        ("(min(j + 1, n, 2", "(min(j + 2, n, 2", U6.format("trunc2c")),
        ("for j, height in enumerate(heights)), 4)", "for j, height in enumerate(heights)), 2)"),
    ),
    *_family(
        *("significands", "units.py", "e4m3xe4m3:mitchell+fp32"),
        ("finite(negative != (number < 0)", "finite(number < 0"),
        ("negative = x.negative != y.negative", "negative = False"),
        ("is not None and exact.is_finite", "is not None and not exact.is_zero"),
    ),
    *_family(
        *("significands", "powers.py", "e4m3xe4m3:mitchell+fp32"),
        ("- fmt.precision + 1, e)", "- fmt.precision, e)"),
    ),
    *_family(
        *("shifters", "powers.py", "int6xpow2_4b7:shift2+fixed11.2"),
        ("+ unit.core.guard", "+ unit.core.guard + 1"),
        ("e - unit.core.guard", "e - unit.core.guard + 1"),
        (
            "m << places if places >= 0 else m >> -places",
            "m << places if places > 1 else m >> -places",
        ),
        ("else m >> -places  #", "else -(-m >> -places)  #"),
        ("if signed and word.negative", "if False"),
        ("minus != power.negative", "minus"),
    ),
    *_family(
        *("logarithms", "powers.py", "log3.2xlog3.2:log6+fp32"),
        ("_logarithm(y, unit.b", "_logarithm(x, unit.b"),
        ("whole - core.table_bits", "whole - core.table_bits + 1"),
        ("x.negative != y.negative, entry", "x.negative, entry"),
        ("if x.is_zero or y.is_zero", "if x.is_zero"),
        ("(field - fmt.exponent_bias)", "(field - fmt.exponent_bias + 1)"),
        ("<< (bits - fmt.fraction_bits)", "<< bits", "log3.2xpow2_3:log6+fp32"),
    ),
    *_family(
        *("table of powers", CORES, "log3.2xlog3.2:log6+fp32"),
        ("return (root + 1) >> 1", "return root >> 1"),
        ("return (root + 1) >> 1", "return (root + 2) >> 1"),
    ),
    *_family(
        *("stored products", "units.py", "nf4xe2m1+fp16:products/e4m3"),
        ('.format, "rne", "saturate").value', '.format, "rtz", "saturate").value'),
        (
            '.format, "rne", "saturate").value',
            '.format, "rne", "nan").value',
            "ternaryxint5+fp16:products/e2m2",
        ),
    ),
    *_family(
        *("bins", "units.py", "int5xternary+int8:saturate:bins3/fp16"),
        ("for number, _ in codebook.entries if", "for number, _ in codebook.entries[::-1] if"),
        ("if equal(y, value):", "if not equal(y, value):"),
        ("value, level = from_ratio(number)", "value, level = from_ratio(abs(number))"),
        ("total_of_bin = ZERO", "total_of_bin = total"),
    ),
    *_family(
        *("draws", "draws.py", "e3m2xe3m2+e4m3:sr4"),
        ("output * steps + step)", "output * steps + step + 1)"),
        ("output * steps + step)", "output + step)"),
        ("output * steps + step)", "output * (steps + 1) + step)"),
        ("mask = (1 << how.bits) - 1", "mask = (1 << (how.bits - 1)) - 1"),
        ("word(self.seed, output * steps + step) & mask", "word(self.seed, step) & mask"),
        ("(seed + (i + 1) * GOLDEN)", "(seed + i * GOLDEN)"),
        ("z ^ (z >> 31)", "z ^ (z >> 32)"),
    ),
    *_family(
        *("shift register", "draws.py", "e3m2xe3m2+e4m3:sr4-lfsr9"),
        ("state = 1 + word", "state = word"),
        ("(1 << how.lfsr) - 1)", "(1 << how.lfsr))"),
        ("(state >> 1) ^", "state ^"),
        ("if state & 1 else 0", "if not state & 1 else 0"),
        ("state & ((1 << how.bits) - 1)", "state >> (how.lfsr - how.bits)"),
    ),
    *_family(
        *("numbers of draws", "units.py", "e3m2xe3m2+e3m2:sr4:chunk3:mul_add:out=e2m1"),
        ("observe, draw, steps.first_inner", "observe, draw, 0"),
        ("observe, draw, steps.first_outer", "observe, draw, steps.first_inner"),
        ("draw(steps.first_output)", "draw(steps.first_outer)"),
        (
            "rounded(exact, self.fmt, self.unit, self.draw(self.step))",
            "rounded(exact, self.fmt, self.unit)",
        ),
        ("        self.step += 1\n", ""),
    ),
    *_family(
        *("lanes", "units.py", "e3m2xe3m2+e4m3:lanes4"),
        (
            "lanes[k % order.count] = inner.add(lanes[k % order.count], p)",
            "lanes[k * order.count // len(addends)] = inner.add("
            "lanes[k * order.count // len(addends)], p)",
        ),
        (
            "sequential_sum(lanes[1:], lanes[0], inner)",
            "sequential_sum(lanes[-2::-1], lanes[-1], inner)",
        ),
        ("sequential_sum(lanes[1:], lanes[0], inner)", "root(lanes, inner)"),
        (
            "return outer.add(c, sequential_sum(lanes[1:], lanes[0], inner))",
            "return sequential_sum(lanes, c, inner)",
        ),
        (
            "inner.add(lanes[i], lanes[i + half])",
            "inner.add(lanes[2 * i], lanes[2 * i + 1])",
            "e3m2xe3m2+e4m3:lanes8-tree",
        ),
        ("return outer.add(c, lanes[0])", "return lanes[0]", "e3m2xe3m2+e4m3:lanes8-tree"),
    ),
    *_family(
        *("trees", "units.py", "e3m2xe3m2+e4m3:tree4"),
        (
            "range(0, len(nodes) - 1, 2)]",
            "range(0, len(nodes) - 1, 2)][::-1]",
            "e3m2xe3m2+e4m3:tree6",
        ),
        (
            "nodes = pairs + nodes[2 * len(pairs) :]",
            "nodes = nodes[2 * len(pairs) :] + pairs",
            "e3m2xe3m2+e4m3:tree7",
        ),
        ("parts(addends, width)], c, outer)", "parts(addends[::-1], width)], c, outer)"),
        ("parts(addends, width)], c, outer)", "parts(addends, width + 1)], c, outer)"),
    ),
    *_family(
        *("groups", "units.py", "e3m2xe3m2+e4m3:dot4"),
        ("parts(addends, order.width), inner", "parts(addends, order.width - 1), inner"),
        (
            "exact_total(group[1:], group[0], rounding) for",
            "sequential_sum(group, ZERO, inner) for",
        ),
        ("return sequential_sum(sums, c, inner)", "return sequential_sum(sums[::-1], c, inner)"),
    ),
    *_family(
        *("chunks", "units.py", "e3m2xe3m2+e4m3:chunk3/e5m2"),
        ("[sequential_sum(chunk, ZERO, inner)", "[sequential_sum(chunk, c, inner)"),
        ("return sequential_sum(sums, c, outer)", "return sequential_sum(sums, c, inner)"),
    ),
    *_family(
        *("compensated sums", "compensated.py", "e3m2xe3m2+e4m3:kahan"),
        ("level.rest(p, negate(e))", "level.rest(p, e)"),
        ("too_much = level.rest(t, negate(s))", "too_much = level.rest(t, negate(y))"),
        ("e = level.rest(too_much, negate(y))", "e = level.rest(y, negate(too_much))"),
        ("t = level.add(s, y)", "t = level.add(s, p)"),
    ),
    *_family(
        *("two words", "compensated.py", "e3m2xe3m2+e4m3:double:out=fp16"),
        ("level.rest(e, level.rest(low, r))", "level.rest(low, level.rest(e, r))"),
        ("r = level.rest(exact, negate(p))", "r = level.rest(p, negate(p))"),
        ("low = level.rest(w, negate(z))", "low = level.rest(z, negate(w))"),
        ("add(h, low, rounding) if addends", "h if addends"),
        ("error_of_h = level.rest(h, negate(of_h))", "error_of_h = level.rest(of_h, negate(h))"),
    ),
    *_family(
        *("sums of logarithms", "logsums.py", "log2.2b4xlog2.2b4+log3.2b16:lns4"),
        ("else minus)(distance", "else plus)(distance"),
        ("distance == 0:", "distance == 1:"),
        ("if x.field >= y.field else (y, x)", "if x.field >= y.field else (x, y)"),
        ("lower % 2 == 1, negative", "lower % 2 == 0, negative"),
        ("large.negative, (log", "small.negative, (log"),
        ("Log(negative, fmt.last_field), True", "Log(negative, fmt.last_field - 1), True"),
        ("lower, rest, versus_half = 0, 1, -1", "lower, rest, versus_half = 0, 1, 1"),
        ("return (ends[0] + 1) >> 1", "return ends[0] >> 1"),
    ),
    *_family(
        *("tables", "tables.py", "pow2_4"),
        ("- fmt.exponent_bias) + 1,", "- fmt.exponent_bias) + 2,"),
        ("- fmt.exponent_bias) + 1,", "- fmt.exponent_bias),"),
        ("2 << fmt.fraction_bits", "1 << fmt.fraction_bits", "log2.1"),
        ("low if middle > 0 else high", "high if middle > 0 else low"),
        ('if across or rounding == "rna"', 'if rounding == "rna"', "binary"),
        ("else high[1] % 2 == 0", "else high[1] % 2 == 1", "nf4"),
        ("middle: Fraction = (low[0] + high[0]) / 2", "middle: Fraction = high[0]", "nf4"),
        (
            "own_sign = low[0] < 0 < high[0], x >= 0",
            "own_sign = low[0] < 0 < high[0], x > 0",
            "binary",
        ),
        ("own_sign if across else x < 0", "x < 0", "binary"),
        ("high[1] % 2 == 1\n        case", "high[1] % 2 == 0\n        case", "ternary"),
        ('return rounding == "rup"', 'return rounding == "rdn"'),
        (
            "if at == len(entries):\n        return from_ratio(fmt.largest)",
            "if at == len(entries):\n        return from_ratio(fmt.lowest)",
        ),
    ),
    *_family(
        *("rules of draws", "rounding.py", "e4m3:sr3:saturate"),
        (">> shift) + draw >= 1 << n", ">> shift) + draw > 1 << n"),
        (">> shift) + draw >= 1 << n", ">> shift) + draw + 1 >= 1 << n"),
        ("((rest << n) >> shift) + draw", "-(-(rest << n) >> shift) + draw"),
        ("2 * draw + 1 >=", "2 * draw >=", "e4m3:sr3b:saturate"),
        ("2 * draw + 1 >=", "2 * draw + 2 >=", "e4m3:sr3b:saturate"),
        ("((rest << (n + 1)) >> shift)", "(((rest << n) >> shift) << 1)", "e4m3:sr3b:saturate"),
        ("left == half and whole % 2 == 1", "left == half", "e4m3:sr3c:saturate"),
        (
            "left == half and whole % 2 == 1",
            "left == half and whole % 2 == 0",
            "e4m3:sr3c:saturate",
        ),
        ("whole + (left > half or", "whole + (left >= half or", "e4m3:sr3c:saturate"),
        ("nearest + draw >= 1 << n", "nearest + draw > 1 << n", "e4m3:sr3c:saturate"),
    ),
    *_family(
        *("rules of draws in sums", "rounding.py", "bf16xbf16+bf16:sr3c"),
        (">> shift) + draw >= 1 << n", ">> shift) + draw > 1 << n", "e4m3xe4m3+e6m9:sr2"),
        ("whole + (left > half or", "whole + ((left >> 4) > (half >> 4) or"),
        ("left == half and whole % 2 == 1", "left == half"),
    ),
    *_family(
        *("streams", "draws.py", "e3m2xe3m2+e4m3:sr4"),
        ("word(self.seed, output * steps", "word(0, output * steps"),
        ("word(self.seed, output * steps", "word(self.seed % 2**32, output * steps"),
        ("word(self.seed, output * steps", "word(0, output * steps", "e4m3:sr3:saturate"),
        ("output * steps + step) & mask", "(output & 1023) * steps + step) & mask"),
        ("output * steps + step) & mask", "output * (steps + 1) + step) & mask"),
        ("1 + word(self.seed, output) %", "1 + word(0, output) %", "e3m2xe3m2+e4m3:sr4-lfsr9"),
    ),
    *_family(
        *("signs of zeros", "units.py", "e3m2xe3m2+e4m3:daz"),
        ("return zero(x.negative and fmt.has_negative_zero)", "return zero()"),
        (
            "isinstance(unit.a, FloatFormat) and isinstance(unit.b, FloatFormat)",
            "isinstance(unit.a, FloatFormat) or isinstance(unit.b, FloatFormat)",
            "e3m2xint4+e4m3",
        ),
        ("negative = x.negative != y.negative", "negative = False", "e3m2xe3m2:drum2+e4m3"),
    ),
    *_family(
        *("ties and grids", "rounding.py", "e4m3:rne:saturate"),
        ("half = 1 << (shift - 1)\n    return", "half = 1 << shift\n    return"),
        ("(rest > half) - (rest < half)", "(rest >= half) - (rest < half)"),
        ("(rest > half) - (rest < half)", "(rest > half) - (rest <= half)", "e4m3:rna:saturate"),
        ("exponent = max(exponent, fmt.emin)", "exponent = max(exponent, fmt.emin - 1)"),
        ("return exponent - fmt.fraction_bits", "return exponent - fmt.fraction_bits + 1"),
    ),
)


@contextmanager
def package_of(mutant: Mutant) -> Iterator[ModuleType]:
    """The mutated reference, importable while the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / NAME
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for file in copy.glob("*.py"):
            text = file.read_text(encoding="utf-8")
            if file.name == mutant.file:
                assert mutant.old in text, f"{mutant}: {mutant.file} has no such line"
                text = text.replace(mutant.old, mutant.new, 1)
            text = text.replace("from hwsim.reference", f"from {NAME}")
            text = text.replace("from hwsim import reference", f"import {NAME} as reference")
            file.write_text(text, encoding="utf-8")
        sys.path.insert(0, folder)
        try:
            yield importlib.import_module(NAME)
        finally:
            sys.path.remove(folder)
            for name in [n for n in sys.modules if n.split(".")[0] == NAME]:
                del sys.modules[name]


def untouched(spec: str) -> Mutant:
    """The reference as it is."""
    return Mutant("none", "units.py", "", "", spec)


def judged(mutant: Mutant, cases: int = 60) -> Report:
    """What the laws say of a mutant."""
    with package_of(mutant) as package:

        def product(a: Any, b: Any, unit: Any, c: Any, seed: int = 0) -> Any:
            return package.matmul(a, b, unit, c=c, seed=seed)

        def rounding(x: Any, fmt: Any, how: str, rule: str, seed: int = 0) -> Any:
            return package.round(x, fmt, how, rule, seed=seed)

        function = product if names_unit(mutant.spec) else rounding
        return check(mutant.spec, function, cases=cases)


def seen_by(report: Report) -> list[str]:
    """The laws that a mutant breaks."""
    return [verdict.law for verdict in report.verdicts if not verdict.ok]


def page(found: list[tuple[Mutant, list[str]]]) -> str:
    """The documentation's table of mutants and the laws that see them."""
    lines = [
        "# Mutants of the reference",
        "",
        "`make mutations` changes one thing in one line of `hwsim.reference`, judges the result as",
        "a user's arithmetic would be (`hwsim.testing.check`) and fails if every law holds.",
        f"{len(found)} mutants, {sum(not laws for _, laws in found)} not seen.",
        "",
        "| part | instead of | stands | judged on | seen by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for mutant, laws in found:
        cells = (" ".join(text.split()).replace("|", "\\|") for text in (mutant.old, mutant.new))
        old, new = (f"`{cell}`" if cell else "nothing" for cell in cells)
        seen = ", ".join(laws) or "**no law**"
        lines.append(f"| {mutant.kind} | {old} | {new} | `{mutant.spec}` | {seen} |")
    return "\n".join(lines) + "\n"
