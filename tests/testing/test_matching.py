"""The law that a multiplier is another one: whatever differs is seen, where it is smallest."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

import hwsim
from hwsim import SpecError
from hwsim.cli.multipliers import multiplier_command
from hwsim.testing import matches, multiplier_errors, product_table
from hwsim.units.multipliers import Drum, ExactMultiplier, Mitchell

NAMES = ("exact", "mitchell", "mbm", "realm8", "ilm1", "drum3", "trunc4", "trunc4c", "shift2")


def mitchell(a: int, b: int) -> int:
    """By floating point: no line of the reference."""
    if not a or not b:
        return 0
    logs = sum(x.bit_length() - 1 + x / 2 ** (x.bit_length() - 1) - 1 for x in (a, b))
    return int(2 ** (logs // 1) * (1 + logs % 1))


def test_every_kind_of_side() -> None:
    """A name, a multiplier, a function, C's function, an array and a table are the same."""
    table = product_table("mitchell", 5)
    compiled = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(mitchell)
    own = hwsim.multiplier(mitchell, bits=5)
    sides: list[Any] = ["mitchell", Mitchell(5), mitchell, compiled, table, own]
    for mine in sides:
        for other in sides:
            verdict = matches(mine, other, bits=5)
            assert (verdict.ok, verdict.cases, verdict.counterexample) == (True, 1024, "")
            assert matches(mine, "exact", bits=5).counterexample.startswith(
                "a = 3, b = 3 gives 8, exact 9; "
            )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("other", NAMES)
def test_names(name: str, other: str) -> None:
    """Each is itself and none of the others."""
    assert matches(name, other, bits=6).ok == (name == other)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.booleans(), st.data())
def test_one_wrong_product_is_seen(bits: int, signed: bool, data: st.DataObject) -> None:
    """Wherever it is, by however little; it is the counterexample."""
    low = -(1 << (bits - 1)) if signed else 0
    operands = st.integers(low, low + (1 << bits) - 1)
    a, b, off = data.draw(operands), data.draw(operands), data.draw(st.sampled_from([-1, 1, 999]))
    wrong = product_table(lambda x, y: x * y, bits, signed)
    wrong[a - low, b - low] += off
    verdict = matches(wrong, "exact", bits, signed)
    assert not verdict.ok
    assert verdict.cases == 4**bits
    wanted = f"a = {a}, b = {b} gives {a * b + off}, exact {a * b}; no other pair differs"
    assert verdict.counterexample == wanted


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.5]))
@example(4, True, 0, 1.0)
def test_the_counterexample_is_the_smallest(
    bits: int, signed: bool, seed: int, share: float
) -> None:
    """Of seeded differences, looked for one by one."""
    low, side = (-(1 << (bits - 1)) if signed else 0), 1 << bits
    wrong = np.random.default_rng(seed).random((side, side)) < share
    exact = product_table("exact", bits, signed)
    verdict = matches(exact + wrong, exact, bits, signed)
    pairs = [(i + low, j + low) for i in range(side) for j in range(side) if wrong[i, j]]
    assert verdict.ok == (not pairs)
    if pairs:
        a, b = min(pairs, key=lambda pair: abs(pair[0]) + abs(pair[1]))
        start = f"a = {a}, b = {b} gives {a * b + 1}, the other {a * b}; "
        assert verdict.counterexample.startswith(start)
        if len(pairs) > 1:
            assert verdict.counterexample == f"{start}{len(pairs)} pairs differ"


def test_multipliers_say_their_bits_and_signs() -> None:
    assert matches(hwsim.multiplier(lambda a, b: a * b, 3, signed=True), "exact").cases == 64
    assert matches("exact", hwsim.multiplier(lambda a, b: a * b, 3, signed=True)).ok
    assert matches(lambda a, b: a * b, ExactMultiplier(4)).cases == 256
    twice = matches(lambda a, b: 2 * a * b, lambda a, b: a * b, bits=2, name="half")
    assert twice.statement == "all products are those of half"
    assert twice.counterexample == "a = 1, b = 1 gives 2, half 1; 9 pairs differ"


def test_multipliers_of_more_bits_or_signs_are_no_sides() -> None:
    signed = hwsim.multiplier(lambda a, b: a * b, 4, signed=True)
    unsigned = hwsim.multiplier(lambda a, b: a * b, 4)
    with pytest.raises(ValueError, match="signed and over unsigned operands"):
        matches(signed, unsigned)
    with pytest.raises(ValueError, match="multipliers of 4 and 6 bits"):
        matches(unsigned, Drum(6))
    with pytest.raises(ValueError, match="signed=True: named multipliers but exact"):
        matches(signed, "mitchell")
    with pytest.raises(ValueError, match=r"shape \(16, 16\): \(256, 256\)"):
        matches(np.zeros((16, 16), int), "mitchell")
    with pytest.raises(SpecError, match="multiplier 'booth'"):
        matches(unsigned, "booth")
    with pytest.raises(TypeError, match="a function of two integers is needed"):
        matches("exact", lambda a: a)  # type: ignore[arg-type, misc]
    with pytest.raises(ZeroDivisionError):
        matches(lambda a, b: a // b, "exact")


def test_a_wrong_table_passes_its_units_laws_and_fails_this_one(tmp_path: Path) -> None:
    """What `check` cannot see."""
    wrong = hwsim.multiplier(product_table("mitchell") + 1)
    file = tmp_path / "wrong.npy"
    np.save(file, product_table(wrong))
    assert hwsim.testing.check(f"uint8xuint8:table={file}+int32", cases=20).ok
    found = matches(wrong, "mitchell")
    assert found.counterexample == "a = 0, b = 0 gives 1, mitchell 0; 65,536 pairs differ"


# --- the command --------------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables of 4 bits: right, wrong in one product, over signed operands."""
    monkeypatch.chdir(tmp_path)
    right = product_table("mitchell", 4)
    np.save("right.npy", right.astype(np.uint8))
    right[7, 5] += 1
    np.save("wrong.npy", right)
    np.save("signed.npy", product_table("exact", 4, signed=True))
    np.save("wide.npy", product_table("exact", 5))
    return tmp_path


WRONG = "a = 7, b = 5 gives {}, {} {}; no other pair differs"


@pytest.mark.parametrize(
    ("spec", "other", "option", "counterexample"),
    [
        ("right.npy", "mitchell", [], ""),
        ("mitchell", "right.npy", [], ""),
        ("right.npy", "right.npy", [], ""),
        ("mitchell", "mitchell", ["--bits", "4"], ""),
        ("signed.npy", "exact", ["--signed"], ""),
        ("exact", "signed.npy", ["--signed"], ""),
        ("wrong.npy", "mitchell", [], WRONG.format(33, "mitchell", 32)),
        ("right.npy", "wrong.npy", [], WRONG.format(32, "wrong.npy", 33)),
    ],
)
def test_the_command(
    files: Path, spec: str, other: str, option: list[str], counterexample: str
) -> None:
    """The verdict beside the figures, which are those of SPEC; 1 where a product differs."""
    arguments = [spec, "--against", other, *option]
    done = CliRunner().invoke(multiplier_command, arguments)
    assert done.exit_code == bool(counterexample), done.output
    said = counterexample or f"all products are those of {other}"
    end = "BROKEN" if counterexample else "holds"
    assert done.stdout.splitlines()[-1].split() == ["matches", end, *said.split()]
    done = CliRunner().invoke(multiplier_command, [*arguments, "--json"])
    assert done.exit_code == bool(counterexample)
    found = json.loads(done.stdout)
    assert found.pop("against") == {
        "law": "matches",
        "statement": f"all products are those of {other}",
        "cases": 256,
        "counterexample": counterexample,
        "skipped": "",
        "ok": not counterexample,
    }
    table = np.load(spec) if spec.endswith(".npy") else product_table(spec, 4, "--signed" in option)
    wanted = multiplier_errors(table, 4, "--signed" in option, spec.removesuffix(".npy"))
    assert found == wanted.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nofile.npy"], "nofile.npy: No such file or directory; a table of products"),
        (["mitchell", "--against", "nofile.npy"], "nofile.npy: No such file or directory"),
        (["booth"], "FILE.npy (its products)"),
        (["mitchell", "--against", "booth"], "multiplier 'booth': allowed are exact"),
        (["drum1"], "an integer from 2 to 8 is needed"),
        (["wide.npy", "--against", "right.npy"], "wide.npy of 5-bit and right.npy of 4-bit"),
        (["mitchell", "--against", "right.npy", "--bits", "4"], "the table's side says how many"),
        (["signed.npy", "--signed", "--against", "mitchell"], "mitchell: signed=True: named"),
    ],
)
def test_what_the_command_refuses(files: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(multiplier_command, arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
