"""autograd's programs give autograd's answers."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.compat.autograd.programs import PROGRAMS

MODULES = {
    "np": "numpy",
    "numpy_vjps": "numpy.numpy_vjps",
    "misc": "misc",
    "optimizers": "misc.optimizers",
    "fixed_points": "misc.fixed_points",
    "signal": "scipy.signal",
    "special": "scipy.special",
    "stats": "scipy.stats",
    "linalg": "scipy.linalg",
    "integrate": "scipy.integrate",
    **{name: name for name in ("extend", "tracer", "core", "test_util")},
}


def namespace(root: str) -> SimpleNamespace:
    """autograd's modules by short names, and its operators."""
    package = importlib.import_module(root)
    operators = {name: x for name, x in vars(package).items() if callable(x)}
    return SimpleNamespace(**operators, **{k: importlib.import_module(f"{root}.{m}") for k, m in MODULES.items()})


def assert_close(mine: Any, theirs: Any) -> None:
    if isinstance(theirs, dict):
        assert set(mine) == set(theirs)
        for key in theirs:
            assert_close(mine[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(mine) == len(theirs)
        for x, y in zip(mine, theirs, strict=True):
            assert_close(x, y)
    elif isinstance(theirs, float | complex | np.ndarray | np.generic):
        assert np.shape(mine) == np.shape(theirs)
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    else:
        assert mine == theirs


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree_with_autograd(name: str) -> None:
    pytest.importorskip("autograd")
    assert_close(PROGRAMS[name](namespace("compat.autograd")), PROGRAMS[name](namespace("autograd")))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_run(name: str) -> None:
    PROGRAMS[name](namespace("compat.autograd"))


IN_A_NEW_PROCESS: dict[str, str] = {
    "installed": """
import compat.autograd
compat.autograd.install()
compat.autograd.install()
import autograd, autograd.numpy as np
from autograd import grad
from autograd.extend import primitive, defvjp
from autograd.numpy.numpy_vjps import unbroadcast_f
from autograd.misc.optimizers import adam
assert autograd is compat.autograd and autograd.__version__ == "1.9.0"
assert grad(np.sin)(0.0) == 1.0
compat.autograd.uninstall()
import sys
assert not [name for name in sys.modules if name.split(".")[0] == "autograd"]
""",
    "named to autoray": """
import sys, types, compat.autograd, tapenet as tn
named = {}
sys.modules["autoray"] = types.ModuleType("autoray")
sys.modules["autoray"].register_backend = named.__setitem__
compat.autograd.install()
assert named == {tn.Tensor: "autograd"}
compat.autograd.uninstall()
assert named == {tn.Tensor: "tapenet"}
""",
    "in a block": """
import sys, compat.autograd
with compat.autograd.installed():
    import autograd
    with compat.autograd.installed():
        pass
    assert "autograd" in sys.modules
assert "autograd" not in sys.modules
""",
    "too late": """
import sys, types
sys.modules["autograd"] = types.ModuleType("autograd")
import compat.autograd, tapenet
try:
    compat.autograd.install()
except tapenet.TapenetError as error:
    assert "must not be imported yet" in str(error)
else:
    raise AssertionError
compat.autograd.uninstall()
assert "autograd" in sys.modules
""",
    "imports what is used": """
import sys, compat.autograd
compat.autograd.install()
import autograd.numpy as np
from autograd import grad
assert grad(lambda x: np.sum(np.sin(x) ** 2))(np.ones(2)).shape == (2,)
assert not {"scipy", "numpynet", "numpy.f2py", "numpy.testing"} & sys.modules.keys()
assert "compat.autograd.numpy.numpy_wrapper" not in sys.modules
import autograd.numpy.linalg, autograd.misc.optimizers, compat.autograd.misc.optimizers
assert autograd.misc.optimizers is compat.autograd.misc.optimizers
assert autograd.misc.optimizers.__spec__.name == "compat.autograd.misc.optimizers"
assert {"sin", "linalg", "float64"} <= set(dir(np)) and "svd" in dir(np.linalg)
for module, name in ((np, "nothing"), (np.linalg, "nothing"), (np.fft, "nothing"), (autograd, "nothing")):
    assert not hasattr(module, name)
try:
    import autograd.nothing
except ModuleNotFoundError as error:
    assert "autograd.nothing" in str(error)
""",
    "modules of the package": """
import compat.autograd
compat.autograd.install()
import autograd
assert autograd.numpy.sin(0.0) == 0.0
assert autograd.extend.primitive and autograd.util.subvals and autograd.misc.flatten
assert autograd.test_util and autograd.scipy and autograd.numpy.numpy_boxes.ArrayBox
""",
    "functions named like their modules": """
import compat.autograd
compat.autograd.install()
from autograd.misc.flatten import flatten
import autograd.misc.tracers, autograd.misc
assert autograd.misc.flatten is flatten
assert flatten([1.0, 2.0])[0].shape == (2,)
""",
    "without SciPy": """
import sys
sys.modules["scipy"] = None
import compat.autograd
compat.autograd.install()
import autograd.numpy
assert autograd.grad(autograd.numpy.sin)(0.0) == 1.0
""",
}


@pytest.mark.parametrize("name", IN_A_NEW_PROCESS)
def test_installing(name: str) -> None:
    subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS[name]], check=True, timeout=120)


PUBLIC = {
    "": "checkpoint deriv dict elementwise_grad grad grad_and_aux grad_named hessian hessian_tensor_product "
    "hessian_vector_product holomorphic_grad isinstance jacobian list make_ggnvp make_hvp make_jvp make_vjp "
    "multigrad_dict primitive tensor_jacobian_product tuple type value_and_grad vector_jacobian_product",
    "builtins": "isinstance type tuple list dict SequenceBox DictBox",
    "extend": "Box JVPNode SparseObject VJPNode VSpace def_linear defjvp defjvp_argnum defjvp_argnums defvjp "
    "defvjp_argnum defvjp_argnums notrace_primitive primitive register_notrace vspace",
    "tracer": "Box Node getval isbox new_box notrace_primitive notrace_primitives primitive register_notrace toposort "
    "trace",
    "core": "backward_pass make_jvp make_vjp primitive_jvps primitive_vjps sum_outgrads",
    "misc": "const_graph flatten",
    "misc.flatten": "flatten flatten_func",
    "misc.optimizers": "adam rmsprop sgd unflatten_optimizer",
    "misc.fixed_points": "fixed_point",
    "numpy": "array concatenate linalg fft random float64 int64 pi newaxis ndarray make_diagonal array_from_args",
    "numpy.linalg": "cholesky det eig eigh inv norm pinv qr slogdet solve svd",
    "numpy.fft": "fft ifft fft2 fftn rfft irfft fftshift",
    "numpy.random": "randn rand RandomState seed default_rng",
    "numpy.numpy_boxes": "ArrayBox",
    "numpy.numpy_vspaces": "ArrayVSpace ComplexArrayVSpace",
    "numpy.numpy_vjps": "unbroadcast unbroadcast_f match_complex replace_zero repeat_to_match_shape",
    "numpy.numpy_wrapper": "wrap_namespace numpy_version array",
    "scipy.special": "gammaln expit logsumexp erf beta betainc j0 iv polygamma digamma",
    "scipy.stats": "norm t beta gamma chi2 poisson dirichlet multivariate_normal",
    "scipy.stats.norm": "pdf cdf sf logpdf logcdf logsf",
    "scipy.linalg": "sqrtm solve_triangular solve_sylvester",
    "scipy.integrate": "odeint",
    "test_util": "check_equivalent check_grads check_jvp check_vjp combo_check scalar_close",
    "util": "func subval subvals toposort",
    "wrap_util": "get_doc get_name unary_to_nary wraps",
    "differential_operators": "make_jvp_reversemode",
}


@pytest.mark.parametrize("name", PUBLIC)
def test_autograd_s_names_are_there(name: str) -> None:
    module = importlib.import_module(f"compat.autograd.{name}".rstrip("."))
    assert not [x for x in PUBLIC[name].split() if not hasattr(module, x)]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_names_are_autograd_s(name: str) -> None:
    pytest.importorskip("autograd")
    module = importlib.import_module(f"autograd.{name}".rstrip("."))
    assert not [x for x in PUBLIC[name].split() if not hasattr(module, x)]
