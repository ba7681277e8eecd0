"""A seeded slice of the hostile cases; `make exhaustive` takes a hundred thousand."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import hwsim
from hwsim.networks import DataError, ModelError, Network, archives
from tests.hostile.files import X, network
from tests.hostile.oracle import attempt
from tests.hostile.suite import SUITE, jobs, run

CASES = 150


@pytest.mark.parametrize("name", SUITE)
def test_hostile(name: str) -> None:
    """A clear error or the right bits."""
    assert run(name, 10**6, CASES).cases >= CASES // 2


def test_there_are_enough() -> None:
    """10⁵ in `make exhaustive`."""
    assert 1000 * len(list(jobs())) >= 10**5


def test_the_oracle_sees_what_it_should() -> None:
    """Other exceptions pass through; a message must name an argument."""
    for error in (KeyError("x"), MemoryError("x"), RuntimeWarning("x"), AssertionError("x")):

        def fail(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            attempt(fail)

    def vague() -> None:
        raise ValueError("something is wrong")

    with pytest.raises(AssertionError, match="names none"):
        attempt(vague, ("x",))


# --- files that would eat the machine -------------------------------------------------------------
def bomb(path: Path, shape: tuple[int, ...], data: bytes) -> None:
    """An npz whose array x has this header and these bytes."""
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}) + "\n"
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", head + data)


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sizes in its directory, before a byte of it is unpacked."""
    path = tmp_path / "bomb.npz"
    bomb(path, (25 * 2**18, 1, 1, 1), bytes(25 * 2**20))
    assert path.stat().st_size < 10**5
    monkeypatch.setattr(archives, "LIMIT", 2**20)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(
        DataError, match=r"bomb\.npz: its arrays take 0\.02\d+ GiB unpacked; at most"
    ):
        network().data(path)


def test_a_lying_header_is_refused(tmp_path: Path) -> None:
    """No array is allocated for a shape that the bytes do not fill."""
    path = tmp_path / "liar.npz"
    bomb(path, (10**12, 2, 6, 6), bytes(100))
    with pytest.raises(DataError, match=r"array 'x' of float32 \(1000000000000, 2, 6, 6\) in 100"):
        network().data(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system")
def test_pipes_and_devices_do_not_hang(tmp_path: Path) -> None:
    """Only regular files are read."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError, match="no regular file"):
            network().data(path)
        with pytest.raises(ModelError, match="no regular file"):
            Network.load(path)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("../secret.bin", "lies outside"),
        ("/etc/passwd", "lies outside"),
        ("link.bin", "lies outside"),
        ("short.bin", "holds 12 bytes from 0; length None, and 24 are needed"),
        ("missing.bin", "no such file"),
        ("", "lies outside"),
    ],
)
def test_external_weights_stay_in_their_folder(
    location: str, message: str, tmp_path: Path, graph: Any
) -> None:
    """Neither .. nor a link leads out of it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "short.bin").write_bytes(bytes(12))
    graph.node("MatMul", ["x", graph.weight("w", 3, 2)], "y")
    model = graph.model({"x": ["N", 3]}, {"y": ["N", 2]})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=location))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=f"weight 'w': external data .*{message}"):
        Network.load(folder / "m.onnx")


def test_read_only_results_of_reading(tmp_path: Path) -> None:
    """Arrays of an npz are the file's, in either order of memory."""
    np.savez(tmp_path / "d.npz", x=np.asfortranarray(X))
    data = network().data(tmp_path / "d.npz")
    assert data.inputs["x"].tobytes() == X.tobytes()
    report = hwsim.run(network(), data, "int8xint8+int16", verify=2)
    assert report.outputs["z"].shape == (3, 3)
