"""Sweeps: rows, rankings, sentences, files, executors."""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import hwsim
from hwsim.errors import HwsimError
from hwsim.networks import Score, is_within, shipped
from hwsim.simulate import describe
from hwsim.sweeps import COLUMNS, Sweep, rows
from hwsim.sweeps.summary import standings
from hwsim.sweeps.tasks import _patient

UNITS = ["fp32xfp32+fp32", "int8xint8+int18", "int8xint8+int14", "e4m3xe4m3+fp16"]


@pytest.fixture(scope="module")
def data():
    with np.load(shipped("digits-cnn").evaluation) as file:
        return {name: file[name][:64] for name in file.files}


@pytest.fixture(scope="module")
def result(data) -> Sweep:
    return hwsim.sweep(shipped("digits-cnn").model, data, UNITS, verify=1)


def without_times(sweep: Sweep):
    return [replace(row, seconds=0.0) for row in sweep.rows]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_executors_give_the_same_rows(kind, data, result):
    spawn = multiprocessing.get_context("spawn")
    pool = ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2, mp_context=spawn)
    with pool:
        again = hwsim.sweep(
            shipped("digits-cnn").model, data, UNITS, verify=1, executor=pool, threads=1
        )
    assert without_times(again) == without_times(result)


def test_rows_add_layers_up(data, result):
    report = hwsim.run(shipped("digits-cnn").model, data, "int8xint8+int14")
    row = next(row for row in result.rows if row.unit == "int8xint8+int14")
    assert row.macs == sum(layer.macs for layer in report.layers) == 64 * 262_528
    assert row.overflow == sum(layer.telemetry.overflow_steps for layer in report.layers) > 0
    assert row.energy_mac_pj == math.fsum(layer.energy_mac_pj for layer in report.layers)
    assert row.collapsed
    assert row.reason.startswith("overflow in layer ")


def test_yardstick_is_one_and_within(result):
    row = result.rows[0]
    assert row.energy_ratio == 1.0
    assert row.within
    assert not row.collapsed


def test_csv_has_the_stable_columns(result):
    lines = result.to_csv().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 1 + len(UNITS)


def test_doubles_run_once(data):
    twice = hwsim.sweep(
        shipped("digits-cnn").model, data, ["int8xint8+int32", "int8xint8+int32:wrap"]
    )
    assert [row.unit for row in twice.rows] == ["int8xint8+int32"]


def test_save_keeps_an_earlier_result(result, tmp_path):
    result.save(tmp_path / "out")
    with pytest.raises(HwsimError, match="earlier result"):
        result.save(tmp_path / "out")
    assert len(result.save(tmp_path / "out", force=True)) == 4


def test_html_and_text_show_every_unit(result):
    for unit in UNITS:
        assert unit in str(result)
        assert unit in result._repr_html_()


def test_no_units_is_an_error(data):
    with pytest.raises(ValueError, match="at least one unit"):
        hwsim.sweep(shipped("digits-cnn").model, data, [])


def test_a_unit_that_cannot_finish_is_a_collapsed_row(data):
    """Sums overflow to Inf, which the int16 output cannot wrap: the sweep goes on and says so."""
    swept = hwsim.sweep(shipped("digits-cnn").model, data, ["e4m3xe4m3+e3m4:out=int16"])
    row = swept.rows[0]
    assert row.collapsed
    assert "Inf" in row.reason
    assert math.isnan(row.value)
    assert row.energy_mac_pj > 0


BASE = Score("accuracy", 0.9, 0.01, 0.3, None)


@pytest.mark.parametrize(
    ("score", "within", "collapsed"),
    [
        (Score("accuracy", 0.9, 0.01), True, False),
        (Score("accuracy", 0.8901, 0.01), True, False),
        (Score("accuracy", 0.8899, 0.01), False, False),
        (Score("accuracy", 0.51, 0.02), False, False),
        (Score("accuracy", 0.5, 0.02), False, True),
        (Score("accuracy", math.nan), False, True),
    ],
)
def test_accuracy_is_judged_by_the_error_bar_and_by_chance(score, within, collapsed):
    assert is_within(score, BASE) is within
    assert rows.has_collapsed(score, BASE, classes=10) is collapsed


def test_bits_per_character_are_judged_the_other_way_round():
    base = Score("bits_per_character", 2.0, 0.1)
    assert is_within(Score("bits_per_character", 2.09), base)
    assert not is_within(Score("bits_per_character", 2.11), base)
    assert not rows.has_collapsed(Score("bits_per_character", 3.99), base, classes=64)
    assert rows.has_collapsed(Score("bits_per_character", 4.0), base, classes=64)
    assert rows.has_collapsed(Score("bits_per_character", math.nan), base, classes=64)


def test_pareto_is_neither_cheaper_nor_better(result):
    ranked = standings(result.rows)
    for one in ranked:
        beaten = any(
            other.energy_ratio <= one.energy_ratio
            and other.rows[0].value >= one.rows[0].value
            and other.marks != one.marks
            for other in ranked
        )
        assert one.pareto is not beaten
    assert [s.energy_ratio for s in ranked] == sorted(s.energy_ratio for s in ranked)


def test_operands_are_blamed_when_an_exact_accumulator_loses_as_much(data):
    """e5m2's values cost the same with fp32 sums as with swamped ones."""
    units = ["e3m1xe3m1+fp32", "e3m1xe3m1+e4m4", "int8xint8+int14"]
    swept = hwsim.sweep(shipped("digits-cnn").model, data, units, metric="sqnr_db")
    coarse, swamped, wrapped = swept.rows
    assert coarse.reason == "coarse operands"
    assert swamped.swamped_full > coarse.swamped_full
    assert wrapped.reason.startswith("overflow in layer ")


def test_sweeps_of_different_tasks_add(result):
    renamed = tuple(replace(row, task="other") for row in result.rows)
    source = result.metadata["tasks"]["digits-cnn"]
    both = result + Sweep(renamed, result.metadata | {"tasks": {"other": source}})
    assert len(both.standings) == len(UNITS)
    assert len(both.standings[0].rows) == 2
    assert set(both.metadata["tasks"]) == {"digits-cnn", "other"}
    assert both.standings[-1].energy_ratio == 1.0


def test_the_grey_band_is_float32s_error_bar(result):
    """Not that of whichever unit comes first."""
    rows = tuple(replace(r, baseline=0.9, baseline_stderr=0.02, stderr=0.3) for r in result.rows)
    band = Sweep(rows, result.metadata).plot().axes[0].patches[0]
    assert band.get_y() == 100 * 0.9 - 100 * 0.02
    assert band.get_y() + band.get_height() == 100 * 0.9 + 100 * 0.02


def test_scale_reaches_every_task(data):
    """Signed and unsigned codes under the affine rule give the same logits; absmax does not."""
    model = shipped("digits-cnn").model
    units = ["uint8xint8+int32", "int8xint8+int32", "e4m3xe4m3+fp16"]
    affine = hwsim.sweep(model, data, units, scale={"a": "affine"}, verify=1).rows
    assert affine[0].sqnr_db == affine[1].sqnr_db
    usual = hwsim.sweep(model, data, units).rows
    assert usual[0].sqnr_db == affine[0].sqnr_db
    assert usual[1].sqnr_db != affine[1].sqnr_db
    assert usual[2].sqnr_db == affine[2].sqnr_db


def test_what_operands_lose_is_found_by_kernels() -> None:
    """Of logarithms too, which no exact multiplier takes."""
    specs = ("log4.3b64xlog4.3b64:log4+fp16", "e4m3xe4m3:mitchell+fp16", "int8xint8+int16")
    for spec in (*specs, "log4.3b64xpow2_5+log6.6:lns"):
        unit = _patient(hwsim.mac(spec))
        assert "reference" not in "".join(describe(unit))
