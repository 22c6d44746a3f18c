"""What C is written for: every primitive, with its derivatives; every function of NumPy's and of scipy.special by name.

What is refused is listed here, and in the guide: nothing is refused by accident, and nothing is listed that is written.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
import tapenet.scipy.special as special
from tapenet.core.pytrees import tree_flatten, tree_flatten_with_none
from tapenet.program.recording.environment import environment_of
from tests.numpy import subjects_arrangement, subjects_elementwise, subjects_formulas, subjects_reductions  # noqa: F401
from tests.numpy.subjects import SUBJECTS
from tests.program.backends.c_library import Compiled, assert_gives, needs_compiler
from tests.program.comparing import derivatives
from tests.samples import SAMPLES, Sample
from tests.scipy import subjects_special  # noqa: F401
from tests.scipy.subjects import SUBJECTS as OF_SCIPY

Array = Any
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "c.md"

# Primitives that are not written, with the reason.
REFUSED = {
    "eig": "the order of eigenvalues of general matrices is LAPACK's",
    "eigvals": "as of eig",
    "roots": "as of eig",
    "astype": "its sample is of longdouble",
    "sparse_matmul": "its sample computes where the elements lie",
}

# Functions of NumPy's that are not.
OF_SHAPE = "the shape of the result depends on values"
REFUSED_OF_NUMPY = {
    **dict.fromkeys(("trim_zeros", "unique", "unique_all", "unique_counts", "unique_inverse"), OF_SHAPE),
    **dict.fromkeys(("unique_values", "union1d", "intersect1d", "setdiff1d", "setxor1d"), OF_SHAPE),
    **dict.fromkeys(("arange", "piecewise", "real_if_close", "polydiv"), "they read values"),
    **dict.fromkeys(("roots", "polyfit", "nanquantile", "nanpercentile", "frexp", "sort_complex"), "not written yet"),
}


def drawn(strategy: st.SearchStrategy[Any]) -> Iterator[Any]:
    """An example, the same at each run."""
    found: list[Any] = []

    @settings(
        max_examples=1,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(example=strategy)
    def draw(example: Any) -> None:
        found.append(example)

    draw()
    return iter(found)


def sample_of(name: str) -> Sample:
    return next(drawn(SAMPLES[name]))


WRITTEN = sorted(SAMPLES.keys() - REFUSED.keys())


@functools.cache
def calls() -> dict[str, tuple[Any, Any, list[Array]]]:
    """For each primitive its derivatives, their program, and what it is given."""
    found = {}
    for name in WRITTEN:
        sample = sample_of(name)
        f, arrays = derivatives(sample.function), [np.asarray(x) for x in sample.arrays]
        around = tree_flatten_with_none(environment_of(f).values())[0]
        found[name] = (
            f,
            tn.compile(f).lower(*arrays),
            [*arrays, *(x for x in around if isinstance(x, np.ndarray | np.generic))],
        )
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    texts = {name: program.to_c(f"of_{name}") for name, (_, program, _) in calls().items()}
    return Compiled(tmp_path_factory.mktemp("c"), {f"of_{name}": text for name, text in texts.items()}, "-O0")


@needs_compiler
@pytest.mark.parametrize("name", WRITTEN)
def test_primitives_and_their_derivatives_are_written(name: str, library: Compiled) -> None:
    f, program, inputs = calls()[name]
    assert len(inputs) >= len(program.inputs)
    returned, outs = library.call(f"of_{name}", program, inputs[: len(program.inputs)])
    assert returned == 0
    expected = tree_flatten(f(*sample_of(name).arrays))[0]
    if len(expected) > len(outs):  # of a piecewise constant function the tangent is a constant
        expected = expected[: len(outs)]
    assert_gives(outs, expected, 2**10)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_written_is_refused_by_name(name: str) -> None:
    sample = sample_of(name)
    program = tn.compile(lambda *xs: sample.function(*xs)).lower(*map(np.asarray, sample.arrays))
    with pytest.raises(tn.ArgumentError, match=r"^to_c: .* got .*\. \w+ .*\.$"):
        program.to_c()


@functools.cache
def refused(module: Any) -> set[str]:
    """The names of functions whose first subject is refused."""
    subjects = SUBJECTS if module is tnp else [x for x in OF_SCIPY if x.module == "special"]
    first: dict[str, Any] = {}
    for subject in subjects:
        first.setdefault(subject.name, subject)
    return {name for name, subject in first.items() if not _is_written(module, subject)}


def _is_written(module: Any, subject: Any) -> bool:
    arrays = next(drawn(subject.arrays))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = tn.compile(lambda *xs: subject.call(module, *xs)).lower(*map(np.asarray, arrays))
    try:
        program.to_c()
    except tn.ArgumentError as error:
        return "arrays must be of float32" in str(error)  # of longdouble
    return True


def test_functions_of_numpy_are_written() -> None:
    assert refused(tnp) == REFUSED_OF_NUMPY.keys()


def test_the_guide_lists_what_is_refused_of_numpy_and_written_of_scipy() -> None:
    text = GUIDE.read_text()
    listed = {name.split("\n")[0]: part for name, part in (x.split(" -->\n", 1) for x in text.split("<!-- ")[1:])}
    names = {kind: set(_quoted(part.split("\n\n")[0])) for kind, part in listed.items()}
    assert names["refused of numpy"] == REFUSED_OF_NUMPY.keys()
    own = {subject.name for subject in OF_SCIPY if subject.module == "special"}
    assert names["written of special"] == own - refused(special)


def _quoted(text: str) -> list[str]:
    return text.split("`")[1::2]
