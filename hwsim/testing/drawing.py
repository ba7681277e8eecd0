"""The error map of a multiplier."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from hwsim.testing.errors import Array, MultiplierErrors


def draw_errors(table: Array, about: MultiplierErrors, exact: Array) -> Figure:
    """D/exact over both operands in percent, red above and blue below the exact product, and how
    often each relative error occurs.  Pairs whose exact product is 0 stay white."""
    low = -(1 << (about.bits - 1)) if about.signed else 0
    percent = np.full(table.shape, np.nan)
    whole = exact != 0
    percent[whole] = 100 * (table - exact)[whole] / exact[whole]
    found = percent[whole]
    most = float(np.quantile(np.abs(found), 0.995)) if found.size else 0.0
    most = most or 1.0
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    chart, histogram = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
    ends = (low - 0.5, low + len(table) - 0.5) * 2
    image = chart.imshow(
        percent, cmap="RdBu_r", vmin=-most, vmax=most, origin="lower", extent=ends, aspect="equal"
    )
    chart.set(xlabel="b", ylabel="a", title=f"{about.name}, {about.bits}×{about.bits} bits")
    figure.colorbar(image, ax=chart, label="error / exact product, %")
    shown = np.clip(found, -most, most)
    histogram.hist(shown, bins=61, color="#4C72B0", weights=np.full(found.size, 100 / table.size))
    histogram.axvline(100 * about.bias, color="#C44E52", label=f"bias {100 * about.bias:.3g} %")
    histogram.set(xlabel="error / exact product, %", ylabel="pairs, %", title="How often")
    histogram.legend(frameon=False)
    for side in ("top", "right"):
        histogram.spines[side].set_visible(False)
    return figure
