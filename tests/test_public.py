"""The public face: lazy, complete, and without names that hide each other."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import numpy as np

import hwsim

ROOT = Path(__file__).resolve().parents[1]


def test_every_public_name_survives_importing_every_submodule():
    """A submodule named as a public function would replace it on import."""
    for module in pkgutil.walk_packages(hwsim.__path__, "hwsim."):
        if module.name != "hwsim.__main__":
            importlib.import_module(module.name)
    callables = [name for name in hwsim.__all__ if name not in ("reference", "theory")]
    assert all(callable(getattr(hwsim, name)) for name in callables)
    x = np.array([[1.5, 2.0]], np.float32)
    assert hwsim.format("e5m2").width == 8
    assert str(hwsim.mac("e5m2xe5m2+e6m9")) == "e5m2xe5m2+e6m9"
    assert hwsim.round(x, "e4m3").tolist() == x.tolist()
    assert hwsim.decode(hwsim.encode(x, "e4m3"), "e4m3").tolist() == x.tolist()
    assert hwsim.matmul(x, x.T, "fp16xfp16+fp32").tolist() == [[6.25]]
    assert hwsim.reference.matmul(x, x.T, "fp16xfp16+fp32").tolist() == [[6.25]]
    assert hwsim.conv2d(x[None, None], x[None, None], "fp16xfp16+fp32").tolist() == [[[[6.25]]]]
    assert hwsim.cost("int8xint8+int32").energy_pj > 0


def test_importing_hwsim_is_cheap():
    code = "import sys, hwsim; print([m for m in ('numpy', 'numba', 'onnx') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_setup_lists_every_package():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    folders = {path.parent for path in (ROOT / "hwsim").rglob("__init__.py")}
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert listed == found | {"hwsim_kernels"}


def test_numpy_global_seed_is_never_touched():
    np.random.seed(7)  # noqa: NPY002
    before = np.random.get_state()[1].tobytes()  # noqa: NPY002
    hwsim.matmul(np.ones((4, 4)), np.ones((4, 4)), "e4m3xe4m3+fp16", telemetry=True)
    from hwsim.networks import shipped

    digits = shipped("digits-cnn")
    hwsim.run(digits.model, digits.evaluation, "int8xint8+int32", verify=1)
    assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
