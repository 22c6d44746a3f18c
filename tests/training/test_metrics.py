"""Metrics against scikit-learn's, on drawn examples, with ties and classes that do not come; edges and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.training import (
    accuracy,
    auc,
    confusion_matrix,
    f1,
    perplexity,
    precision,
    r2,
    recall,
    top_k,
)


@pytest.fixture(scope="module")
def sklearn_metrics():
    return pytest.importorskip("sklearn.metrics")


SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(1, 30)
DRAWN = settings(max_examples=40, deadline=None)


def drawn(seed, count, classes, ties=False):
    """Scores and labels; with ties the scores are of a few values."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, size=(count, classes)) / 2 if ties else rng.normal(size=(count, classes))
    return scores, rng.integers(0, classes, size=count)


@DRAWN
@given(seed=SEEDS, count=COUNTS, classes=st.integers(2, 6))
def test_classes(sklearn_metrics, seed, count, classes):
    scores, labels = drawn(seed, count, classes)
    read = scores.argmax(axis=1)
    expected = sklearn_metrics.confusion_matrix(labels, read, labels=range(classes))
    np.testing.assert_array_equal(confusion_matrix(scores, labels), expected)
    np.testing.assert_array_equal(confusion_matrix(read, labels, classes), expected)
    for outputs in (scores, read):
        assert accuracy(outputs, labels) == sklearn_metrics.accuracy_score(labels, read)
        for mine, theirs in (
            (precision, sklearn_metrics.precision_score),
            (recall, sklearn_metrics.recall_score),
            (f1, sklearn_metrics.f1_score),
        ):
            for average in ("macro", "micro", "weighted", "none"):
                wanted = theirs(labels, read, average=None if average == "none" else average, zero_division=0)
                np.testing.assert_allclose(mine(outputs, labels, average), wanted, rtol=1e-12)


@DRAWN
@given(seed=SEEDS, count=COUNTS, classes=st.integers(3, 6), ties=st.booleans(), data=st.data())
def test_top_k(sklearn_metrics, seed, count, classes, ties, data):
    scores, labels = drawn(seed, count, classes, ties)
    k = data.draw(st.integers(1, classes - 1))
    expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(classes))
    assert top_k(scores, labels, k) == pytest.approx(expected, rel=1e-12)
    assert top_k(scores, labels, classes + 3) == 1.0


@DRAWN
@given(seed=SEEDS, count=st.integers(2, 30), ties=st.booleans())
def test_auc_of_two_classes(sklearn_metrics, seed, count, ties):
    scores, labels = drawn(seed, count, 1, ties)
    labels = np.random.default_rng(seed).permutation(np.arange(count) % 2)
    np.testing.assert_allclose(auc(scores[:, 0], labels), sklearn_metrics.roc_auc_score(labels, scores[:, 0]))


@DRAWN
@given(seed=SEEDS, count=st.integers(6, 30), classes=st.integers(3, 4), ties=st.booleans())
def test_auc_of_several_classes(sklearn_metrics, seed, count, classes, ties):
    scores, _ = drawn(seed, count, classes, ties)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = np.random.default_rng(seed).permutation(np.arange(count) % classes)
    expected = sklearn_metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
    np.testing.assert_allclose(auc(probabilities, labels), expected)


@DRAWN
@given(seed=SEEDS, count=st.integers(2, 30), columns=st.integers(0, 3))
def test_r2(sklearn_metrics, seed, count, columns):
    rng = np.random.default_rng(seed)
    shape = (count, columns) if columns else (count,)
    targets, outputs = rng.normal(size=shape), rng.normal(size=shape)
    np.testing.assert_allclose(r2(outputs, targets), sklearn_metrics.r2_score(targets, outputs), rtol=1e-9)


@pytest.mark.parametrize("outputs", [[1.0, 1.0], [1.0, 2.0]])
def test_r2_of_targets_that_do_not_vary(sklearn_metrics, outputs):
    targets = np.array([1.0, 1.0])
    assert r2(np.array(outputs), targets) == sklearn_metrics.r2_score(targets, outputs)


@DRAWN
@given(seed=SEEDS, count=COUNTS, classes=st.integers(2, 6))
def test_perplexity(sklearn_metrics, seed, count, classes):
    scores, labels = drawn(seed, count, classes)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = np.exp(sklearn_metrics.log_loss(labels, probabilities, labels=range(classes)))
    np.testing.assert_allclose(perplexity(scores, labels), expected, rtol=1e-10)


def test_more_axes_are_more_examples(rng):
    scores, labels = rng.normal(size=(4, 5, 3)), rng.integers(0, 3, size=(4, 5))
    for metric in (accuracy, top_k, confusion_matrix, precision, recall, f1, perplexity):
        np.testing.assert_allclose(
            metric(scores, labels), metric(scores.reshape(20, 3), labels.reshape(20)), rtol=1e-12
        )


def test_of_equal_scores_the_first_is_read():
    assert accuracy(np.array([[1.0, 1.0]]), np.array([0])) == 1.0


def test_results_are_python_numbers(rng):
    scores, labels = rng.normal(size=(6, 2)).astype(np.float32), np.arange(6) % 2
    for metric in (accuracy, top_k, precision, recall, f1, auc, perplexity):
        assert type(metric(scores, labels)) is float
    assert type(r2(scores, scores)) is float


# ---- errors ----

LABELS = np.array([0, 1])
SCORES = np.array([[0.1, 0.9], [0.8, 0.2]])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: accuracy(SCORES, [0, 2]),
            ArgumentError,
            "accuracy: labels must be from 0 to 1; got 2.",
        ),
        (lambda: accuracy(SCORES, [0, -1]), ArgumentError, "accuracy: labels must be from 0 to 1; got -1."),
        (
            lambda: accuracy(SCORES, [0, 1, 1]),
            ArgumentError,
            "accuracy: labels must have shape (2,), as the outputs say; got (3,).",
        ),
        (
            lambda: accuracy(SCORES, [0.0, 1.0]),
            ArgumentTypeError,
            "accuracy: labels must be integers; got a ndarray of shape (2,), float64.",
        ),
        (
            lambda: accuracy(SCORES * np.nan, LABELS),
            ArgumentError,
            "accuracy: outputs must not hold NaN; got 4 of 4.",
        ),
        (
            lambda: f1(np.zeros((0, 3)), np.zeros(0, int)),
            ArgumentError,
            "f1: outputs must hold at least one example; got shape (0, 3).",
        ),
        (
            lambda: top_k(np.array([0.5, 0.2]), LABELS),
            ArgumentError,
            "top_k: outputs must have shape (..., C), with scores of classes; got (2,).",
        ),
        (
            lambda: auc(np.array([0.5, 0.2]), [1, 1]),
            ArgumentError,
            "auc: labels must hold class 1 and others; got 2 of it and 0 others.",
        ),
        (
            lambda: auc(np.ones((2, 2, 2)), LABELS),
            ArgumentError,
            "auc: outputs must have shape (N,) or (N, C); got (2, 2, 2).",
        ),
        (
            lambda: r2(np.ones(3), np.ones((3, 1))),
            ArgumentError,
            "r2: outputs must have the shape of targets, (N,) or (N, D); got (3,) and (3, 1).",
        ),
        (lambda: r2(np.ones(1), np.ones(1)), ArgumentError, "r2: targets must hold at least 2 examples; got 1."),
        (
            lambda: confusion_matrix(LABELS, LABELS, 1),
            ArgumentError,
            "confusion_matrix: num_classes must be at least 2, as many as came; got 1.",
        ),
        (
            lambda: precision(LABELS, LABELS, "binary"),
            ArgumentError,
            "precision: average must be 'macro', 'micro', 'weighted' or 'none'; got 'binary'.",
        ),
        (
            lambda: accuracy(SCORES * 1j, LABELS),
            ArgumentTypeError,
            "accuracy: outputs must be real; got complex128. Apply it to outputs.real and outputs.imag, or to "
            "abs(outputs).",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text


def test_a_tensor_is_refused():
    with tn.GradientTape() as tape, pytest.raises(ArgumentTypeError, match=r"Write outputs\.value"):
        accuracy(tape.watch(SCORES), LABELS)
