"""`Lowered`: the program of some arguments, as `lower` gives it to users."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from tapenet.core.pytrees import leaf_paths_with_static
from tapenet.program.backends import c_code
from tapenet.program.compiling.expanding import expanded
from tapenet.program.instructions import Program
from tapenet.program.listing import listing
from tapenet.program.recording.environment import Place


@attrs.frozen(eq=False, repr=False)
class Lowered(Program):
    """A program that can be printed, and written in C.

    Attributes:
        origins: of inputs, the arguments that they are, or the names around the function; by number.
    """

    origins: Mapping[int, str]

    @classmethod
    def of(cls, program: Program, origins: Mapping[int, str]) -> Lowered:
        """Return a program as one of this class."""
        return cls(program.instructions, program.inputs, program.constants, program.outputs, program.spaces, origins)

    def __str__(self) -> str:
        return listing(self, self.origins)

    def to_c(self, name: str = "program") -> str:
        """Return the text of a file in C99 with one function that computes the program, without any allocation.

        The function takes the inputs in the order of `print(program)`, pointers to arrays in C order and numbers by
        value, then pointers to the results, and memory to work in, as many bytes as the macro NAME_WORK_BYTES says.
        It returns 0; 1 where a guard failed, or a mask as an index holds more or less often than it did; 2 where an
        index was out of bounds; 3 where a matrix is singular, not positive definite, or not finite. Results are equal
        to the program's to rounding. Of `argsort` the places of equal elements are in their order; of `eigh` and `svd`
        the largest element of each (left) vector is positive, where LAPACK's have any sign. Loops by `tn.scan` are
        loops in C. Operations without a text in C are written out where they are made of others; see the guide.

        Args:
            name: of the function.

        Raises:
            ArgumentError: another name than one of C; an operation that C is not written for, by its name and the line
                of the function: a draw of random numbers, a function whose result has a shape that depends on values,
                most of `tapenet.scipy`'s special functions, a user's operation that is not made of NumPy's functions,
                arrays of float16 or longdouble.

        >>> program = tn.compile(lambda x: tnp.tanh(x) * 2).lower(np.ones(3, np.float32))
        >>> "int smooth(const float *x0, float *y0, unsigned char *work)" in program.to_c("smooth")
        True
        """
        return c_code.to_c(self, name, origins=self.origins, expanded=expanded).source

    def to_c_header(self, name: str = "program") -> str:
        """Return the text of a header for the function of `to_c`, which C and C++ include.

        Args:
            name: of the function.

        Raises:
            ArgumentError: as of `to_c`.

        >>> program = tn.compile(lambda x: tnp.tanh(x) * 2).lower(np.ones(3, np.float32))
        >>> "int smooth(const float *x0, float *y0, unsigned char *work);" in program.to_c_header("smooth")
        True
        """
        return c_code.to_c(self, name, origins=self.origins, expanded=expanded).header


def argument_paths(f: Callable[..., Any], call: tuple[Any, Any, Any], around: Sequence[Place]) -> list[str]:
    """Return the expressions that reach the leaves of a call in the function's own names.

    Args:
        f: the function.
        call: its arguments, keyword arguments and values around it.
        around: where these values are.
    """
    roots = {f"call[0][{i}]": name for i, name in enumerate(_positional(f, len(call[0])))}
    roots |= {f"call[1][{name!r}]": name for name in call[1]}
    roots |= {f"call[2][{i}]": place.name for i, place in enumerate(around)}
    found = []
    for path in leaf_paths_with_static(call, "call", none_is_leaf=True, in_order=True):
        root = re.match(r"call\[\d\]\[[^]]*\]", path)
        found.append(path if root is None else roots.get(root[0], root[0]) + path[root.end() :])
    return found


def _positional(f: Callable[..., Any], count: int) -> list[str]:
    """Return what a function calls so many positional arguments."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # of a function that does not tell
        return [f"args[{i}]" for i in range(count)]
    names = [x.name for x in parameters if x.kind in (x.POSITIONAL_ONLY, x.POSITIONAL_OR_KEYWORD)]
    rest = next((x.name for x in parameters if x.kind is x.VAR_POSITIONAL), "args")
    return [*names, *(f"{rest}[{i}]" for i in range(count - len(names)))][:count]
