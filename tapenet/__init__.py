"""tapenet: exact gradients of NumPy code, from a tape that is a value.

>>> import tapenet.numpy as tnp
>>> with GradientTape() as tape:
...     x = tape.watch(2.0)
...     y = tnp.square(x) * x
>>> tape.gradient(y, x)
np.float64(12.0)
"""

import importlib
from typing import TYPE_CHECKING, Any

from tapenet import numpy as numpy
from tapenet.core.provided import provided as _provided
from tapenet.core.pytrees import static_field as static_field
from tapenet.core.record import Record as Record
from tapenet.core.tensor import Tensor as Tensor
from tapenet.diagnostics.checks import checks as checks
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
from tapenet.extend import primitive as primitive
from tapenet.kernels.backends import use_backend as use_backend
from tapenet.kernels.memory import empty_cache as empty_cache
from tapenet.numpy.methods import give_methods
from tapenet.ops.arrays.indexing import at as at
from tapenet.ops.arrays.masked import with_ufunc_keywords as _with_ufunc_keywords
from tapenet.tape import GradientTape as GradientTape
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

if TYPE_CHECKING:
    from tapenet import models as models, nn as nn, optim as optim, testing as testing

give_methods(Tensor)
_provided.array = numpy.array
_provided.with_ufunc_keywords = _with_ufunc_keywords
_provided.jvp, _provided.vjp = jvp, vjp


def __getattr__(name: str) -> Any:
    """Import `tn.nn`, `tn.optim`, `tn.models` and `tn.testing` when they are first used."""
    if name in ("models", "nn", "optim", "testing"):
        return importlib.import_module(f"tapenet.{name}")
    raise AttributeError(f"module 'tapenet' has no attribute {name!r}")
