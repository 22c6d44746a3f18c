"""What importing tapenet imports."""

import subprocess
import sys

HEAVY = (
    "numpy.f2py numpy.ma numpy.polynomial numpy.ctypeslib numpy.typing hypothesis scipy torch jax tqdm matplotlib PIL"
)


def test_importing_tapenet_imports_nothing_heavy():
    code = "import sys, numpy; before = set(sys.modules); import tapenet; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "tapenet.tape" in imported
    assert not imported & set(HEAVY.split())


def test_the_core_imports_nothing_that_stands_on_it():
    code = "import sys, tapenet; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    above = ("tapenet.nn", "tapenet.optim", "tapenet.models", "tapenet.testing", "compat", "numpynet")
    assert not [name for name in done.stdout.split() if name.startswith(above)]
