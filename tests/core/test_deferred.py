"""Arrays that are computed once they are read."""

import numpy as np

from tapenet.core.deferred import Deferred, as_read

FLOAT = np.dtype(float)


def _deferred(function, *operands):
    return Deferred((3,), FLOAT, operands, function)


def test_a_value_is_computed_once_it_is_read_and_not_again():
    calls = []

    def function(values):
        calls.append(values)
        return np.add(*values)

    x = _deferred(function, np.ones(3), 2.0)
    assert (x.shape, x.dtype, x.nbytes, calls) == ((3,), FLOAT, 24, [])
    assert x.read() is x.read()
    np.testing.assert_array_equal(as_read(x), np.full(3, 3.0))
    assert len(calls) == 1
    assert x.operands == ()


def test_a_long_chain_is_read_without_recursion():
    x = _deferred(lambda values: values[0], np.zeros(3))
    middle = None
    for i in range(5000):
        x = _deferred(lambda values: values[0] + values[1], x, 1.0)
        middle = x if i == 2499 else middle
    np.testing.assert_array_equal(x.read(), np.full(3, 5000.0))
    np.testing.assert_array_equal(middle.value, np.full(3, 2500.0))


def test_a_value_that_two_read_is_computed_once():
    calls = []
    first = _deferred(lambda values: calls.append(1) or values[0] * 2.0, np.ones(3))
    second = _deferred(lambda values: values[0] + values[1], first, first)
    np.testing.assert_array_equal(_deferred(lambda values: values[0] - values[1], second, first).read(), 2 * np.ones(3))
    assert calls == [1]


def test_what_is_not_deferred_is_read_as_it_is():
    x = np.ones(3)
    assert as_read(x) is x
    assert as_read(None) is None
