"""The tape: when it records, what it can be asked, and what it says when it cannot answer."""

import re
import threading

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentError, ArgumentTypeError, TapeStateError, UnconnectedError

X = np.array([1.0, 2.0])


def raises(kind, text):
    return pytest.raises(kind, match=re.escape(text))


def gradient_of(f, x0=X, **options):
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
        y = f(x)
    return tape.gradient(y, x, **options)


def test_gradient_of_the_docs_example():
    np.testing.assert_allclose(gradient_of(lambda x: tnp.sum(tnp.sin(x) * x)), np.cos(X) * X + np.sin(X))


def test_tape_cannot_be_entered_twice():
    tape = tn.GradientTape()
    with tape, raises(TapeStateError, "got one that is open"), tape:
        pass
    with raises(TapeStateError, "got one that is closed"), tape:
        pass


def test_watch_outside_the_block_raises():
    tape = tn.GradientTape()
    with raises(TapeStateError, "got one that was not entered"):
        tape.watch(X)
    with tape:
        pass
    with raises(TapeStateError, "got one that has closed"):
        tape.watch(X)


def test_operations_after_closing_record_nothing_and_give_arrays():
    with tn.GradientTape() as tape:
        x = tape.watch(X)
    y = tnp.exp(x) + x
    assert type(y) is np.ndarray
    assert len(tape.records) == 1


def test_gradient_may_be_taken_often_and_answers_alike():
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.sum(x**3)
    first = tape.gradient(y, x)
    first[:] = 0
    np.testing.assert_array_equal(tape.gradient(y, x), 3 * X**2)


def test_gradient_inside_the_block_is_recorded_to_any_order():
    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        first = tape.gradient(x**4, x)
        second = tape.gradient(first, x)
        third = tape.gradient(second, x)
    assert type(second) is tn.Tensor
    assert (first.value, second.value, tape.gradient(second, x), tape.gradient(third, x)) == (32, 48, 48, 24)


def test_jvp_inside_the_block_is_recorded():
    with tn.GradientTape() as tape:
        x = tape.watch(2.0)
        dot = tape.jvp(x**3, x, 1.0)
    assert tape.gradient(dot, x) == 12.0


def test_sources_may_be_intermediates():
    with tn.GradientTape() as tape:
        x = tape.watch(3.0)
        h = x * x
        y = h * h + x
    assert tape.gradient(y, [h, x]) == [18.0, 109.0]
    assert tape.jvp(y, h, 1.0) == 18.0


def test_the_same_leaf_twice_gets_the_same_gradient_in_separate_arrays():
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.sum(x * x)
    first, second = tape.gradient(y, (x, x))
    np.testing.assert_array_equal(first, second)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(tape.jvp(y, (x, x), (X, X)), 2 * 2 * X @ X)


def test_watching_a_tensor_of_the_same_tape_gives_it_back():
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        assert tape.watch(x) is x


def test_target_may_be_the_source():
    assert gradient_of(lambda x: x, 3.0) == 1.0


def unconnected(**options):
    with tn.GradientTape() as tape:
        p = tape.watch({"a": X, "b": [1.0, np.float32(2)], "c": np.array(1.0)})
        y = tnp.sum(p["a"])
    return tape.gradient(y, p, **options)


def test_unconnected_error_lists_all_unreached_leaves():
    with raises(UnconnectedError, "no differentiable path from x['b'][0], x['b'][1], x['c'] to y"):
        unconnected()


def test_unconnected_zero_gives_zeros_of_each_leafs_type():
    found = unconnected(unconnected="zero")
    assert type(found["b"][0]) is np.float64
    assert type(found["b"][1]) is np.float32
    assert found["c"].shape == ()
    assert found["b"] + [found["c"]] == [0, 0, 0]


def test_unconnected_none_gives_none():
    found = unconnected(unconnected="none")
    assert (found["b"], found["c"]) == ([None, None], None)


def test_unconnected_takes_no_other_value():
    with raises(ArgumentError, "must be 'error', 'zero' or 'none'; got 'zeros'"):
        unconnected(unconnected="zeros")


@pytest.mark.parametrize(
    ("f", "text"),
    [
        (lambda x: 3.0, "y was never watched: it is float 3.0"),
        (lambda x: tnp.sum(x).value, "y was never watched"),
        (lambda x: tn.stop_gradient(tnp.sum(x)), "y was never watched"),
        (lambda x: tnp.argmax(x), "y has no differentiable path to x"),
        (lambda x: (x > 1).any(), "y has no differentiable path to x"),
    ],
)
def test_target_off_the_tape_says_why(f, text):
    with raises(UnconnectedError, text):
        gradient_of(f)


def test_target_computed_after_the_tape_closed_says_so():
    with tn.GradientTape() as tape:
        x = tape.watch(X)
    with raises(UnconnectedError, "y was computed after the tape closed"):
        tape.gradient(tnp.sum(x), x)


def test_target_of_another_tape_says_so():
    with tn.GradientTape() as other:
        y = other.watch(1.0) * 2
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
    with raises(UnconnectedError, "y is a Tensor of another tape"):
        tape.gradient(y, x)
    with raises(UnconnectedError, "x is a Tensor of another tape"):
        other.gradient(y, x)


def test_source_that_was_never_watched_is_named():
    with tn.GradientTape() as tape:
        y = tnp.sum(tape.watch(X))
    with raises(UnconnectedError, "x['a'] was never watched; got a ndarray of shape (2,), float64"):
        tape.gradient(y, {"a": X})


@pytest.mark.parametrize("shape", [(2,), (1,), (1, 1), (0,)])
def test_target_that_is_not_a_scalar_names_the_ways_out(shape):
    with pytest.raises(ArgumentError) as caught:
        gradient_of(lambda x: x * 2, np.ones(shape))
    for text in (f"got shape {shape}", "output_gradients=", "jacobian", ".sum()"):
        assert text in str(caught.value)


def test_complex_target_names_the_ways_out():
    with raises(ArgumentTypeError, "y must be real; got complex128. Differentiate y.real"):
        gradient_of(lambda x: tnp.sum(x) * 1j)


def test_output_gradients_weigh_a_pytree_of_targets():
    ones = {"a": np.ones(2), "b": 3.0}
    found = gradient_of(lambda x: {"a": x * x, "b": x[0]}, output_gradients=ones)
    np.testing.assert_array_equal(found, [5, 4])
    np.testing.assert_array_equal(ones["a"], 1)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"a": X}, ArgumentError, "output_gradients must have the structure of y"),
        ({"a": X, "b": X}, ArgumentError, "output_gradients['b'] must have shape (), as y; got (2,)"),
        ({"a": 1j * X, "b": 1.0}, ArgumentTypeError, "output_gradients['a'] must be real"),
        ({"a": np.array(["u", "v"]), "b": 1.0}, ArgumentTypeError, "must be numeric; got <U1"),
    ],
)
def test_output_gradients_are_checked(given, kind, text):
    with raises(kind, text):
        gradient_of(lambda x: {"a": x * 2, "b": x[0]}, output_gradients=given)


def test_jvp_gives_zeros_where_the_target_does_not_depend_on_the_source():
    with tn.GradientTape() as tape:
        x, w = tape.watch((X, 2.0))
        y = (x * 2, w * 3, 5.0)
    along, still, constant = tape.jvp(y, x, X)
    np.testing.assert_array_equal(along, 2 * X)
    assert (still, constant) == (0, 0)
    with raises(ArgumentError, "tangents must have shape (2,), as x; got ()"):
        tape.jvp(y, x, 1.0)


def test_jvp_has_the_type_of_its_target():
    with tn.GradientTape() as tape:
        x = tape.watch(0.0)
        y = tnp.maximum(x, 0)
    assert type(tape.jvp(y, x, 1.0)) is type(y.value) is np.float64


def test_an_error_in_the_block_closes_the_tape_and_reaches_the_user():
    tape = tn.GradientTape()
    watched = []

    def interrupted():
        with tape:
            watched.append(tape.watch(X))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    (x,) = watched
    assert not tape.is_open
    assert type(x + 1) is np.ndarray
    assert tn.grad(lambda x: x * x)(3.0) == 6.0


def test_threads_do_not_meet():
    found = [None] * 8

    def work(k):
        for _ in range(50):
            found[k] = gradient_of(lambda x: tnp.sum(x**2) * k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_array_equal(found[k], 2 * k * X)
