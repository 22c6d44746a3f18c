"""Where libraries for derivatives differ or are quietly wrong, and what tapenet does there: one table.

`tests/docs/test_traps.py` runs each example; `docs/generate_traps.py` writes them down in `docs/guides/traps.md`.
"""

from __future__ import annotations

import textwrap

import attrs


@attrs.frozen
class Trap:
    """One trap.

    Attributes:
        title: what it is about.
        says: what tapenet does, and why.
        example: a doctest, in whose namespace np, tn, tnp, copy, math and pickle are.
    """

    title: str
    says: str = attrs.field(converter=lambda text: " ".join(text.split()))
    example: str = attrs.field(converter=lambda text: textwrap.dedent(text).strip())


SUBGRADIENTS = [
    Trap(
        "Ties of max and min",
        """`max`, `min`, `amax`, `ptp` split the gradient evenly among equal elements: the minimum-norm subgradient.
        `fmax`, `nanmax` and their like do so among those that are not NaN.""",
        """
        >>> tn.grad(tnp.max)(np.array([1.0, 3.0, 3.0]))
        array([0. , 0.5, 0.5])
        >>> tn.grad(tnp.nanmax)(np.array([np.nan, 3.0, 3.0]))
        array([0. , 0.5, 0.5])
        """,
    ),
    Trap(
        "maximum and minimum of equal values",
        """0.5 for each, whichever is watched, so that forward mode, reverse mode and the joint gradient agree;
        `maximum(x, x)` has derivative 1.""",
        """
        >>> tn.grad(tnp.maximum, (0, 1))(0.0, 0.0)
        (np.float64(0.5), np.float64(0.5))
        >>> tn.jvp(lambda x: tnp.maximum(x, 0), (0.0,), (1.0,))[1]
        np.float64(0.5)
        >>> tn.grad(lambda x: tnp.maximum(x, x))(1.0)
        np.float64(1.0)
        """,
    ),
    Trap(
        "relu at 0",
        "0: `tn.nn.relu` is an operation of its own, and not `maximum(x, 0)`.",
        """
        >>> tn.grad(tn.nn.relu)(0.0)
        np.float64(0.0)
        """,
    ),
    Trap(
        "abs at 0",
        "0, the minimum-norm subgradient; it equals sign(0).",
        """
        >>> tn.grad(abs)(0.0)
        np.float64(0.0)
        """,
    ),
    Trap(
        "clip at a bound",
        "0, at the bound and beyond it. (PyTorch chose 1 for long, so that a parameter at its bound can leave it.)",
        """
        >>> tn.grad(lambda x: tnp.sum(tnp.clip(x, 0, 1)))(np.array([0.0, 0.5, 1.0]))
        array([0., 1., 0.])
        """,
    ),
    Trap(
        "Ties of max_pool",
        "The first winner of a window takes all, unlike `max`: it is how such networks are trained.",
        """
        >>> tn.grad(lambda x: tnp.sum(tn.nn.max_pool(x, 2)))(np.ones((1, 2, 2, 1))).ravel()
        array([1., 0., 0., 0.])
        """,
    ),
    Trap(
        "sort with ties",
        "The derivative of the stable permutation.",
        """
        >>> tn.jvp(tnp.sort, (np.array([2.0, 1.0, 2.0]),), (np.array([1.0, 2.0, 3.0]),))[1]
        array([2., 1., 3.])
        """,
    ),
    Trap(
        "The median of an even count",
        "0.5 for each of the two in the middle; of equal elements those that a stable sort puts there.",
        """
        >>> tn.grad(tnp.median)(np.array([4.0, 1.0, 3.0, 2.0]))
        array([0. , 0. , 0.5, 0.5])
        >>> tn.grad(tnp.median)(np.array([1.0, 1.0, 1.0]))
        array([0., 1., 0.])
        """,
    ),
    Trap(
        "sign, floor, round",
        """0, which is the derivative wherever there is one. Where such a gradient would be a mistake,
        `tn.checks(constant=True)` raises for a source from which every path to the target is piecewise constant, and
        names the operations.""",
        """
        >>> tn.grad(tnp.floor)(1.5)
        np.float64(0.0)
        >>> with tn.checks(constant=True):
        ...     tn.grad(tnp.floor)(1.5)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: y must depend on x by a path that is not piecewise constant;
        got floor at ... on every path from %0, of shape (), so that its gradient is zero.
        """,
    ),
]

SINGULAR = [
    Trap(
        "sqrt at 0",
        "Infinity, which is right. Under `tn.checks()` it is an error that names the operation and the line.",
        """
        >>> tn.grad(tnp.sqrt)(0.0)
        np.float64(inf)
        >>> with tn.checks():
        ...     tn.grad(tnp.sqrt)(0.0)
        Traceback (most recent call last):
        tapenet.errors.NumericalError: sqrt: in the backward walk the cotangent by x must be finite for finite
        operands; got inf of shape (), float64, recorded at ... The derivative of tnp.sqrt at 0 is infinite. ...
        """,
    ),
    Trap(
        "norm at 0, std of equal values",
        "0, the minimum-norm subgradient, at every order from 1 on.",
        """
        >>> tn.grad(tnp.linalg.norm)(np.zeros(2))
        array([0., 0.])
        >>> [tn.grad(lambda x: tnp.linalg.norm(x, order))(np.zeros(2)).tolist() for order in (1, 1.5, 3, np.inf)]
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
        >>> tn.grad(tnp.std)(np.ones(3))
        array([0., 0., 0.])
        """,
    ),
    Trap(
        "hypot and arctan2 at (0, 0)",
        "0.",
        """
        >>> tn.grad(tnp.hypot, (0, 1))(0.0, 0.0)
        (np.float64(0.0), np.float64(0.0))
        >>> abs(tn.grad(tnp.arctan2)(0.0, 0.0))
        np.float64(0.0)
        """,
    ),
    Trap(
        "Second derivatives at such points",
        """NaN: where the first derivative is a convention (norm, std, hypot, arctan2 and |z| at 0), it has no
        derivative of its own, though the function of it may have one. The recipe is to write the smooth function: the
        sum of squares in place of the square of the norm. JAX and autograd give NaN too. Piecewise linear functions
        (abs, relu, maximum) have second derivative 0. `tn.checks()` names the operation.""",
        """
        >>> tn.hessian(lambda x: tnp.linalg.norm(x) ** 2)(np.zeros(2))
        array([[nan, nan],
               [nan, nan]])
        >>> tn.hessian(lambda x: tnp.sum(x * x))(np.zeros(2))
        array([[2., 0.],
               [0., 2.]])
        >>> tn.grad(tn.grad(abs))(0.0)
        np.float64(0.0)
        """,
    ),
    Trap(
        "norm where squares overflow or underflow",
        "The value is NumPy's, which may be infinite or 0. The derivative is right.",
        """
        >>> tn.value_and_grad(tnp.linalg.norm)(np.array([3e200, 4e200]))
        (np.float64(inf), array([0.6, 0.8]))
        """,
    ),
    Trap(
        "prod with zeros",
        "Exact, to every order, as in `cumprod`: nothing is divided by.",
        """
        >>> tn.grad(tnp.prod)(np.array([0.0, 2.0, 3.0]))
        array([6., 0., 0.])
        >>> tn.grad(tnp.prod)(np.array([0.0, 0.0, 3.0]))
        array([0., 0., 0.])
        >>> tn.grad(lambda x: tnp.sum(tnp.cumprod(x)))(np.array([0.0, 2.0, 3.0]))
        array([9., 0., 0.])
        """,
    ),
    Trap(
        "where, and a function that is infinite on the side not chosen",
        """NaN: `where` gives the side that is not chosen a gradient of 0, and 0 times the infinite derivative of that
        side is NaN. No library can tell it from a NaN that is meant. The recipe is a second `where` that keeps the
        argument harmless where it is not used. `tn.checks()` finds the place and shows the recipe.""",
        """
        >>> tn.grad(lambda x: tnp.where(x > 0, tnp.sqrt(x), 0))(0.0)
        np.float64(nan)
        >>> tn.grad(lambda x: tnp.where(x > 0, tnp.sqrt(tnp.where(x > 0, x, 1)), 0))(0.0)
        np.float64(0.0)
        >>> with tn.checks():
        ...     tn.grad(lambda x: tnp.where(x > 0, tnp.sqrt(x), 0))(0.0)
        Traceback (most recent call last):
        tapenet.errors.NumericalError: sqrt: in the backward walk the cotangent by x must be finite for finite
        operands; got nan of shape (), float64, recorded at ...
        """,
    ),
    Trap(
        "x ** 0. at 0, 0. ** y, x ** -0.5 at 0",
        "0 for the first two, as the functions are constant there; the third is infinite, and raises nothing.",
        """
        >>> tn.grad(lambda x: x**0.0)(0.0), tn.grad(lambda y: 0.0**y)(2.0), tn.grad(lambda x: x**-0.5)(0.0)
        (np.float64(0.0), np.float64(0.0), np.float64(-inf))
        """,
    ),
    Trap(
        "logaddexp(-inf, -inf)",
        "0.5 for each: the softmax of equal logits.",
        """
        >>> tn.grad(tnp.logaddexp, (0, 1))(-np.inf, -np.inf)
        (np.float64(0.5), np.float64(0.5))
        """,
    ),
    Trap(
        "nan_to_num at NaN and infinity",
        "0: what takes their place is a constant.",
        """
        >>> tn.grad(lambda x: tnp.sum(tnp.nan_to_num(x)))(np.array([1.0, np.nan, np.inf]))
        array([1., 0., 0.])
        """,
    ),
    Trap(
        "Repeated eigenvalues and singular values",
        """NaN for what depends on eigenvectors or singular vectors, which are not functions of the matrix there; exact
        for the sum of eigenvalues alone (`eigvalsh`, `svdvals`).""",
        """
        >>> bool(np.isnan(tn.grad(lambda a: tnp.sum(tnp.linalg.eigh(a)[1]))(np.eye(2))).any())
        True
        >>> tn.grad(lambda a: tnp.sum(tnp.linalg.eigvalsh(a)))(np.eye(2))
        array([[1., 0.],
               [0., 1.]])
        """,
    ),
    Trap(
        "Vectors of an isolated eigenvalue, where others repeat",
        "Their derivative exists, and both modes give it; likewise for singular vectors.",
        """
        >>> a, t = np.diag([4.0, 1.0, 1.0]), np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
        >>> f = lambda a: tnp.square(tnp.linalg.eigh(a)[1][0, 2] + tnp.linalg.eigh(a)[1][1, 2])
        >>> round(float(tn.jvp(f, (a,), (t,))[1]), 12), round(float(np.sum(tn.grad(f)(a) * t)), 12)
        (0.666666666667, 0.666666666667)
        """,
    ),
    Trap(
        "Matrices of which one triangle is read",
        """`cholesky`, `eigh` and `eigvalsh` read one triangle, and the derivative is with respect to what is read, as
        finite differences would find it: that of the other triangle is 0, and an element that is read stands for its
        mirror image too. JAX and PyTorch give a symmetric gradient: for that pass (a + a^H) / 2. Along symmetric
        directions, and for matrices computed as b @ b.T, there is no difference. `solve` and `inv` read all elements,
        and have the derivative of a general matrix, as in JAX and PyTorch.""",
        """
        >>> a = np.array([[4.0, 2.0], [2.0, 5.0]])
        >>> tn.grad(lambda a: tnp.sum(tnp.linalg.cholesky(a)))(a)
        array([[0.1875, 0.    ],
               [0.25  , 0.25  ]])
        >>> tn.grad(lambda a: tnp.sum(tnp.linalg.cholesky((a + a.T) / 2)))(a)
        array([[0.1875, 0.125 ],
               [0.125 , 0.25  ]])
        """,
    ),
    Trap(
        "A norm's order as a Tensor",
        "An error: no derivative by the order is given.",
        """
        >>> tn.grad(lambda p: tnp.linalg.norm(np.ones(3), p))(2.0)
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: norm: ord must be a plain number, as no derivative by it is given; got a
        Tensor of an open tape. Write tnp.sum(tnp.abs(x) ** p) ** (1 / p), or pass ord.value.
        """,
    ),
    Trap(
        "Far out",
        """Derivatives keep their digits over the whole range of the dtype, where others give 0 (1 - tanh(x)^2,
        y (1 - y)) or overflow (sqrt(x^2 + 1)). The guide on accuracy has the figures.""",
        """
        >>> [float(tn.grad(f)(x)) for f, x in ((tnp.tanh, 20.0), (tn.nn.sigmoid, 40.0), (tnp.arcsinh, 1e200))]
        [1.6993417021166355e-17, 4.248354255291589e-18, 1e-200]
        """,
    ),
    Trap(
        "Repeated fancy indices",
        "The gradient of an element that is read twice adds up; it is always a dense array.",
        """
        >>> tn.grad(lambda x: tnp.sum(x[[0, 0, 1]]))(np.ones(3))
        array([2., 1., 0.])
        """,
    ),
]

TYPES = [
    Trap(
        "Integer and boolean inputs",
        "An error that names the leaf and the cast: an integer has no small change.",
        """
        >>> tn.grad(lambda p: p["a"][0])({"a": [np.arange(3)]})
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: grad: args[0]['a'][0] must be float or complex; got a ndarray of shape (3,),
        int64. Cast it: args[0]['a'][0].astype(float).
        >>> tn.grad(lambda x: x)(3)
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: grad: args[0] must be float or complex; got int 3. Write float(args[0]).
        """,
    ),
    Trap(
        "float32 inputs with float64 constants",
        """The value has the dtype that NumPy gives it; the gradient has the dtype of its input. A Python scalar leaves
        float32 as it is, in the gradient too.""",
        """
        >>> y, dx = tn.value_and_grad(lambda x: tnp.sum(x * np.array([1.0, 2.0])))(np.ones(2, np.float32))
        >>> y.dtype, dx.dtype
        (dtype('float64'), dtype('float32'))
        >>> y, dx = tn.value_and_grad(lambda x: tnp.sum(x * 2.0))(np.ones(2, np.float32))
        >>> y.dtype, dx.dtype
        (dtype('float32'), dtype('float32'))
        """,
    ),
    Trap(
        "Every float",
        "float16 to longdouble and their complex kinds stay what they are.",
        """
        >>> kinds = [np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128, np.clongdouble]
        >>> all(tn.grad(lambda x: tnp.sum(tnp.sin(x) * x / 3).real)(np.ones(2, kind)).dtype == kind for kind in kinds)
        True
        """,
    ),
    Trap(
        "Scalars and arrays of shape ()",
        "A gradient has the type of its input: an array for an array, a NumPy scalar for a scalar.",
        """
        >>> [tn.grad(lambda x: x * x)(x) for x in (3.0, np.float32(3), np.array(3.0))]
        [np.float64(6.0), np.float32(6.0), array(6.)]
        """,
    ),
    Trap(
        "Object arrays, masked arrays, numpy.matrix",
        "An error: their arithmetic is not NumPy's.",
        """
        >>> tn.grad(lambda x: tnp.sum(x * np.array([1.0, 2.0], object)))(np.ones(2))
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: multiply: operands must be numeric; got float64, object.
        >>> tn.grad(lambda x: tnp.sum(x * np.ma.array([1.0, 2.0], mask=[0, 1])))(np.ones(2))
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: multiply: operands must not be masked; got ... Fill it first: x.filled(0.0).
        """,
    ),
    Trap(
        "Complex functions",
        """The convention of JAX and autograd: no conjugation, so that the gradient of |z|^2 is 2 conj(z), and
        `grad(lambda z: f(z).real)` is f'(z) for a holomorphic f. Descend along `conj` of it. (PyTorch and TensorFlow
        give the conjugate.)""",
        """
        >>> tn.grad(lambda z: abs(z) ** 2)(1 + 2j)
        np.complex128(2-4j)
        >>> tn.grad(lambda z: (z**2).real)(1 + 2j)
        np.complex128(2+4j)
        """,
    ),
    Trap(
        "sign of complex numbers",
        "NumPy's z / |z|, and the derivative of that; at 0 it has none, NaN.",
        """
        >>> tn.grad(lambda z: tnp.real(tnp.sign(z)))(2j)
        np.complex128(0.5+0j)
        """,
    ),
    Trap(
        "Complex numbers in networks",
        """The complex answer of the formula where there is one (dense, conv, avg_pool, sigmoid, silu, tanh, softmax,
        layer_norm, batch_norm, mean_squared_error, huber); where a function compares numbers, an error.""",
        """
        >>> tn.nn.layer_norm(np.array([1j, -1j]), eps=0.0)
        array([ 0.+1.j, -0.-1.j])
        >>> tn.nn.relu(np.array([1j]))
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: relu: x must be real; got complex128. Apply it to x.real and x.imag, or
        to abs(x).
        """,
    ),
    Trap(
        "Normalization and losses of float16",
        """Means, variances and losses are computed in float32 and rounded once, as in PyTorch and JAX: squares of
        float16 overflow from 256 on, and it counts no further than 65,504. The statistics of `batch_norm` are
        float32.""",
        """
        >>> tn.nn.layer_norm(np.array([-800, 0, 800, 1200], np.float16))
        array([-1.432 , -0.3906,  0.651 ,  1.172 ], dtype=float16)
        """,
    ),
    Trap(
        "Complex targets",
        "An error with the ways out.",
        """
        >>> tn.grad(lambda z: z**2)(1 + 2j)
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: grad: y must be real; got complex128. Differentiate y.real or y.imag, or pass
        a cotangent to vjp.
        """,
    ),
    Trap(
        "Broadcasting",
        "The gradient is summed over every axis along which its input was broadcast, new leading ones too.",
        """
        >>> tn.grad(lambda x: tnp.sum(tnp.broadcast_to(x, (4, 2))))(np.ones(2))
        array([4., 4.])
        >>> tn.grad(lambda x: tnp.sum(x * np.ones((3, 2))))(np.ones((3, 1)))
        array([[2.],
               [2.],
               [2.]])
        """,
    ),
]

CONNECTIONS = [
    Trap(
        "A target that is not a scalar",
        "An error, for shape (1,) too; nothing is summed silently.",
        """
        >>> with tn.GradientTape() as tape:
        ...     x = tape.watch(np.ones(1))
        ...     y = x * 2
        >>> tape.gradient(y, x)
        Traceback (most recent call last):
        tapenet.errors.ArgumentError: tape.gradient: y must be a scalar, of shape (); got shape (1,).
        Pass output_gradients=, or take tape.jacobian(y, x), or sum it first: y.sum(). Or take its element: y[0].
        """,
    ),
    Trap(
        "A source that the target does not depend on",
        """Functional transforms give zeros. The tape raises, and names the leaves; `unconnected="zero"` or `"none"` if
        it is meant.""",
        """
        >>> tn.grad(lambda x: 3.0)(1.0)
        np.float64(0.0)
        >>> with tn.GradientTape() as tape:
        ...     p = tape.watch({"a": 1.0, "b": 2.0})
        ...     y = p["a"] * 2
        >>> tape.gradient(y, p)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: there is no differentiable path from x['b'] to y. For sources
        that y does not depend on, pass unconnected='zero' or 'none'.
        >>> tape.gradient(y, p, unconnected="none")
        {'a': np.float64(2.0), 'b': None}
        """,
    ),
    Trap(
        "A target that no watched value reaches",
        "An error that says which it is: never watched, no differentiable path, computed after the tape closed, or a "
        "Tensor of another tape.",
        """
        >>> with tn.GradientTape() as tape:
        ...     x = tape.watch(np.array([1.0, 2.0]))
        >>> tape.gradient(np.float64(3.0), x)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: y was never watched: it is a float64 of shape (), float64,
        and was not computed from values on this tape. Use what tape.watch returned: x = tape.watch(x0).
        >>> tape.gradient(tnp.argmax(x), x)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: y has no differentiable path to x: it is a int64 of shape (),
        int64, and comparisons, argmax and other functions without a derivative give plain arrays.
        >>> tape.gradient(tnp.sum(x), x)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: y was computed after the tape closed: it is a float64 of shape
        (), float64, and operations outside the `with` block are not recorded. Move them into the block.
        >>> with tn.GradientTape() as other:
        ...     y = other.watch(1.0) * 2
        >>> tape.gradient(y, x)
        Traceback (most recent call last):
        tapenet.errors.UnconnectedError: tape.gradient: y is a Tensor of another tape.
        """,
    ),
    Trap(
        "argmax and comparisons",
        "Plain arrays that no tape knows; as the target of `grad` an error.",
        """
        >>> tn.grad(lambda x: tnp.argmax(x))(np.array([1.0, 2.0]))
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: grad: y must be floating; got int64.
        """,
    ),
]

CONVERSIONS = [
    Trap(
        "float(x), math.sin(x), int(x), x as an index",
        "An error while the tape is open, with what to write; afterwards a Tensor converts freely.",
        """
        >>> tn.grad(lambda x: math.sin(x))(1.0)
        Traceback (most recent call last):
        tapenet.errors.ConversionError: float(x): x is a Tensor of an open tape, and the conversion would drop it off
        the tape. Write x.value for the number alone, tn.stop_gradient(x) for a constant in the computation, or a
        function of tapenet.numpy (tnp.sin(x), tnp.stack([x, y])) to stay on the tape.
        >>> tn.grad(lambda x: [1.0, 2.0][x])(1.0)
        Traceback (most recent call last):
        tapenet.errors.ConversionError: using x as an index: x is a Tensor of an open tape, ...
        >>> with tn.GradientTape() as tape:
        ...     x = tape.watch(2.0)
        >>> float(x), math.sqrt(x * 2)
        (2.0, 2.0)
        """,
    ),
    Trap(
        "numpy.asarray(x), numpy.array([x, x])",
        "An error while the tape is open: NumPy would drop the tape. `tnp.array`, `tnp.stack` and `np.stack` collect.",
        """
        >>> tn.grad(lambda x: np.array([x, x]).sum())(1.0)
        Traceback (most recent call last):
        tapenet.errors.ConversionError: numpy.asarray(x): x is a Tensor of an open tape, ...
        >>> tn.grad(lambda x: tnp.array([x, x]).sum())(1.0), tn.grad(lambda x: np.stack([x, x]).sum())(1.0)
        (np.float64(2.0), np.float64(2.0))
        """,
    ),
    Trap(
        "buffer[0] = x",
        """NumPy cannot put a Tensor into an array. What it says itself is about sequences; the error it comes from is
        ours, and is shown above it. Collect a list and `tnp.stack` it, or write `buffer = tn.at(buffer)[0].set(x)`.""",
        """
        >>> def fill(x):
        ...     buffer = np.zeros(2)
        ...     buffer[0] = x
        ...     return buffer.sum()
        >>> tn.grad(fill)(1.0)
        Traceback (most recent call last):
        ValueError: setting an array element with a sequence.
        >>> try:
        ...     tn.grad(fill)(1.0)
        ... except ValueError as error:
        ...     print(type(error.__cause__).__name__)
        ConversionError
        >>> tn.grad(lambda x: tn.at(np.zeros(2))[0].set(x).sum())(1.0)
        np.float64(1.0)
        """,
    ),
    Trap(
        "x[0] = 1, x.sort(), out=x",
        "An error with the line to write: a Tensor is a value.",
        """
        >>> def assign(x):
        ...     x[0] = 1.0
        >>> tn.grad(assign)(np.ones(2))
        Traceback (most recent call last):
        tapenet.errors.AssignmentError: x[0] = ...: a Tensor is a value and never changes. Write x = x.at[0].set(...),
        or .add(...) or .multiply(...).
        >>> tn.grad(lambda x: np.add(x, 1, out=np.zeros(2)).sum())(np.ones(2))
        Traceback (most recent call last):
        tapenet.errors.ArgumentTypeError: add: out= must not be given with a Tensor, which is a value and never
        changes. Write y = add(...), and a = a + x in place of a += x.
        """,
    ),
    Trap(
        "x += 1 inside of a function",
        "Binds the name to a new value: the caller's array stays as it is.",
        """
        >>> def f(x):
        ...     x += 1
        ...     return tnp.sum(x * x)
        >>> x0 = np.ones(2)
        >>> tn.grad(f)(x0), x0
        (array([4., 4.]), array([1., 1.]))
        """,
    ),
    Trap(
        "copy and deepcopy",
        "The same value on the tape.",
        """
        >>> tn.grad(lambda x: copy.copy(x) * x + copy.deepcopy([x])[0] * x)(3.0)
        np.float64(12.0)
        """,
    ),
    Trap(
        "pickle",
        "An error while the tape is open; afterwards the plain value is pickled.",
        """
        >>> tn.grad(lambda x: pickle.dumps(x))(1.0)
        Traceback (most recent call last):
        tapenet.errors.PicklingError: pickle: x is a Tensor of an open tape, and a tape does not travel. Pickle x.value,
        or leave the tape's block first.
        >>> with tn.GradientTape() as tape:
        ...     x = tape.watch(2.0)
        >>> pickle.loads(pickle.dumps(x * 3))
        np.float64(6.0)
        """,
    ),
    Trap(
        "full_like",
        "Differentiates by the value that fills.",
        """
        >>> tn.grad(lambda x: tnp.full_like(np.zeros(3), x).sum())(2.0)
        np.float64(3.0)
        """,
    ),
]

MEMORY = [
    Trap(
        "An array that changes between recording and walking",
        """A tape holds the arrays it was given, and copies none. Under `tn.checks()` a walk raises for any element that
        has changed, of what was watched and of what was captured.""",
        """
        >>> w = np.ones(2)
        >>> with tn.checks():
        ...     with tn.GradientTape() as tape:
        ...         x = tape.watch(np.ones(2))
        ...         y = tnp.sum(x * w)
        ...     w[1] = 5.0
        ...     tape.gradient(y, x)
        Traceback (most recent call last):
        tapenet.errors.MutationError: multiply: y, of shape (2,), must not change between recording and walking; it was
        recorded at ... and has changed since. Write into a copy instead, or record after the last change.
        """,
    ),
    Trap(
        "Values that are read off the tape",
        "Read-only: writing into them would change what the tape holds.",
        """
        >>> def f(x):
        ...     h = x * x
        ...     tn.stop_gradient(h)[0] = 7.0
        ...     return tnp.sum(h)
        >>> tn.grad(f)(np.ones(2))
        Traceback (most recent call last):
        ValueError: assignment destination is read-only
        """,
    ),
    Trap(
        "Gradients that share memory",
        "None do: each is a writable array of its own, and the next walk does not see what was written into it.",
        """
        >>> with tn.GradientTape() as tape:
        ...     a, b = tape.watch((np.ones(2), np.ones(2)))
        ...     y = tnp.sum(a + b)
        >>> da, db = tape.gradient(y, (a, b))
        >>> da[:] = 0
        >>> db, tape.gradient(y, a)
        (array([1., 1.]), array([1., 1.]))
        """,
    ),
]

CONTROL_FLOW = [
    Trap(
        "if and while on values",
        "Python decides, and the branch that was taken is differentiated.",
        """
        >>> tn.grad(lambda x: x * x if x > 0 else -x)(-3.0)
        np.float64(-1.0)
        """,
    ),
    Trap(
        "Branches in a replay",
        "A replay reads again what was read, and raises where a guard fails; `otherwise=f` runs f instead.",
        """
        >>> f = lambda x: x * x if x > 0 else -x
        >>> with tn.GradientTape() as tape:
        ...     x = tape.watch(3.0)
        ...     y = f(x)
        >>> tape.replay(4.0, y)
        np.float64(16.0)
        >>> tape.replay(-4.0, y)
        Traceback (most recent call last):
        tapenet.errors.ReplayError: tape.replay: greater at ... must give what it gave when it was recorded; got False
        in place of True. The program may go another way for these inputs: record it again, or pass otherwise=f to run
        f on them.
        >>> tape.replay(-4.0, y, otherwise=f)
        4.0
        """,
    ),
    Trap(
        "Branches under vmap",
        "An error with the line: there is one value for each example.",
        """
        >>> tn.vmap(lambda x: x * x if x > 0 else -x)(np.ones(2))
        Traceback (most recent call last):
        tapenet.errors.MappedValueError: vmap: if x: needs one value, at ...; got x of a mapped function, which has one
        for each example. Write tnp.where(condition, a, b) for a branch, tn.at(a)[x].get() for an element of an array a,
        and functions of tapenet.numpy for the rest.
        """,
    ),
]

SECTIONS = {
    "Kinks and jumps": SUBGRADIENTS,
    "Singular points": SINGULAR,
    "Types, dtypes and shapes": TYPES,
    "Targets and sources": CONNECTIONS,
    "Conversions and assignment": CONVERSIONS,
    "Memory": MEMORY,
    "Control flow": CONTROL_FLOW,
}
