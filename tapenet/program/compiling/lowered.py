"""`Lowered`: the program of some arguments, as `lower` gives it to users."""

from __future__ import annotations

import attrs

from tapenet.program.backends import c_code
from tapenet.program.compiling.expanding import expanded
from tapenet.program.instructions import Program


@attrs.frozen(eq=False, repr=False)
class Lowered(Program):
    """A program that can be printed, and written in C."""

    @classmethod
    def of(cls, program: Program) -> Lowered:
        """Return a program as one of this class."""
        return cls(**attrs.asdict(program, recurse=False))

    def to_c(self, name: str = "program") -> str:
        """Return the text of a file in C99 with one function that computes the program, without any allocation.

        The function takes the inputs in the order of `print(program)`, pointers to arrays in C order and numbers by
        value, then pointers to the results, and memory to work in, as many bytes as the macro NAME_WORK_BYTES says.
        It returns 0; 1 where a guard failed, or a mask as an index holds more or less often than it did; 2 where an
        index was out of bounds; 3 where a matrix is singular, or not positive definite. Results are equal to the
        program's to rounding; places of equal elements that `argsort` gives are in their order.

        Args:
            name: of the function.

        Raises:
            ArgumentError: the program draws random numbers, or has an operation other than elementwise ones, products
                of matrices and stacks of them, slices and other moves, elements at indices, reductions, running sums
                and products, softmax, convolutions and pools, orders and places of extrema, Cholesky factors, inverses
                and solutions of linear equations, Fourier transforms; or of complex numbers one that is none of the
                elementwise, moves, sums, products and transforms.

        >>> program = tn.compile(lambda x: tnp.tanh(x) * 2).lower(np.ones(3, np.float32))
        >>> "int smooth(const float *x0, float *y0, unsigned char *work)" in program.to_c("smooth")
        True
        """
        return c_code.to_c(self, name, expanded)
