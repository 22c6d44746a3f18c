"""The public namespace as help(), pickle and documentation tools see it."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pickle
import pydoc
import re
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.numpy.documentation import composed, numpy_sections
from tapenet.numpy.reexports import GROUP_OF

NAMESPACES = ("numpy", "numpy.linalg", "numpy.fft")
BY_KEYWORD = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
MAKE_NOTHING = set("copyto fill_diagonal place put put_along_axis putmask save savetxt savez savez_compressed".split())


def functions() -> dict[str, Any]:
    """Our functions by their public path, each once."""
    found = {}
    for namespace in NAMESPACES:
        module = importlib.import_module(f"tapenet.{namespace}")
        for name in module.__all__:
            function = getattr(module, name)
            if type(function) is FunctionType and name not in GROUP_OF:  # else it is NumPy's own
                found[f"{namespace}.{name}"] = function
    return found


FUNCTIONS = functions()
OWN = {path: function for path, function in FUNCTIONS.items() if path.endswith(f".{function.__name__}")}


def numpy_function(path: str) -> Any:
    """NumPy's function of the same name; None where this version lacks it."""
    namespace, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(namespace), name, None)


def test_all_functions_are_found() -> None:
    assert len(OWN) > 320


@pytest.mark.parametrize("path", FUNCTIONS)
def test_a_function_is_where_it_says(path: str) -> None:
    function = FUNCTIONS[path]
    assert function.__module__ in {f"tapenet.{namespace}" for namespace in NAMESPACES}
    assert getattr(importlib.import_module(function.__module__), function.__name__) is function
    assert function.__qualname__ == function.__name__
    assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize("path", OWN)
def test_the_docstring_says_what_is_computed_and_the_derivative(path: str) -> None:
    text = inspect.getdoc(OWN[path])
    assert text is not None
    summary, *paragraphs = text.split("\n\n")
    assert re.match(r"[A-Z][a-z]+\b.*[.:]$", summary), "a sentence"
    assert "\n" not in summary
    assert not re.match(r"(The|An?|Each|All|What|How|Where) ", summary), "a verb comes first"
    statements = [paragraph for paragraph in paragraphs if re.match(r"(Derivatives?|No derivative): ", paragraph)]
    assert len(statements) == 1


@pytest.mark.parametrize("path", OWN)
def test_the_docstring_has_numpy_s_sections_or_its_own(path: str) -> None:
    text = inspect.getdoc(OWN[path]) or ""
    function = numpy_function(path)
    theirs = {} if isinstance(function, np.ufunc) else numpy_sections(function)
    for name, ours in (("Parameters", "Args:"), ("Returns", "Returns:"), ("Raises", "Raises:")):
        has_ours, has_theirs = f"\n{ours}\n" in text, f"\n{name}\n---" in text
        assert not (has_ours and has_theirs)
        if name in theirs:
            assert has_ours or has_theirs
        elif theirs and name == "Returns":
            assert has_ours or path.removeprefix("numpy.") in MAKE_NOTHING
        elif isinstance(function, np.ufunc) and name != "Raises":
            assert has_ours or has_theirs
    assert ":ref:" not in text
    assert "]_" not in text
    assert not re.search(r"\n(See [Aa]lso|Notes|References)\n---", text)


@pytest.mark.parametrize("path", OWN)
def test_the_example_is_short_and_right(path: str) -> None:
    text = inspect.getdoc(OWN[path]) or ""
    globals = {**vars(importlib.import_module(OWN[path].__module__)), "np": np, "tn": tn, "tnp": tnp}
    test = doctest.DocTestParser().get_doctest(text, globals, path, None, None)
    lines = sum(example.source.count("\n") + example.want.count("\n") for example in test.examples)
    assert 1 <= lines <= 6
    report: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not results.failed, "".join(report)


@pytest.mark.parametrize("path", OWN)
def test_the_signature_can_be_read(path: str) -> None:
    theirs = numpy_function(path)
    try:
        signature = inspect.signature(OWN[path])
    except ValueError:
        with pytest.raises(ValueError, match="signature"):  # older versions of NumPy say it of no compiled function
            inspect.signature(theirs)
        return
    assert "object at 0x" not in str(signature)
    if isinstance(theirs, np.ufunc) and hasattr(OWN[path], "__signature__"):
        names = [name for name, p in signature.parameters.items() if p.kind is p.POSITIONAL_ONLY]
        assert len(names) == theirs.nin
        assert f"\n{', '.join(names)} : array_like\n" in (inspect.getdoc(OWN[path]) or "")
        assert signature.parameters["where"].default is True


def parameters(function: Any) -> dict[str, Any]:
    """The parameters of a function by name; none where Python cannot read them."""
    try:
        return dict(inspect.signature(function).parameters)
    except ValueError:
        return {}


OPERANDS = {"arrays", "start", "element", "x1", "x2", "a", "b", "x", "object"}  # which everyone gives by position
DEPRECATED = {"interpolation", "newshape"}  # by NumPy, which has left them out since
WORK_UNNAMED = {("concatenate", "casting"), ("stack", "casting"), ("fftfreq", "device"), ("rfftfreq", "device")}
FUNCTIONS_OF_NUMPY = [path for path in OWN if isinstance(numpy_function(path), FunctionType | type(np.where))]


@pytest.mark.parametrize("path", FUNCTIONS_OF_NUMPY)
def test_the_docstring_tells_of_keywords_that_a_tensor_lacks(path: str) -> None:
    own = (inspect.getdoc(OWN[path]) or "").partition("\n\nParameters\n---")[0]
    theirs = {name for name, p in parameters(numpy_function(path)).items() if p.kind in BY_KEYWORD}
    lacking = theirs - parameters(OWN[path]).keys() - OPERANDS - DEPRECATED
    name = path.rsplit(".", 1)[1]
    assert not {keyword for keyword in lacking if f"`{keyword}`" not in own and (name, keyword) not in WORK_UNNAMED}


@pytest.mark.parametrize("function", [tnp.sin, tnp.isnan, tnp.sum, tnp.linalg.solve, tnp.shape, tnp.copyto])
def test_help_shows_signature_and_docstring(function: Any) -> None:
    text = pydoc.plain(pydoc.render_doc(function))
    assert f"function {function.__name__} in module {function.__module__}" in text
    assert "erivative" in text
    assert f"{function.__name__}(" in text


@pytest.mark.parametrize("namespace", ["tapenet", "tapenet.nn", "tapenet.nn.init", "tapenet.optim", "tapenet.extend"])
def test_functions_and_classes_elsewhere_are_pickled_by_reference(namespace: str) -> None:
    module = importlib.import_module(namespace)
    names = getattr(module, "__all__", None) or [name for name, x in vars(module).items() if is_its_own(x, namespace)]
    public = [getattr(module, name) for name in names if isinstance(getattr(module, name), type | FunctionType)]
    assert public
    for x in public:
        assert pickle.loads(pickle.dumps(x)) is x, x


def is_its_own(x: Any, namespace: str) -> bool:
    """Whether a module defines it."""
    return isinstance(x, type | FunctionType) and x.__module__ == namespace and not x.__name__.startswith("_")


METHODS = {name: inspect.getattr_static(tn.Tensor, name) for name in dir(tn.Tensor) if not name.startswith("_")}


@pytest.mark.parametrize("name", [name for name, x in METHODS.items() if isinstance(x, FunctionType | property)])
def test_methods_of_a_tensor_have_names_and_docstrings(name: str) -> None:
    method = METHODS[name]
    assert inspect.getdoc(method)
    assert isinstance(method, property) or "<" not in method.__qualname__


# ---- composing ----


def theirs() -> None:
    """Add things.

    Parameters
    ----------
    a : array_like
        Things, see :ref:`here <there>` [1]_.
    out : ndarray, optional
        Where to.

    Returns
    -------
    b : ndarray

    Raises
    ------
    ValueError
        Sometimes.

    See Also
    --------
    subtract
    """


def test_sections_are_cut_out_and_put_before_the_example() -> None:
    text = composed("Add.\n\n    Derivative: 1.\n\n    >>> 1 + 1\n    2\n    ", theirs)
    assert text == (
        "Add.\n\nDerivative: 1.\n\nOn a Tensor, `out` must be None: a value never changes.\n\n"
        "Parameters\n----------\na : array_like\n    Things, see here.\nout : ndarray, optional\n    Where to.\n\n"
        "Returns\n-------\nb : ndarray\n\nRaises\n------\nValueError\n    Sometimes.\n\n"
        "Examples\n--------\n>>> 1 + 1\n2"
    )


def test_a_section_of_ours_replaces_numpy_s() -> None:
    text = composed("Add.\n\n    Args:\n        a: x.\n\n    Raises:\n        ArgumentError: y.\n    ", theirs)
    assert "Parameters\n" not in text
    assert "ValueError" not in text
    assert "Returns\n-------\nb : ndarray" in text


def test_without_numpy_s_function_or_docstring_ours_remains() -> None:
    assert composed("Add.", None) == "Add."
    assert composed("Add.", lambda: 0) == "Add."
