"""How the peers round arrays, each called as its own documentation shows; hwsim beside them.

A library is imported when one of its calls is prepared, so that this module loads without the
extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from peer_jobs import Array, Job

import hwsim

FAST, SLOW = 10_000_000, 1_000_000  # numbers to round


@dataclass(frozen=True)
class Steps:
    """One call: ``run(*load(inputs))`` is timed, load and read (to a NumPy array) are not."""

    run: Callable[..., Any]
    load: Callable[..., tuple[Any, ...]] = lambda *inputs: inputs
    read: Callable[[Any], Array] = np.asarray


@dataclass(frozen=True)
class Contender:
    """A library's call; ``prepare`` gives None for a job that it does not know.

    size : how many numbers it rounds, or how many rows and columns its product has.
    note : a footnote of the page, if there is one.
    """

    library: str
    call: str
    size: int
    prepare: Callable[[Job], Steps | None]
    note: str = ""


def fields(job: Job) -> tuple[int, int]:
    """Exponent and fraction bits of a rounding's format, or of a product's accumulator."""
    fmt = hwsim.mac(job.spec).accumulator if job.is_product else hwsim.format(job.spec)
    assert isinstance(fmt, hwsim.FloatFormat)
    return fmt.exponent_bits, fmt.fraction_bits


def is_ieee(job: Job) -> bool:
    """Whether a rounding's format has the specials of IEEE 754: all that some peers know."""
    fmt = hwsim.format(job.spec)
    return isinstance(fmt, hwsim.FloatFormat) and fmt.specials == "ieee"


# --- hwsim ----------------------------------------------------------------------------------------
def hwsim_round(job: Job) -> Steps:
    how = (job.spec, job.rounding, job.overflow)
    return Steps(lambda x: hwsim.round(x, *how))


def hwsim_round_out(job: Job) -> Steps:
    how = (job.spec, job.rounding, job.overflow)
    return Steps(lambda x, out: hwsim.round(x, *how, out=out), load=lambda x: (x, np.empty_like(x)))


def hwsim_encode(job: Job) -> Steps:
    how = (job.spec, job.rounding, job.overflow)
    return Steps(lambda x: hwsim.encode(x, *how), read=lambda codes: hwsim.decode(codes, job.spec))


# --- NumPy and ml_dtypes --------------------------------------------------------------------------
def dtype_of(job: Job) -> np.dtype[Any] | None:
    """The dtype whose conversion from float32 is this rounding, if there is one."""
    import ml_dtypes

    known = {
        ("e4m3", "nan"): ml_dtypes.float8_e4m3fn,
        ("e4m3ieee", "inf"): ml_dtypes.float8_e4m3,
        ("e5m2", "inf"): ml_dtypes.float8_e5m2,
        ("bf16", "inf"): ml_dtypes.bfloat16,
        ("fp16", "inf"): np.float16,
    }
    found = known.get((job.spec, job.overflow or ""))
    return None if found is None or job.rounding != "rne" else np.dtype(found)


def astype(job: Job, numpy: bool, back: bool = False) -> Steps | None:
    """``x.astype(dtype)``; float16 is NumPy's own, the others are ml_dtypes'."""
    dtype = dtype_of(job)
    if dtype is None or (dtype == np.float16) != numpy:
        return None
    if back:
        return Steps(lambda x: x.astype(dtype).astype(np.float32))
    return Steps(lambda x: x.astype(dtype))


# --- gfloat ---------------------------------------------------------------------------------------
def gfloat_info(job: Job) -> Any:
    """gfloat's description of the format: OCP's E4M3, or one of IEEE kind."""
    import gfloat.formats
    from gfloat.types import Domain, FormatInfo

    name = job.spec.rpartition("+")[2]
    if name == "e4m3":
        return gfloat.formats.format_info_ocp_e4m3
    exponent, fraction = fields(job)
    return FormatInfo(
        name,
        1 + exponent + fraction,
        fraction + 1,
        bias=2 ** (exponent - 1) - 1,
        is_signed=True,
        domain=Domain.Extended,
        has_nz=True,
        num_high_nans=2**fraction - 1,
        has_subnormals=True,
        is_twos_complement=False,
    )


def gfloat_round(job: Job) -> Steps:
    import gfloat

    modes = {"rne": gfloat.RoundMode.TiesToEven, "rtz": gfloat.RoundMode.TowardZero}
    info, mode, saturate = gfloat_info(job), modes[job.rounding], job.overflow == "saturate_all"
    return Steps(lambda x: gfloat.round_ndarray(info, x, mode, saturate))


# --- APyTypes -------------------------------------------------------------------------------------
def apytypes_from_array(job: Job) -> Steps | None:
    if not is_ieee(job) or job.rounding != "rne":
        return None
    from apytypes import APyFloatArray

    bits = fields(job)
    return Steps(lambda x: APyFloatArray.from_array(x, *bits), read=lambda y: y.to_numpy())


def apytypes_cast(job: Job) -> Steps | None:
    if not is_ieee(job):
        return None
    from apytypes import APyFloatArray, QuantizationMode

    bits = fields(job)
    mode = {"rne": QuantizationMode.TIES_EVEN, "rtz": QuantizationMode.TO_ZERO}[job.rounding]
    return Steps(
        lambda x: x.cast(*bits, quantization=mode),
        load=lambda x: (APyFloatArray.from_array(x, 8, 23),),
        read=lambda y: y.to_numpy(),
    )


# --- pychop ---------------------------------------------------------------------------------------
CHUNK = 100_000  # of 800, 4096, 16384, 65536, 10^5, 10^6 the fastest on one thread


def pychop_chop(exponent: int, fraction: int, mode: int = 1) -> Callable[[Array], Array]:
    import pychop

    pychop.backend("numpy")
    chop: Callable[[Array], Array] = pychop.Chop(exponent, fraction, mode, chunk_size=CHUNK)
    return chop


PYCHOP_MODES = {"rne": 1, "rtz": 4}


def pychop_round(job: Job) -> Steps | None:
    return Steps(pychop_chop(*fields(job), PYCHOP_MODES[job.rounding])) if is_ieee(job) else None


def pychop_fault_round(job: Job) -> Steps | None:
    if not is_ieee(job):
        return None
    import pychop

    pychop.backend("numpy")
    exponent, fraction = fields(job)
    custom = pychop.Customs(emax=2 ** (exponent - 1) - 1, t=fraction + 1)
    return Steps(pychop.FaultChop(customs=custom, rmode=PYCHOP_MODES[job.rounding]))


CODES = "The result is an array of codes, one or two bytes each."
OWN = "The result stays in the library's own array type; converting it to NumPy is not timed."
FROM_OWN = "`y` holds x as binary32 in the library's own array type, and so does the result."
CHUNKED = f"`chop = Chop(…, chunk_size={CHUNK})`, which takes the least time; the default is 800."

ROUNDERS = (
    Contender("hwsim", "`round(x, f)`", FAST, hwsim_round),
    Contender("hwsim", "`round(x, f, out=y)`", FAST, hwsim_round_out),
    Contender("hwsim", "`encode(x, f)`", FAST, hwsim_encode, CODES),
    Contender("NumPy", "`x.astype(f)`", FAST, lambda job: astype(job, True), CODES),
    Contender("ml_dtypes", "`x.astype(f)`", FAST, lambda job: astype(job, False), CODES),
    Contender(
        "ml_dtypes",
        "`x.astype(f).astype(float32)`",
        FAST,
        lambda job: astype(job, False, back=True),
    ),
    Contender("gfloat", "`round_ndarray(f, x)`", SLOW, gfloat_round),
    Contender("APyTypes", "`from_array(x, …)`", FAST, apytypes_from_array, OWN),
    Contender("APyTypes", "`y.cast(…)`", FAST, apytypes_cast, FROM_OWN),
    Contender("pychop", "`chop(x)`", SLOW, pychop_round, CHUNKED),
    Contender("pychop", "`FaultChop(…)(x)`", SLOW, pychop_fault_round),
)
