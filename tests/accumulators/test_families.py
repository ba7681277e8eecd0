"""Families of units: what the star may stand for."""

from __future__ import annotations

import pytest

from hwsim.accumulators.families import Family, families
from hwsim.errors import SpecError


@pytest.mark.parametrize(
    ("text", "first", "last", "unit"),
    [
        ("int8xint8+int*", 1, 32, "int8xint8+int32"),
        ("int8xint8+int*:saturate", 1, 32, "int8xint8+int32:saturate"),
        ("e4m3xe4m3+e6m*:chunk64", 1, 23, "e4m3xe4m3+e6m23:chunk64"),
        ("e4m3xe4m3+e6m9:chunk64/e8m*", 1, 23, "e4m3xe4m3+e6m9:chunk64/fp32"),
        ("int8xint8+fixed*.2", 1, 32, "int8xint8+fixed32.2"),
    ],
)
def test_the_star_is_a_number(text: str, first: int, last: int, unit: str):
    """From the least that makes a unit to int32 or fp32's fraction."""
    family = Family(text)
    assert (family.searched[0], family.searched[-1]) == (first, last)
    assert str(family.unit(last)) == unit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int8xint8+int32", "a * is needed"),
        ("int*xint8+int32", "accumulators alone"),
        ("int8xint8+int16:chunk*", "accumulators alone"),
        ("e4m3xe4m3+fp16:sr*", "accumulators alone"),
        ("int8xint8:trunc*+int32", "accumulators alone"),
        ("int8xint8+int32:out=int*", "accumulators alone"),
        ("int8xint8+nope*", "nope8"),
        ("int8*int8+int32", "int88int8"),
    ],
)
def test_bad_families_are_explained(text: str, message: str):
    """Without a star, in the wrong place, or of nothing that is known."""
    with pytest.raises(SpecError) as error:
        Family(text)
    assert message in str(error.value)


def test_bad_arguments_are_named():
    """The number, the list."""
    for widest in (0, 65, 2.5, True):
        with pytest.raises(ValueError, match="widest="):
            Family("int8xint8+int*", widest)
    with pytest.raises(ValueError, match="begins at"):
        Family("e4m3xe4m3+binary*p8se", 5)
    with pytest.raises(TypeError, match="families="):
        families("int8xint8+int*")
    with pytest.raises(ValueError, match="at least one"):
        families([])
