"""One and arrays of it, which walks share."""

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.ones import is_repeated_one, one, repeated


def test_arrays_of_one_are_known_by_identity() -> None:
    x = repeated(one(np.dtype(np.float32)), (2, 3))
    np.testing.assert_array_equal(x, np.ones((2, 3), np.float32))
    assert (x.dtype, x.strides, x.flags.writeable) == (np.float32, (0, 0), False)
    assert is_repeated_one(x)
    assert is_repeated_one(x[0])
    assert repeated(np.float64(1.0), (2,)) is None
    assert repeated(np.ones(()), (2,)) is None
    for other in (
        np.ones(3),
        np.broadcast_to(1.0, (3,)),
        np.broadcast_to(np.ones(()), (3,)),
        1.0,
        one(np.dtype(float)),
    ):
        assert not is_repeated_one(other)


def test_gradients_are_arrays_of_their_own() -> None:
    for f in (tnp.sum, lambda x: tnp.sum(x, keepdims=True)[0, 0]):
        gradient = tn.grad(f)(np.zeros((2, 3)))
        gradient[0] = 5.0
        np.testing.assert_array_equal(tn.grad(f)(np.zeros((2, 3))), np.ones((2, 3)))


def test_a_compiled_gradient_of_a_sum_needs_one_recording_and_holds_no_array() -> None:
    step = tn.compile(tn.grad(lambda x: tnp.sum(tnp.sin(x) * x)))
    x = np.linspace(0.0, 1.0, 50)
    for _ in range(3):
        np.testing.assert_allclose(step(x), np.cos(x) * x + np.sin(x), rtol=1e-14)
    (program,) = step.programs
    assert not any(x.strides != (0,) for x in program.constants.values() if isinstance(x, np.ndarray))
    gradient = tn.compile(tn.grad(tnp.sum))
    for _ in range(2):
        ones = gradient(x)
        ones[:] = 7.0
        np.testing.assert_array_equal(gradient(x), np.ones(50))


def test_a_repeated_number_that_changes_is_found() -> None:
    state = iter([1.0, 2.0, 3.0, 4.0])

    def f(x):
        return x * np.broadcast_to(np.float64(next(state)), x.shape)

    step = tn.compile(f)
    with pytest.warns(tn.errors.CompileWarning, match="advances the iterator|differs at each call"):
        found = [float(step(np.ones(3))[0]) for _ in range(4)]
    assert found == [1.0, 2.0, 3.0, 4.0]
