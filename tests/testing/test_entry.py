"""`gradient_test`: a test in one line, whose report is that of Hypothesis and of `check_grads`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import GradientError, gradient_test, strategies
from tests.testing import wrong


def softplus(x: Any) -> Any:
    return tnp.logaddexp(x, 0.0)


test_softplus = gradient_test(softplus, strategies.arrays(low=-4, high=4))

test_broadcasting = gradient_test(
    lambda pair: pair[0] * tnp.exp(pair[1]), strategies.broadcastable_arrays(), settings=settings(max_examples=20)
)

test_a_ufunc = gradient_test(np.sin, strategies.arrays((2,), np.complex128), order=1)

test_constants = gradient_test(lambda x, power: x**power, strategies.arrays((2,), low=0.5), 3.0, modes=["reverse"])

test_a_kink_that_is_kept_away_from = gradient_test(tnp.abs, strategies.arrays(away_from=[0.0]))


def test_the_test_is_named_for_its_function() -> None:
    assert test_softplus.__name__ == "test_softplus"
    assert test_softplus.__doc__ == "The derivatives of softplus agree with its values."
    assert test_constants.__name__ == "test_lambda"


def test_a_wrong_rule_is_caught_and_shrunk() -> None:
    cube = wrong.function(lambda x: x**3, lambda t, x: tnp.where(x == 0, 3.0, 3.003) * t * x * x)
    test = gradient_test(lambda x: cube(x), strategies.arrays(), order=1)
    with pytest.raises(GradientError, match=r"a wrong rule: it gives 1\.001 times what it must") as caught:
        test()
    assert shown(caught.value) == ["test_lambda(\n    x=array(1.),\n)"]


def test_an_operation_s_arguments_have_its_names() -> None:
    off = tn.primitive(np.hypot, lambda t, a: t, lambda t, b: t, name="off", operands=["a", "b"])
    with pytest.raises(GradientError) as caught:
        gradient_test(off, strategies.arrays((), low=1), strategies.arrays((), low=1))()
    assert shown(caught.value) == ["test_off(\n    a=array(1.),\n    b=array(1.),\n)"]


def test_a_kink_is_caught_and_shrunk() -> None:
    with pytest.raises(GradientError) as caught:
        gradient_test(tnp.abs, strategies.arrays())()
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("check_grads: forward mode, order 2: the derivative of y[0] by args[0] must be ")
    assert lines[1] == "    at         args[0] = 0"
    assert lines[5].startswith("    likely     a jump at the point or near it: differences grow")
    assert shown(caught.value) == ["test_absolute(\n    x=array(0.),\n)"]


def shown(error: BaseException) -> list[str]:
    """The calls that Hypothesis shows, without its own words before them, which have changed.

    Where a variable says that this is continuous integration, it adds a note on how to reproduce them.
    """
    calls = (note.partition(": ")[2] for note in error.__notes__)
    return [call for call in calls if call]


def test_pytest_collects_it(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import numpy as np\n"
        "from tapenet.testing import gradient_test, strategies\n"
        "test_sine = gradient_test(np.sin, strategies.arrays())\n"
        "class TestMore:\n"
        "    test_cosine = staticmethod(gradient_test(np.cos, strategies.arrays()))\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, env=environment())
    assert "2 passed" in done.stdout, done.stdout


def environment() -> dict[str, str]:
    """This process's, with the library that is being tested importable."""
    return {**os.environ, "PYTHONPATH": str(Path(tn.__file__).parents[1])}


def test_no_arguments_are_refused() -> None:
    with pytest.raises(
        tn.ArgumentError, match="gradient_test: there must be a strategy for each argument of f; got none"
    ):
        gradient_test(softplus)
