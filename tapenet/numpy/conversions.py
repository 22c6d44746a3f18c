"""Conversions of Tensors that other libraries ask for."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tapenet.core.tensor import Tensor
from tapenet.errors import ConversionError, MappedValueError

_convert = Tensor.__array__


def as_numpy_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """`__array__`: the array once the tape has closed; on an open tape an error.

    The operators of scipy.sparse leave an operation to their other operand where NumPy makes no array of it but one
    object. They ask no protocol, so that their question has to be known by who asks.
    """
    asking = sys._getframe(1)
    try:
        return _convert(self, dtype, copy)
    except (ConversionError, MappedValueError) as error:
        package = asking.f_globals.get("__name__", "")
        if package.startswith("scipy.sparse._") and asking.f_code.co_name in _OPERATORS_OF_SPARSE:
            return _as_one_object(self)
        if package.startswith("pandas."):
            raise type(error)(f"{error} For the array of a DataFrame or Series write df.to_numpy() @ x.") from None
        if package.startswith("numpy.ma"):
            raise type(error)("operators: operands must not be masked. Fill it first: a.filled(0.0).") from None
        raise


_OPERATORS_OF_SPARSE = {"_matmul_dispatch", "_multiply_2d_with_broadcasting", "multiply", "_divide"}


def _as_one_object(x: Any) -> np.ndarray[Any, Any]:
    array = np.empty((), object)
    array[()] = x
    return array
