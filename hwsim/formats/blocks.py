"""Block formats: elements of a narrow format that share a scale, block by block.

    value = element · scale [ · the tensor's scale ]

Sources: OCP Microscaling Formats (MX) Specification 1.0, §5 (formats), §6.3 (conversion); NVFP4:
NVIDIA, "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property

from hwsim.errors import SpecError
from hwsim.formats.checks import power_of_two, require_bool, require_choice, require_int
from hwsim.formats.types import FloatFormat, GridFormat

RULES = ("floor", "amax")
MOST_ELEMENTS = 65_536  # of a block
MOST_EXPONENT = 400  # of values: products of two stay within float64


@dataclass(frozen=True)
class BlockFormat:
    """Blocks of ``size`` elements along one axis, the last of an axis perhaps shorter, and for each
    a scale: its nearest value that keeps the block's largest magnitude in range.

    Parameters
    ----------
    element : format of the elements: a float or fixed point of up to 16 bits, with zero and sign.
    scale : format of the scales, an unsigned float with NaN.
    size : elements of a block, 1 … 65 536.
    rule : ``floor``, X = 2^(floor(log2 max|V|) − emax of the elements), as OCP has it; ``amax``,
        X = max|V| / largest element, rounded (rne).  Both end at the smallest and largest scale; a
        block of zeros has the smallest.  None: floor where scales are powers of two, else amax.
    tensor : whether a float32 number, max|V| of the whole tensor / (largest element · largest
        scale), rounded (rne), divides everything first.

    Elements are V / X rounded once (rne, saturating).  A block with NaN or Inf has the scale NaN,
    and is NaN throughout.

    >>> from hwsim.formats import parse_format
    >>> str(BlockFormat(parse_format("e2m1"), parse_format("e8m0"), 32))
    'mxfp4'
    >>> str(BlockFormat(parse_format("int4"), parse_format("e5m2_unsigned"), 64))
    'block64/e5m2_unsigned/int4'
    """

    element: GridFormat
    scale: FloatFormat
    size: int
    rule: str | None = None
    tensor: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.element, GridFormat):
            raise SpecError(f"element={self.element!s}: a float or fixed-point format is needed")
        if not isinstance(self.scale, FloatFormat):
            raise SpecError(f"scale={self.scale!s}: a float format is needed")
        require_int("size", self.size, 1, MOST_ELEMENTS)
        if self.rule is None:
            object.__setattr__(self, "rule", "floor" if self.scale.precision == 1 else "amax")
        require_choice("rule", self.rule, RULES)
        require_bool("tensor", self.tensor)
        element, scale = self.element, self.scale
        if element.width > 16 or not (element.has_zero and element.signed and element.largest > 0):
            message = "elements of up to 16 bits, with zero and a sign, are needed"
            raise SpecError(f"element={element}: {message}")
        if isinstance(element, FloatFormat) and not element.has_subnormals:
            raise SpecError(f"element={element}: a format with subnormals is needed")
        if scale.signed or not scale.has_nan or scale.width > 16:
            message = "an unsigned float of up to 16 bits that has a NaN is needed, as e8m0"
            raise SpecError(f"scale={scale}: {message}")
        if self.tensor and element.width + scale.precision > 29:
            message = "with float32 beside them, float64 does not hold their values"
            raise SpecError(f"block of {element} with scales {scale} and of the tensor: {message}")
        if max(abs(self.quantum_exponent), abs(self.emax)) > MOST_EXPONENT:
            message = f"their values reach beyond 2^±{MOST_EXPONENT}"
            raise SpecError(f"block of {element} with scales {scale}: {message}")

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, f.name) for f in fields(self)))

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: hashes of strings differ between processes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def bits(self) -> Fraction:
        """Bits of storage an element takes, its part of the scale included, which takes whole
        bytes: NVFP4's has a sign that is never set."""
        return self.element.width + Fraction(-(-self.scale.width // 8) * 8, self.size)

    @cached_property
    def element_emax(self) -> int:
        """floor(log2 of the largest element)."""
        return _floor_log2(self.element.largest)

    @cached_property
    def largest(self) -> Fraction:
        """Largest value, without the tensor's scale."""
        return self.element.largest * self.scale.largest

    @cached_property
    def quantum_exponent(self) -> int:
        """Every value is a multiple of 2^this, without the tensor's scale."""
        return self.element.quantum_exponent + self.scale.quantum_exponent

    @property
    def emax(self) -> int:
        """floor(log2 of the largest magnitude of a value)."""
        element = self.element
        return _floor_log2(max(element.largest, -element.lowest) * self.scale.largest)

    @cached_property
    def values(self) -> FloatFormat:
        """A float format that holds every value, element · scale."""
        element = self.element
        digits = element.precision if isinstance(element, FloatFormat) else element.width - 1
        bits = max(digits, 2) + (self.scale.precision if self.scale.precision > 1 else 0)
        emin = self.quantum_exponent + bits - 1
        width = max(2, (self.emax - emin + 3).bit_length())
        return FloatFormat(width, bits, bias=1 - emin)

    def __str__(self) -> str:
        from hwsim.formats.block_names import BLOCK_NAMES  # which is made of these

        return BLOCK_NAMES.get(self) or self._spelling

    @property
    def _spelling(self) -> str:
        usual = self.rule == ("floor" if self.scale.precision == 1 else "amax")
        words = ("" if usual else f"_{self.rule}") + "_tensor" * self.tensor
        return f"block{self.size}{words}/{self.scale}/{self.element}"


def _floor_log2(x: Fraction) -> int:
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    return exponent - (power_of_two(exponent) > x)
