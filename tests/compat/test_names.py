"""`numpynet` and `compat` are one package by two names, and neither minds a user's module called `compat`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import compat
import numpynet

ROOT = Path(numpynet.__file__).parents[1]

SCRIPT = """
import numpynet as nn

graph, w = nn.Graph(), nn.Variable(nn.UniformInit([3, 2]), lr=0.1)
graph.add_var(w)
graph.add_op(nn.Op(nn.Dot(), nn.Placeholder(), w))
graph.add_loss(nn.Loss(nn.Softmax()))
graph.add_optimizer(nn.SGDOptimizer())
graph.forward(nn.Variable(nn.np.ones((4, 3))))
graph.calc_loss(nn.Variable(nn.np.eye(2)[[0, 1, 0, 1]]))
graph.backward()
graph.update()
print(w.D.shape)
"""


def run(folder: Path, script: str) -> str:
    """What a script prints that lies in a folder of its own, as `python script.py` runs it."""
    (folder / "script.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(folder / "script.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=folder).stdout


def test_both_names_give_the_same_objects() -> None:
    assert compat.__all__ == numpynet.__all__
    assert [name for name in numpynet.__all__ if getattr(compat, name) is not getattr(numpynet, name)] == []


def test_numpynet_runs_beside_a_module_called_compat(tmp_path: Path) -> None:
    (tmp_path / "compat.py").write_text("string_types = (str,)\n")
    assert run(tmp_path, SCRIPT) == "(3, 2)\n"


def test_numpynet_runs_where_the_script_imports_its_own_compat_first(tmp_path: Path) -> None:
    (tmp_path / "compat.py").write_text("string_types = (str,)\n")
    assert run(tmp_path, f"import compat\n{SCRIPT}print(compat.string_types)") == "(3, 2)\n(<class 'str'>,)\n"


def test_a_project_whose_compat_imports_tapenet(tmp_path: Path) -> None:
    (tmp_path / "compat.py").write_text("import tapenet as tn\nimport tapenet.numpy as np\n\ngrad = tn.grad\n")
    assert run(tmp_path, "from compat import grad, np\nprint(float(grad(np.square)(3.0)))") == "6.0\n"


def test_compat_without_a_users_module(tmp_path: Path) -> None:
    assert run(tmp_path, SCRIPT.replace("numpynet", "compat")) == "(3, 2)\n"
