"""A layer whose operands have zero points, or whose model gives them as codes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from hwsim.networks import checks
from hwsim.networks.affine import (
    Entered,
    Entry,
    Read,
    code_offset,
    codes_range,
    entered_codes,
    entered_reals,
    prepare,
    real_values,
    with_c_in_range,
    wraps_initially,
)
from hwsim.networks.codes_out import (
    bias_codes,
    finish_codes,
    real_bias,
    requantized_output,
    rescaling_of,
)
from hwsim.networks.errors import LayerError, ModelError
from hwsim.networks.execution import Done, LayerRun, Settings, Shown, Work, stack
from hwsim.networks.layers import Layer
from hwsim.networks.products import Product, finish, in_sums, with_bias_inside
from hwsim.networks.runtime import Array
from hwsim.networks.scales import OperandScale, scale_and_zero_point
from hwsim.units import MacUnit, Rescaling, Telemetry, is_integer


@dataclass
class CodesRun(LayerRun):
    """`LayerRun` on codes: ``entries`` says how each operand becomes codes of the unit's format."""

    entries: dict[str, Entry] = field(default_factory=dict)
    _entered: dict[str, Entered] = field(default_factory=dict)
    _wrapped: int = 0  # results of the mini-batch that begin outside the accumulator

    def shown(self) -> tuple[dict[str, Shown], dict[str, Shown]]:
        """Scales and zero points of the operands; those of the model's codes where they are
        constant, a tuple for channels."""
        scales, points = super().shown()
        for key, entry in self.entries.items():
            if entry.offset is None:
                continue
            assert self.layer.quantized
            affine = self.layer.quantized.a if key == "a" else self.layer.quantized.b
            scale = _constant(self.layer, affine.scale, 1.0)
            point = _constant(self.layer, affine.zero_point, 0)
            del scales[key], points[key]
            if scale is not None:
                scales[key] = _number(scale.astype(np.float64))
            if point is not None:
                points[key] = _number(point.astype(np.int64) + entry.offset)
        return scales, points

    def _lowered(self, values: dict[str, list[Any]], lanes: int, settings: Settings) -> Work:
        layer, read = self.layer, self._reader(values)
        a, b = (self._enter(key, read) for key in "ab")
        exact = is_exact(self.entries)
        carrier = np.dtype(np.float32 if exact else np.float64)  # the model's scales are float32
        product, scale = prepare(layer, a, b, lanes, carrier)
        parameters = {
            f"{key}_{name}": getattr(entered, name).array
            for key, entered in (("a", a), ("b", b))
            for name in ("scale", "zero_point")
        }
        work = Work(product, scale, None, parameters, exact)
        work = self._with_bias(work, read, settings) if layer.bias else work
        self._wrapped = wraps_initially(work.product, self.sums_on)
        return replace(work, product=with_c_in_range(layer, work.product, self.sums_on))

    def _with_bias(self, work: Work, read: Read, settings: Settings) -> Work:
        """The bias in the sums where the model has it in codes, else after them."""
        layer, quantized = self.layer, self.layer.quantized
        if quantized and work.exact and (quantized.bias_codes or quantized.y):
            codes = bias_codes(layer, work, read(layer.bias))
            start = in_sums(layer, work.product, codes, np.dtype(np.int64))
            c = start if work.product.c is None else start + work.product.c
            return replace(work, product=replace(work.product, c=c))
        bias = real_bias(layer, read)
        if settings.bias == "float32":
            return replace(work, bias=bias)
        inside = with_bias_inside(layer, work.product, bias, work.scale, self.sums_on)
        return replace(work, product=inside)

    def _completed(
        self, work: Work, result: Array, values: dict[str, list[Any]], settings: Settings
    ) -> Done:
        layer, read = self.layer, self._reader(values)
        if self.unit.requantization is not None:
            factor = rescaling_of(layer, work, self.unit, read)
            codes, clamped = settings.engine.requantize(result, self.unit, factor)
            self._count_clamped(clamped)
            extra = {"sums": result, **_arrays(factor)}
            return Done(codes, requantized_output(layer, work, codes, self.unit), extra)
        if layer.quantized is None:
            about = (work.product, result, work.scale, work.bias)
            return Done(result, finish(layer, *about, settings.threads, not settings.dump))
        return Done(result, finish_codes(layer, work, result, read))

    def _check_results(self, done: Done, sums: Array, span: range, settings: Settings) -> None:
        if self.unit.requantization is None:
            return
        flat = checks.local_positions(
            self.positions, span.start, span.stop, settings.total, sums.size
        )
        factor = Rescaling(*(done.extra[name] for name in _FIELDS))
        checks.verify_requantized(
            self.layer.name, (sums, done.results), self.unit, factor, flat, settings.engine
        )

    def _count(self, product: Product, telemetry: Telemetry | None) -> None:
        if telemetry is not None:
            telemetry = replace(telemetry, overflow_initial=self._wrapped)
        super()._count(product, telemetry)

    def _count_clamped(self, clamped: int) -> None:
        if self.telemetry is not None:
            total = self.telemetry.overflow_converted + clamped
            self.telemetry = replace(self.telemetry, overflow_converted=total)

    def _reader(self, values: dict[str, list[Any]]) -> Read:
        return partial(stack, self.layer, values=values)

    def _enter(self, key: str, read: Read) -> Entered:
        """An operand in its format; constants are brought there once per run."""
        if key in self._entered:
            return self._entered[key]
        entry, fmt = self.entries[key], self.unit.a if key == "a" else self.unit.b
        if entry.offset is not None:
            entered = entered_codes(self.layer, key, read, entry.offset)
        else:
            try:
                entered = entered_reals(real_values(self.layer, key, read), entry, fmt)
            except ValueError as error:
                raise LayerError(self.layer.name, str(self.unit), error) from error
        if not any(x.laned for x in (entered.centred, entered.scale, entered.zero_point)):
            self._entered[key] = entered
        return entered


def _constant(layer: Layer, name: str, default: float) -> Array | None:
    """A parameter that is known before running."""
    return layer.weights.get(name) if name else np.array(default)


def _number(values: Array) -> Shown:
    numbers = values.reshape(-1).tolist()
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


_FIELDS = ("multiplier", "shift", "result_zero_point", "low", "high")


def _arrays(factor: Rescaling) -> dict[str, Any]:
    values = (factor.multiplier, factor.shift, factor.zero_point, factor.low, factor.high)
    return {name: np.asarray(value) for name, value in zip(_FIELDS, values, strict=True)}


def is_exact(entries: dict[str, Entry]) -> bool:
    """Whether both operands are the model's codes."""
    return all(entry.offset is not None for entry in entries.values())


def _unscaled(layer: Layer, unit: MacUnit, rule: OperandScale) -> Entry:
    """An operand in blocks, which have scales of their own."""
    if isinstance(rule, (str, tuple)) and rule not in ("auto", "none"):
        reason = "blocks scale themselves: auto, none or a number is needed"
        raise ModelError(f"layer {layer.name!r} on {unit}, scale={rule!r}: {reason}")
    number = "none" if isinstance(rule, str) else rule
    return Entry(*scale_and_zero_point(unit.accumulator, -1.0, 1.0, number))


def choose_entry(
    layer: Layer, key: str, unit: MacUnit, span: tuple[float, float], rule: OperandScale
) -> Entry:
    """How an operand enters: as the model's codes where the unit's formats are integers that hold
    them and no rule is asked for, else by a scale for its range.

    A zero point on one side multiplies the sum of the other side's codes: without integers on
    both sides there is none.
    """
    fmt = unit.a if key == "a" else unit.b
    if unit.a_block if key == "a" else unit.b_block:
        return _unscaled(layer, unit, rule)
    whole = is_integer(unit.a) and is_integer(unit.b) and not unit.is_blocked
    if whole and layer.quantized and rule == "auto":
        offset = code_offset(fmt, *codes_range(layer, key))
        if offset is not None:
            return Entry(offset=offset)
    if is_integer(fmt) and not whole and rule in ("auto", "affine"):
        rule = "absmax"
    entry = Entry(*scale_and_zero_point(fmt, *span, rule))
    if entry.zero_point and not whole:
        reason = "a zero point needs integer formats of both operands"
        raise ModelError(f"layer {layer.name!r} on {unit}, scale={rule!r}: {reason}")
    return entry
