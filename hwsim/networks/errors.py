"""What can go wrong with a network, its data or a check of its results."""

from __future__ import annotations

from hwsim.errors import HwsimError


class ModelError(HwsimError, ValueError):
    """A model that cannot be read or prepared."""


class DataError(HwsimError, ValueError):
    """Input, calibration or label arrays that do not fit the model."""


class LayerError(HwsimError, ValueError):
    """A layer that its unit cannot compute, such as NaN entering a format without NaN."""

    def __init__(self, layer: str, unit: str, reason: object) -> None:
        super().__init__(f"layer {layer!r} on {unit}: {reason}")
        self.layer = layer


class VerificationError(HwsimError):
    """A simulated value whose bits are not the reference's."""

    def __init__(self, layer: str, unit: str, index: tuple[int, ...], values: list[str]) -> None:
        simulated, reference = values
        super().__init__(
            f"layer {layer!r} on {unit}, output {list(index)}: simulated {simulated}, "
            f"reference {reference}"
        )
        self.layer = layer
        self.index = index
