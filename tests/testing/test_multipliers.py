"""Integer multipliers: published errors and digests, and what any definition must obey."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import SpecError
from hwsim.cli.multipliers import multiplier_command
from hwsim.reference.multipliers import multiply, realm_addition, realm_additions
from hwsim.testing import exact_products, multiplier_errors, product_table
from hwsim.units.multipliers import Drum, IterativeLog, Mitchell, Truncated, parse_multiplier

NAMES = (
    "exact",
    "mitchell",
    "ilm0",
    "ilm1",
    "ilm3",
    "drum3",
    "drum6",
    "drum8",
    "trunc5",
    "trunc5c",
)
# MRED % of all 8-bit pairs, WCE; and MED where it is known.
KNOWN: dict[str, tuple[float, int, float | None]] = {
    "mitchell": (3.787828, 4096, 606.398148),
    "ilm0": (8.913062, 16129, 1778.137589),
    "ilm1": (0.833727, 3969, 188.633057),
    "ilm2": (0.070809, 961, 18.429581),
    "ilm3": (0.004753, 225, 1.485352),
    "drum3": (12.095099, 14849, None),
    "drum4": (5.886789, 7425, None),
    "drum5": (2.839217, 3904, None),
    "drum6": (1.301343, 2000, 232.830505),
}
DIGESTS = {
    "exact": "f8085fc34b4305c0",
    "mitchell": "163e78d5f9e70d86",
    "ilm1": "3b2c0afbb4ad4447",
    "drum4": "8ccb7eaa6a38aaa5",
    "drum6": "54382b809e22d4e0",
}


@pytest.mark.parametrize("name", KNOWN)
def test_published_errors(name: str) -> None:
    mred, wce, med = KNOWN[name]
    found = multiplier_errors(name)
    assert (round(100 * found.mred, 6), found.wce) == (mred, wce)
    assert med is None or round(found.med, 6) == med


@pytest.mark.parametrize("name", DIGESTS)
def test_digests(name: str) -> None:
    assert multiplier_errors(name).digest == DIGESTS[name]


def test_mitchell_in_full() -> None:
    """Every measure of the published table, 4 and 8 bits; never above, at worst −1/9."""
    wanted = {4: (47.2656, 2.175781, 0.00967014, 16, 3.000728, 15.3477)}
    wanted[8] = (93.0923, 606.398148, 0.00932562, 4096, 3.787828, 974069.7667)
    for bits, (er, med, nmed, wce, mred, mse) in wanted.items():
        m = multiplier_errors(Mitchell(bits))
        assert (round(100 * m.er, 4), round(m.med, 6), round(m.nmed, 8)) == (er, med, nmed)
        assert (m.wce, round(100 * m.mred, 6), round(m.mse, 4)) == (wce, mred, mse)
        assert m.worst_relative == -1 / 9
        assert m.bias == -m.mred


@pytest.mark.parametrize("name", NAMES)
def test_laws_of_all(name: str) -> None:
    """Commutative; logarithms are exact on powers of two; zero gives zero unless a constant is
    added; the same products at a width that holds the operands."""
    table = product_table(name)
    assert (table == table.T).all()
    if name in ("exact", "mitchell") or name.startswith("ilm"):
        powers = 1 << np.arange(8)
        assert (table[powers] == powers[:, None] * np.arange(256)).all()
    if not name.startswith("trunc"):
        assert not table[0].any()
        assert (product_table(name, 9)[:256, :256] == table).all()


@pytest.mark.parametrize("dropped", [0, 1, 3, 8, 15])
def test_truncation_drops_columns(dropped: int) -> None:
    """By NumPy's own bits: what is missing is the sum of the dropped partial products."""
    x = np.arange(256)
    missing = sum(
        (((x[:, None] >> i) & 1) * ((x[None, :] >> j) & 1)) << (i + j)
        for i in range(8)
        for j in range(8)
        if i + j < dropped
    )
    table = product_table(Truncated(8, dropped))
    assert (x[:, None] * x - table == missing).all()
    constant = product_table(Truncated(8, dropped, corrected=True)) - table
    assert len(np.unique(constant)) == 1
    step, mean = 1 << dropped, float(np.mean(missing))
    assert constant[0, 0] % step == 0
    assert abs(constant[0, 0] - mean) <= step / 2


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(0, 6))
def test_iterations_come_nearer(a: int, b: int, corrections: int) -> None:
    """The error of n corrections is the product of the rests, and less than 4^-(n+1) of a·b."""
    p = multiply(IterativeLog(16, corrections), a, b)
    assert 0 <= (a * b - p) * 4 ** (corrections + 1) <= a * b
    assert multiply(IterativeLog(16, 16), a, b) == a * b


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(2, 16))
def test_drum_keeps_its_bits(a: int, b: int, kept: int) -> None:
    p = multiply(Drum(16, kept), a, b)
    assert abs(p - a * b) <= a * b * ((1 + 2.0 ** -(kept - 1)) ** 2 - 1)
    if a < 1 << kept and b < 1 << kept:
        assert p == a * b


def test_functions_and_tables_of_ones_own() -> None:
    """mul8s_1KVA-like tables: a function, its table, signed operands."""
    off = lambda a, b: a * b - (a * b) % 2  # noqa: E731
    by_function = multiplier_errors(off, signed=True)
    by_table = multiplier_errors(product_table(off, signed=True), signed=True)
    assert by_function == by_table
    assert (by_function.er, by_function.wce, by_function.med) == (0.25, 1, 0.25)
    assert by_function.bits == 8
    assert by_function.pairs == 65536


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: parse_multiplier("booth"), "multiplier 'booth': allowed are exact"),
        (lambda: parse_multiplier("drum1"), "kept=1: an integer from 2 to 8"),
        (lambda: parse_multiplier("trunc16"), "dropped=16: an integer from 0 to 15"),
        (lambda: parse_multiplier("ilm9"), "corrections=9"),
        (lambda: Mitchell(0), "bits=0"),
        (lambda: multiply(Mitchell(8), 256, 1), "a=256: unsigned 8-bit"),
        (lambda: multiply(Mitchell(8), 1, -1), "b=-1"),
        (lambda: product_table("mitchell", 11), "bits=11: an integer from 1 to 10"),
        (lambda: product_table("mitchell", signed=True), "signed=True: named multipliers"),
        (lambda: product_table(np.zeros((256, 255), int)), r"shape \(256, 255\)"),
        (lambda: product_table(np.zeros((256, 256))), "dtype float64: integers"),
        (lambda: product_table(lambda a: a), "subject=<lambda>: a function of two integers"),
        (lambda: product_table(3), "int: a name, a multiplier, a function or a table"),  # type: ignore[arg-type]
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises((SpecError, ValueError, TypeError), match=message):
        call()


def test_the_command(tmp_path: Path) -> None:
    runner, picture = CliRunner(), tmp_path / "map.png"
    done = runner.invoke(multiplier_command, ["mitchell", "--out", str(picture)])
    assert done.exit_code == 0, done.output
    for text in ("65,536 pairs of unsigned 8-bit", "3.787828 %", "163e78d5f9e70d86"):
        assert text in done.output
    assert picture.read_bytes().startswith(b"\x89PNG")
    file = tmp_path / "mine.npy"
    np.save(file, product_table("drum4", 6).astype(np.uint16))
    found = json.loads(runner.invoke(multiplier_command, [str(file), "--json"]).stdout)
    assert found == multiplier_errors("drum4", 6, name="mine").to_dict()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no array of numbers in NumPy's npy format"),
        (b"not an array", "no array of numbers in NumPy's npy format"),
        (np.zeros((4, 4)), "dtype float64: integers are needed"),
        (np.zeros((3, 3), int), r"shape (3, 3); a table of 2^bits by 2^bits"),
        (np.zeros(4, int), "shape (4,)"),
        (np.full((2, 2), 2**40), "a product of 1099511627776: 32-bit"),
        (np.array([[-1, 0], [0, 2**31]]), "a product of 2147483648: 32-bit"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_files_that_are_no_tables(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "table.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    done = CliRunner().invoke(multiplier_command, [str(file)])
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mitchell", "--out", "nowhere/x.png"], "there is no folder nowhere"),
        (["mitchell", "--out", "x.bmp"], "a file named *.png, *.svg or *.pdf"),
        (["mitchell", "--bits", "11"], "bits=11"),
        (["mine.npy", "--bits", "4"], "the table's side says how many"),
    ],
)
def test_options_that_do_not_fit(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(multiplier_command, arguments)
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


def test_functions_that_give_no_integers() -> None:
    with pytest.raises(TypeError):
        product_table(lambda a, b: 1.5 * a * b)  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match="a product of"):
        product_table(lambda a, b: 2**70)


@pytest.mark.parametrize(
    ("name", "mean", "low", "high"),
    [("mbm", 2.58, -7.64, 7.81), ("realm4", 1.38, -6, 6), ("realm16", 0.42, -2.08, 2.08)],
)
def test_published_errors_of_16_bit_operands(
    name: str, mean: float, low: float, high: float
) -> None:
    """Mean relative errors and peaks of 16-bit MBM and REALM (the latter from the abstract of the
    DATE 2020 paper: 0.4 %, 2.08 %), on seeded operands."""
    multiplier, rng = parse_multiplier(name, 16), random.Random(5)
    pairs = [(rng.randrange(1, 1 << 16), rng.randrange(1, 1 << 16)) for _ in range(20_000)]
    errors = [100 * (multiply(multiplier, a, b) / (a * b) - 1) for a, b in pairs]
    assert sum(map(abs, errors)) / len(errors) == pytest.approx(mean, abs=0.02)
    assert low <= min(errors)
    assert max(errors) <= high


def test_no_addition_of_realm_lies_near_a_tie() -> None:
    for segments in (2, 4, 8, 16):
        axis = [i / segments for i in range(segments)]
        parts = [64 * realm_addition(x, y, 1 / segments) % 1 for x in axis for y in axis]
        assert min(abs(part - 0.5) for part in parts) > 1e-6
        assert max(map(max, realm_additions(segments))) <= 16


def test_shifters_and_logarithms() -> None:
    """Against their own exact products, which are no whole numbers."""
    shift = product_table("shift2", 4)
    assert shift[13].tolist() == [52, 26, 13, 6, 3, 1, *[0] * 10]
    assert exact_products("shift2", 4)[13, :5].tolist() == [52, 26, 13, 6.5, 3.25]
    assert multiplier_errors("shift4", 2).er == 0  # 3 places to the right lose none of 4 guard bits
    found = multiplier_errors("shift2", 4)
    assert (found.wce, found.worst_relative) == (15 / 16, -1)
    table = product_table("log8", 3)
    assert table[5].tolist() == [395, 431, 470, 512, 558, 608, 664, 724]
    found = multiplier_errors("log8", 3)
    assert found.wce < 1  # of 2^-8; half of one where nothing is carried
    assert (
        np.abs(table - exact_products("log8", 3))[np.add.outer(range(8), range(8)) < 8].max() < 0.5
    )
    assert multiplier_errors("log8", 3).digest == "568ad645c8c4a8fe"
    with pytest.raises(ValueError, match="32-bit integers"):
        product_table("log40", 3)
    done = CliRunner().invoke(multiplier_command, ["log8", "--bits", "3", "--json"])
    assert json.loads(done.stdout) == found.to_dict()
