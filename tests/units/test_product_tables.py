"""Multipliers that somebody brings: functions, arrays, files, shared libraries; and their names."""

from __future__ import annotations

import copy
import ctypes
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwsim
from hwsim import SpecError
from hwsim.units import TableMultiplier, multiplier


def cut(a: int, b: int) -> int:
    return a * b & ~7


def test_one_table_from_everywhere(tmp_path: Path) -> None:
    """A Python function, a C function, an array, nested lists and a file give the same."""
    array = np.array([[cut(a, b) for b in range(16)] for a in range(16)])
    np.save(tmp_path / "cut.npy", array.astype(np.int16))
    compiled = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(cut)
    subjects: list[Any] = [compiled, array, array.tolist(), tmp_path / "cut.npy"]
    tables = [multiplier(cut, bits=4), *(multiplier(s, bits=4) for s in subjects)]
    assert len(set(tables)) == 1
    assert tables[0].product(15, 15) == 224
    unit = hwsim.mac(f"uint4xuint4:table={tmp_path / 'cut.npy'}+int32")
    assert unit == replace(hwsim.mac("uint4xuint4+int32"), core=tables[0])
    assert hwsim.mac(str(unit)) == unit


def test_a_shared_library(tmp_path: Path) -> None:
    """A function of C's own library."""
    library = ctypes.CDLL(None)
    library.abs.restype, library.abs.argtypes = ctypes.c_int, [ctypes.c_int]
    found = multiplier(lambda a, b: library.abs(-a * b), bits=3)
    assert found == multiplier(lambda a, b: a * b, bits=3)


def test_a_name_is_known_while_the_table_is() -> None:
    core = multiplier(cut, bits=5)
    unit = replace(hwsim.mac("uint5xint4+int32"), core=core)
    assert hwsim.mac(str(unit)) == unit
    assert pickle.loads(pickle.dumps(unit)) == copy.deepcopy(unit) == unit
    with pytest.raises(SpecError, match="no such table"):
        hwsim.mac("uint4xuint4:table-0123456789ab+int32")


def test_a_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "t.npy"
    np.save(file, np.zeros((2, 2), int))
    zero = hwsim.mac(f"uint1xuint1:table={file}+int8")
    np.save(file, np.ones((2, 2), int))
    assert hwsim.mac(f"uint1xuint1:table={file}+int8") != zero


def test_exchanged_operands() -> None:
    core = multiplier(lambda a, b: 2 * a + b, bits=3)
    assert core.mirrored.product(1, 5) == core.product(5, 1) == 11
    assert core.mirrored.mirrored == core
    even = multiplier(cut, bits=3)
    assert even.mirrored is even


@pytest.mark.parametrize(
    ("subject", "given", "error", "message"),
    [
        (cut, {"bits": 9}, SpecError, "bits=9"),
        (cut, {"bits": True}, SpecError, "bits=True"),
        (lambda a, b: 0.5, {"bits": 2}, TypeError, "product of 0.5 in row 0, column 0"),
        (lambda a, b: 1 << 40, {"bits": 2}, ValueError, "32 bits"),
        (np.zeros((3, 3), int), {}, SpecError, "2\\^bits"),
        (np.zeros((4, 2), int), {}, SpecError, "2\\^bits"),
        (np.zeros((512, 512), int), {}, SpecError, "bits 1 to 8"),
        (np.zeros((2, 2)), {}, TypeError, "integers are needed"),
        (cut, {"signed": 1}, TypeError, "signed=1"),
        (None, {}, SpecError, "table None: a function"),
        (np.ma.masked_array(np.zeros((4, 4), int), True), {}, TypeError, "a masked array"),
        (7, {}, SpecError, "2\\^bits"),
        ("nowhere.npy", {}, SpecError, "nowhere.npy"),
        (lambda a: a, {}, TypeError, "subject=<lambda>: a function of two integers is needed"),
        (lambda a, b, c: a, {}, TypeError, "a function of two integers is needed"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs), {}, TypeError, "subject=CFunctionType"),
    ],
)
def test_bad_tables(subject: Any, given: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        multiplier(subject, **given)


def test_functions_that_say_nothing_of_their_arguments() -> None:
    """Some of C's do not; others take more than two where the rest has defaults."""
    assert multiplier(min, bits=3).product(5, 3) == 3
    assert multiplier(np.multiply, bits=3).product(5, 3) == 15
    assert multiplier(lambda a, b, c=1: a * b + c, bits=3).product(5, 3) == 16


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_signed_table_is_no_unsigned_one(bits: int, tmp_path: Path) -> None:
    """Its rows begin at the lowest operand: after `table=` all products would be wrong."""
    file, axis = tmp_path / "signed.npy", np.arange(1 << bits) - (1 << (bits - 1))
    np.save(file, axis[:, None] * axis)
    signed = hwsim.mac(f"int{bits}xint{bits}:tables={file}+int32")
    assert np.array_equal(hwsim.matmul(axis[:, None], axis[None], signed), np.load(file))
    refused = r"a product of -\d+, of .* of signed ones it is tables=FILE"
    with pytest.raises(SpecError, match=refused):
        hwsim.mac(f"int{bits}xint{bits}:table={file}+int32")
    with pytest.raises(SpecError, match=refused):
        multiplier(file)


def test_an_unknown_multiplier() -> None:
    """What is allowed holds tables, and what is nearly one is guessed."""
    allowed = r"table=FILE.npy \(its products\), tables=FILE.npy \(of signed operands\)"
    with pytest.raises(SpecError, match=f"multiplier 'booth': allowed are exact.*{allowed}"):
        hwsim.mac("uint8xuint8:booth+int32")
    with pytest.raises(SpecError, match="did you mean 'table='"):
        hwsim.mac("int8xint8:tabel=x.npy+int32")
    with pytest.raises(SpecError, match="kept=1: an integer from 2 to 8") as found:
        hwsim.mac("uint8xuint8:drum1+int32")
    assert "FILE" not in found.value.message


@pytest.mark.parametrize(
    ("spec", "bits", "signed"),
    [("int8xint8+int32", 7, False), ("uint4xint4+int32", 4, True), ("e4m3xe4m3+fp16", 4, True)],
)
def test_tables_that_do_not_fit(spec: str, bits: int, signed: bool) -> None:
    core: TableMultiplier = multiplier(cut, bits, signed)
    with pytest.raises(SpecError, match="table"):
        replace(hwsim.mac(spec), core=core)
