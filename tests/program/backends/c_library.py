"""Programs in C, compiled in one go and called with arrays."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapenet.core.pytrees import tree_flatten

Array = Any
COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-shared", "-fPIC")

CTYPES: dict[str, Any] = {"f": ctypes.c_float, "d": ctypes.c_double, "?": ctypes.c_uint8}
CTYPES |= {"b": ctypes.c_int8, "h": ctypes.c_int16, "i": ctypes.c_int32, "l": ctypes.c_int64, "q": ctypes.c_int64}
CTYPES |= {"B": ctypes.c_uint8, "H": ctypes.c_uint16, "I": ctypes.c_uint32, "L": ctypes.c_uint64, "Q": ctypes.c_uint64}


class Compiled:
    """The functions of several files, by a C compiler that takes every warning for an error."""

    def __init__(self, folder: Path, texts: dict[str, str], *flags: str) -> None:
        self.sizes = {}
        for name, text in texts.items():
            (line,) = (x for x in text.splitlines() if x.startswith(f"#define {name.upper()}_WORK_BYTES"))
            self.sizes[name] = int(line.split()[2])
        path = folder / "library.so"
        (folder / "library.c").write_text("\n".join(texts.values()))
        command = [str(COMPILER), *STRICT, *flags, str(folder / "library.c"), "-o", str(path), "-lm"]
        subprocess.run(command, check=True)
        self.library = ctypes.CDLL(str(path))

    def call(self, name: str, program: Any, inputs: list[Any]) -> tuple[int, list[Array]]:
        """What a function returns, and its results."""
        given: list[Any] = []
        kept = []
        for n, x in zip(program.inputs, inputs, strict=True):
            x = np.array(x, program.spaces[n].dtype, order="C")
            kept.append(x)
            given.append(_number(x) if x.shape == () else ctypes.c_void_p(x.ctypes.data))
        outs = [np.full(program.spaces[n].shape, 7, program.spaces[n].dtype) for n in program.outputs]
        work = np.full(self.sizes[name] // 8 + 1, np.nan)
        pointers = [ctypes.c_void_p(out.ctypes.data) for out in (*outs, work)]
        return getattr(self.library, name)(*given, *pointers), outs


def _number(x: Array) -> Any:
    """What a function is given by value; complex numbers as pairs, which is how they are passed on."""
    if x.dtype.kind != "c":
        return CTYPES[x.dtype.char](x.item())
    of = CTYPES[x.dtype.char.lower()]
    pair = type("Pair", (ctypes.Structure,), {"_fields_": [("real", of), ("imag", of)]})
    return pair(x.real, x.imag)


def assert_gives(outs: list[Array], expected: Any, scale: float = 64.0, floor: float = 1.0) -> None:
    """Results are those of the function: shapes, dtypes, and numbers to rounding."""
    for found, wanted in zip(outs, tree_flatten(expected)[0], strict=True):
        wanted = np.asarray(wanted)
        assert found.shape == wanted.shape
        assert found.dtype == wanted.dtype
        digits = scale * float(np.finfo(wanted.dtype).eps) if wanted.dtype.kind in "fc" else 0
        np.testing.assert_allclose(found, wanted, rtol=digits, atol=digits * floor)
