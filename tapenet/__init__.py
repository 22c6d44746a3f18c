"""Exact gradients of NumPy code, from a tape that is a value.

    import tapenet as tn
    import tapenet.numpy as tnp    # NumPy's namespace; plain `numpy` works on Tensors too

Record and walk: `GradientTape`, with `gradient`, `jacobian`, `jvp` and `replay`; `Tensor`, `Record`, `at`, `checks`.
Transform functions: `grad`, `value_and_grad`, `elementwise_grad`, `vjp`, `jvp`, `linearize`, `jacobian`, `jacfwd`,
`hessian`, `hvp`, `sparse_jacobian`, `sparse_hessian`, `sparsity`, `color`, `jet`, `directional`, `hessian_diagonal`,
`laplacian`, `vmap`, `compile`, `checkpoint`,
`stop_gradient`, `root`, `fixed_point`, `scan`, `while_loop`, `checkpointed_loop`.
Linear algebra without matrices: `linear_operator`, `gauss_newton`, `operators`.
Results with their errors: `propagate`, `delta_method`, `rounding_error`.
Give derivatives of your own: `primitive`, `custom_vjp`, `custom_jvp`; `extend` is the module for authors of operations.
Build and train networks: `nn`, `optim`, `models`, `data`, `training`; keep them: `save`, `load`.
SciPy's functions: `scipy`. Work on pytrees: `tree`. Test gradients: `testing`. Report a bug: `show_config`.

>>> import tapenet.numpy as tnp
>>> with GradientTape() as tape:
...     x = tape.watch(2.0)
...     y = tnp.square(x) * x
>>> tape.gradient(y, x)
np.float64(12.0)
"""

import importlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tapenet import errors as errors, numpy as numpy
from tapenet.core.provided import provided as _provided
from tapenet.core.pytrees import static_field as static_field
from tapenet.core.record import Record as Record
from tapenet.core.tensor import Tensor as Tensor
from tapenet.core.version import __version__ as __version__
from tapenet.errors import (
    ArgumentError as ArgumentError,
    ArgumentTypeError as ArgumentTypeError,
    ConvergenceError as ConvergenceError,
    MappedValueError as MappedValueError,
    MissingPackageError as MissingPackageError,
    MissingRuleError as MissingRuleError,
    MutationError as MutationError,
    NumericalError as NumericalError,
    ReplayError as ReplayError,
    TapenetError as TapenetError,
    UnconnectedError as UnconnectedError,
)
from tapenet.kernels.pooled import is_large as _is_large, pooled as _pooled
from tapenet.numpy.methods import give_methods as _give_methods
from tapenet.tape import GradientTape as GradientTape, tape_of as _tape_of

if TYPE_CHECKING:  # imported when first used: see _MODULES
    from tapenet import (
        data as data,
        extend as extend,
        models as models,
        nn as nn,
        operators as operators,
        optim as optim,
        scipy as scipy,
        testing as testing,
        training as training,
        tree as tree,
    )
    from tapenet.diagnostics.checks import checks as checks
    from tapenet.diagnostics.config import show_config as show_config
    from tapenet.extend import primitive as primitive
    from tapenet.files import load as load, load_metadata as load_metadata, save as save
    from tapenet.kernels.allocator import keep_freed_memory as keep_freed_memory
    from tapenet.kernels.backends import use_backend as use_backend
    from tapenet.kernels.memory import empty_cache as empty_cache
    from tapenet.kernels.processors import num_threads as num_threads, set_num_threads as set_num_threads
    from tapenet.operators.curvature import gauss_newton as gauss_newton
    from tapenet.operators.operator import linear_operator as linear_operator
    from tapenet.ops.arrays.indexing import at as at
    from tapenet.program.compiling.functions import compile as compile
    from tapenet.program.loops.checkpointed import checkpointed_loop as checkpointed_loop
    from tapenet.program.loops.scan import scan as scan
    from tapenet.program.loops.while_loop import while_loop as while_loop
    from tapenet.transforms.checkpoint import checkpoint as checkpoint
    from tapenet.transforms.custom import custom_jvp as custom_jvp, custom_vjp as custom_vjp
    from tapenet.transforms.gradient import (
        elementwise_grad as elementwise_grad,
        grad as grad,
        stop_gradient as stop_gradient,
        value_and_grad as value_and_grad,
    )
    from tapenet.transforms.implicit import fixed_point as fixed_point, root as root
    from tapenet.transforms.jacobian import (
        hessian as hessian,
        hvp as hvp,
        jacfwd as jacfwd,
        jacobian as jacobian,
        jacrev as jacrev,
    )
    from tapenet.transforms.mapping import vmap as vmap
    from tapenet.transforms.products import jvp as jvp, linearize as linearize, vjp as vjp
    from tapenet.transforms.sparse.coloring import color as color
    from tapenet.transforms.sparse.jacobians import (
        sparse_hessian as sparse_hessian,
        sparse_jacobian as sparse_jacobian,
    )
    from tapenet.transforms.sparse.sparsity import sparsity as sparsity
    from tapenet.transforms.taylor import (
        directional as directional,
        hessian_diagonal as hessian_diagonal,
        jet as jet,
        laplacian as laplacian,
    )
    from tapenet.uncertainty.propagation import delta_method as delta_method, propagate as propagate
    from tapenet.uncertainty.rounding import rounding_error as rounding_error

__all__ = [
    # the tape
    "GradientTape",
    "Tensor",
    "Record",
    "at",
    "checks",
    # transforms of functions
    "grad",
    "value_and_grad",
    "elementwise_grad",
    "vjp",
    "jvp",
    "linearize",
    "jacobian",
    "jacrev",
    "jacfwd",
    "hessian",
    "hvp",
    "sparsity",
    "color",
    "sparse_jacobian",
    "sparse_hessian",
    "jet",
    "directional",
    "hessian_diagonal",
    "laplacian",
    "vmap",
    "compile",
    "scan",
    "while_loop",
    "checkpointed_loop",
    "checkpoint",
    "stop_gradient",
    "root",
    "fixed_point",
    # operators
    "linear_operator",
    "gauss_newton",
    # errors of results
    "propagate",
    "delta_method",
    "rounding_error",
    # derivatives of one's own
    "primitive",
    "custom_vjp",
    "custom_jvp",
    "static_field",
    # files
    "save",
    "load",
    "load_metadata",
    # the process
    "set_num_threads",
    "num_threads",
    "use_backend",
    "empty_cache",
    "keep_freed_memory",
    "show_config",
    # modules
    "numpy",
    "scipy",
    "tree",
    "nn",
    "operators",
    "optim",
    "models",
    "data",
    "training",
    "testing",
    "extend",
    "errors",
    # errors
    "TapenetError",
    "ArgumentError",
    "ArgumentTypeError",
    "ConvergenceError",
    "MappedValueError",
    "MissingPackageError",
    "MissingRuleError",
    "MutationError",
    "NumericalError",
    "ReplayError",
    "UnconnectedError",
]

_MODULES = {  # where the names are that are imported when they are first used
    "diagnostics.checks": "checks",
    "diagnostics.config": "show_config",
    "extend": "primitive",
    "files": "load load_metadata save",
    "kernels.allocator": "keep_freed_memory",
    "kernels.backends": "use_backend",
    "kernels.memory": "empty_cache",
    "kernels.processors": "num_threads set_num_threads",
    "program.compiling.functions": "compile",
    "program.loops.checkpointed": "checkpointed_loop",
    "program.loops.scan": "scan",
    "program.loops.while_loop": "while_loop",
    "operators.curvature": "gauss_newton",
    "operators.operator": "linear_operator",
    "ops.arrays.indexing": "at",
    "transforms.checkpoint": "checkpoint",
    "transforms.custom": "custom_jvp custom_vjp",
    "transforms.gradient": "elementwise_grad grad stop_gradient value_and_grad",
    "transforms.implicit": "fixed_point root",
    "transforms.jacobian": "hessian hvp jacfwd jacobian jacrev",
    "transforms.mapping": "vmap",
    "transforms.products": "jvp linearize vjp",
    "transforms.sparse.coloring": "color",
    "transforms.sparse.jacobians": "sparse_hessian sparse_jacobian",
    "transforms.sparse.sparsity": "sparsity",
    "uncertainty.propagation": "delta_method propagate",
    "uncertainty.rounding": "rounding_error",
    "transforms.taylor": "directional hessian_diagonal jet laplacian",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}
_PACKAGES = ("data", "extend", "models", "nn", "operators", "optim", "scipy", "testing", "training", "tree")


class _Importing:
    """The lock of imports at first use, made again in a forked child."""

    lock = threading.RLock()


_importing = _Importing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: setattr(_importing, "lock", threading.RLock()))


def _imported(name: str) -> Any:
    with _importing.lock:  # two threads that import packages which need each other get one of them half made
        return importlib.import_module(f"tapenet.{name}")


if not TYPE_CHECKING:  # else every name would do

    def __getattr__(name: str) -> Any:
        """Import a package or a function when it is first used."""
        if name in _PACKAGES:
            return _imported(name)
        if name in _MODULE_OF:
            globals()[name] = value = getattr(_imported(_MODULE_OF[name]), name)
            return value
        raise AttributeError(f"module 'tapenet' has no attribute {name!r}")


def _at_first_call(module: str, name: str) -> Callable[..., Any]:
    return lambda *arguments, **keywords: getattr(_imported(module), name)(*arguments, **keywords)


_give_methods(Tensor)
_provided.array = _at_first_call("ops.arrays.creation", "array")
_provided.with_ufunc_keywords = _at_first_call("ops.arrays.masked", "with_ufunc_keywords")
_provided.compile = _at_first_call("program.compiling.functions", "compile")
_provided.tape_of = _tape_of
_provided.is_large, _provided.pooled = _is_large, _pooled
_provided.jvp = _at_first_call("transforms.products", "jvp")
_provided.scan = _at_first_call("program.loops.scan", "scan")
_provided.scipy = lambda: _imported("scipy")
_provided.vjp = _at_first_call("transforms.products", "vjp")


def __dir__() -> list[str]:
    return sorted([*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"])
