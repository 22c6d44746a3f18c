"""Distances of pairs and rotations on a tape: SciPy's values, derivatives, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.spatial.distance
from scipy.spatial.transform import Rotation as Theirs

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import spatial
from tapenet.scipy.spatial import distance
from tapenet.scipy.spatial.metrics import METRICS
from tapenet.scipy.spatial.transform import Rotation
from tapenet.testing import check_grads

RNG = np.random.default_rng(5)
A, B, W = RNG.random((8, 3)) + 0.1, RNG.random((5, 3)) + 0.1, np.array([1.0, 0.5, 2.0])
Q = RNG.normal(size=(6, 4))
SEQUENCES = [
    seq
    for axes in itertools.product("xyz", repeat=3)
    if axes[0] != axes[1] != axes[2]
    for seq in ("".join(axes), "".join(axes).upper())
]


def recorded(f: Callable[..., Any], *arrays: Any) -> Any:
    with tn.GradientTape() as tape:
        y = f(*tape.watch(arrays))
    return y.value


# ---- distances ----


@pytest.mark.parametrize("metric", METRICS)
def test_distances_of_all_pairs_are_scipys(metric: str) -> None:
    weights = {} if metric in ("jensenshannon", "mahalanobis", "seuclidean") else {"w": W}
    for settings in ({}, weights):
        found = recorded(lambda a, b, s=settings: distance.cdist(a, b, metric, **s), A, B)
        np.testing.assert_allclose(found, scipy.spatial.distance.cdist(A, B, metric, **settings), rtol=1e-10)
        found = recorded(lambda a, s=settings: distance.pdist(a, metric, **s), A)
        np.testing.assert_allclose(found, scipy.spatial.distance.pdist(A, metric, **settings), rtol=1e-10)
    check_grads(lambda a: distance.pdist(a, metric), (A,), step=1e-5, order=1)


def test_distances_are_differentiated_by_their_order() -> None:
    for weights in ({}, {"w": W}):
        check_grads(lambda a, p, s=weights: distance.cdist(a, B, "minkowski", p=p, **s), (A, 2.5), step=1e-5, order=1)
        found = recorded(lambda p, s=weights: distance.minkowski(A[0], B[0], p, **s), 2.5)
        np.testing.assert_allclose(found, scipy.spatial.distance.minkowski(A[0], B[0], 2.5, **weights), rtol=1e-14)
    gradients = tn.grad(lambda a, p: tnp.sum(distance.cdist(a, a, "minkowski", p=p)), (0, 1))(np.array([[1.0, 2]]), 3.0)
    assert all(np.all(x == 0) for x in gradients)
    gradient = tn.grad(lambda p: distance.minkowski(np.array([1.0, 2, 3]), np.array([1.0, 0, 0]), p))(2.0)
    norm = np.sqrt(13)
    expected = norm * ((4 * np.log(2) + 9 * np.log(3)) / 13 / 2 - np.log(13) / 4)
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)


def test_metrics_may_be_functions() -> None:
    def metric(u: Any, v: Any) -> Any:
        return tnp.sum((u - v) ** 3)

    found = recorded(lambda a: distance.cdist(a, B, metric), A)
    np.testing.assert_allclose(found, scipy.spatial.distance.cdist(A, B, metric), rtol=1e-12)
    check_grads(lambda a: distance.pdist(a, metric), (A[:3],))


def test_equal_points_have_derivative_zero() -> None:
    x = np.zeros((2, 2))
    np.testing.assert_array_equal(tn.grad(lambda x: tnp.sum(distance.pdist(x)))(x), x)
    np.testing.assert_array_equal(tn.grad(lambda x: distance.canberra(x[0], x[1]))(x), x)
    np.testing.assert_array_equal(
        tn.grad(lambda u: distance.minkowski(u, np.zeros(2), np.inf))(np.array([1.0, -3])), [0, -1]
    )


def test_square_forms_go_both_ways() -> None:
    v = distance.pdist(A)
    np.testing.assert_array_equal(recorded(distance.squareform, v), scipy.spatial.distance.squareform(v))
    np.testing.assert_array_equal(recorded(distance.squareform, scipy.spatial.distance.squareform(v)), v)
    assert recorded(lambda x: distance.squareform(x[:0]) + 0 * x[:1], v).shape == (1, 1)


# ---- rotations ----


def test_rotations_are_scipys() -> None:
    ours, theirs = Rotation.from_quat(Q), Theirs.from_quat(Q)
    for name in ("as_quat", "as_matrix", "as_rotvec", "magnitude"):
        np.testing.assert_allclose(getattr(ours, name)(), getattr(theirs, name)(), atol=1e-14)
    np.testing.assert_allclose(ours.as_quat(True, scalar_first=True), theirs.as_quat(True)[:, [3, 0, 1, 2]], atol=1e-15)
    np.testing.assert_allclose(Rotation.from_quat(Q[:, [3, 0, 1, 2]], scalar_first=True).as_quat(), ours.as_quat())
    np.testing.assert_allclose(Rotation.from_matrix(theirs.as_matrix()).as_quat(True), theirs.as_quat(True), atol=1e-14)
    np.testing.assert_allclose(ours.apply(A[0]), theirs.apply(A[0]), atol=1e-14)
    np.testing.assert_allclose(ours.apply(A[:6], inverse=True), theirs.apply(A[:6], inverse=True), atol=1e-14)
    np.testing.assert_allclose((ours * ours[0]).as_matrix(), (theirs * theirs[0]).as_matrix(), atol=1e-14)
    np.testing.assert_allclose((ours * ours.inv()).as_matrix(), np.tile(np.eye(3), (6, 1, 1)), atol=1e-14)
    assert (len(ours), ours.single, ours[0].single) == (6, False, True)
    np.testing.assert_array_equal(Rotation.identity(2).as_matrix(), np.tile(np.eye(3), (2, 1, 1)))
    assert repr(Rotation.identity()) == "Rotation.from_quat(array([0., 0., 0., 1.]))"


@pytest.mark.parametrize("seq", SEQUENCES)
def test_angles_are_scipys(seq: str) -> None:
    angles = 60 * Q[:, :3]
    ours, theirs = Rotation.from_euler(seq, angles, degrees=True), Theirs.from_euler(seq, angles, degrees=True)
    np.testing.assert_allclose(ours.as_matrix(), theirs.as_matrix(), atol=1e-13)
    np.testing.assert_allclose(ours.as_euler(seq, degrees=True), theirs.as_euler(seq, degrees=True), atol=1e-10)


@pytest.mark.parametrize(
    "v", [np.zeros(3), np.array([1e-3, 0, 2e-2]), np.array([0.1, 0.2, -0.3]), np.array([1, 2, 0.5])]
)
def test_rotation_vectors_have_derivatives_of_second_order_at_zero_too(v: Any) -> None:
    np.testing.assert_allclose(Rotation.from_rotvec(v).as_quat(), Theirs.from_rotvec(v).as_quat(), atol=1e-15)
    check_grads(lambda v: Rotation.from_rotvec(v).as_matrix(), (v,))
    check_grads(lambda v: Rotation.from_rotvec(v).as_rotvec(), (v,))


def test_rotations_are_differentiated_in_every_form() -> None:
    check_grads(lambda q: Rotation.from_quat(q).as_euler("xyz"), (Q,))
    check_grads(lambda q: Rotation.from_quat(q).magnitude(), (Q,))
    check_grads(lambda q: Rotation.from_matrix(Rotation.from_quat(q).as_matrix()).as_quat(True), (Q,))
    check_grads(lambda a: Rotation.from_euler("Z", a).apply(A[0]), (0.3,))
    turns = tn.grad(lambda r: tnp.sum(r.apply(A[0])))(Rotation.identity())
    assert isinstance(turns, Rotation)
    vectors = tn.vmap(lambda v: Rotation.from_rotvec(v).as_rotvec())(A)
    np.testing.assert_allclose(vectors, A, rtol=1e-12)


def test_matrices_that_are_not_orthogonal_give_the_nearest_rotation() -> None:
    turned = Theirs.from_quat(Q).as_matrix()
    bent = turned + 0.1 * RNG.normal(size=turned.shape)
    for m in (turned, bent, bent[0]):
        np.testing.assert_allclose(Rotation.from_matrix(m).as_matrix(), Theirs.from_matrix(m).as_matrix(), atol=1e-14)
    check_grads(lambda m: Rotation.from_matrix(m).as_matrix(), (np.stack([turned[0], bent[1]]),))
    found = tn.jacobian(lambda m: Rotation.from_matrix(m).as_rotvec())(turned[0])
    steps = 1e-5 * np.eye(9).reshape(9, 3, 3)
    ends = [Theirs.from_matrix(turned[0] + sign * steps).as_rotvec() for sign in (1, -1)]
    np.testing.assert_allclose(found.reshape(3, 9).T, (ends[0] - ends[1]) / 2e-5, atol=1e-8)
    each = tn.vmap(lambda m: Rotation.from_matrix(m).as_quat())(bent)
    np.testing.assert_allclose(each, Rotation.from_matrix(bent).as_quat(), atol=1e-15)
    as_given = Theirs.from_matrix(bent, assume_valid=True).as_quat(True)
    np.testing.assert_allclose(Rotation.from_matrix(bent, assume_valid=True).as_quat(True), as_given, atol=1e-14)


def test_powers_means_and_rodrigues_parameters_are_scipys() -> None:
    ours, theirs = Rotation.from_quat(Q), Theirs.from_quat(Q)
    np.testing.assert_allclose(ours.as_mrp(), theirs.as_mrp(), atol=1e-14)
    np.testing.assert_allclose(Rotation.from_mrp(3 * A).as_matrix(), Theirs.from_mrp(3 * A).as_matrix(), atol=1e-14)
    for n in (-1, 0, 1, 0.3, -2.5):
        np.testing.assert_allclose((ours**n).as_matrix(), (theirs**n).as_matrix(), atol=1e-14)
    weights = np.arange(6.0)
    np.testing.assert_allclose(ours.mean().as_matrix(), theirs.mean().as_matrix(), atol=1e-14)
    np.testing.assert_allclose(ours.mean(weights).as_matrix(), theirs.mean(weights).as_matrix(), atol=1e-14)
    assert len(Rotation.concatenate([ours, ours[0]])) == 7
    check_grads(lambda q, n: (Rotation.from_quat(q) ** n).as_mrp(), (Q[0], 0.3))
    check_grads(lambda q, w: Rotation.from_quat(q).mean(w).as_matrix(), (Q[:2], weights[1:3]))
    same = np.tile(Q[0], (3, 1))  # the other eigenvalues are 0, all three
    check_grads(lambda q: Rotation.from_quat(q).mean().as_matrix(), (same,))
    with pytest.raises(NotImplementedError, match="modulus"):
        pow(ours, 2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: distance.cdist(x, x, "hamming"), r"spatial\.distance\.cdist: metric must be one of braycurtis"),
        (lambda x: distance.cdist(x, x[:, :2]), r"points of one dimension; got 3 and 2"),
        (lambda x: distance.pdist(x[0]), r"spatial\.distance\.pdist: X must be a matrix"),
        (lambda x: distance.cdist(x, x, out=np.empty((8, 8))), "out must be left out"),
        (lambda x: distance.euclidean(x, x), r"spatial\.distance\.euclidean: u and v must be vectors"),
        (lambda x: distance.minkowski(x[0], x[1], 0), r"spatial\.distance\.minkowski: p must be greater than 0"),
        (lambda x: distance.squareform(x[0, :2]), r"spatial\.distance\.squareform: X must be the distances"),
        (lambda x: distance.hamming(x[0], x[1]), "It is piecewise constant"),
        (lambda x: spatial.distance_matrix(x, x[0]), r"spatial\.distance_matrix: x and y must be matrices"),
        (lambda x: spatial.geometric_slerp(x[0], x[0], 0.5), "must be on the unit n-sphere"),
        (lambda x: spatial.geometric_slerp(x[0] / np.linalg.norm(x[0]), x[0, :2], 0.5), "vectors of one length"),
        (lambda x: spatial.geometric_slerp(*[x[0] / np.linalg.norm(x[0])] * 2, 0.5), "neither equal nor opposite"),
        (lambda x: spatial.procrustes(x, x[:3]), r"spatial\.procrustes: Input matrices must be of same shape"),
        (lambda x: spatial.procrustes(x[0], x), r"spatial\.procrustes: Input matrices must be two-dimensional"),
        (lambda x: Rotation.from_quat(x), r"Rotation\.from_quat: quat must have shape \(4,\)"),
        (lambda x: Rotation.from_matrix(x), r"Rotation\.from_matrix: matrix must have shape \(3, 3\)"),
        (lambda x: Rotation.from_matrix(-np.eye(3)), r"Rotation\.from_matrix: matrix must have a positive determinant"),
        (lambda x: Rotation.from_quat(np.zeros(4)), r"Rotation\.from_quat: quat must not have length 0"),
        (
            lambda x: Rotation.from_rotvec(x).mean(x[:, 0] - 1),
            r"Rotation\.mean: weights must be 8 non-negative numbers",
        ),
        (lambda x: Rotation.from_rotvec(x[:0]).mean(), r"Rotation\.mean: there must be a rotation"),
        (lambda x: Rotation.from_euler("xY", x), r"Rotation\.from_euler: seq must be of"),
        (lambda x: Rotation.from_euler("xy", x), r"Rotation\.from_euler: angles must have as many elements"),
        (lambda x: Rotation.from_rotvec(x).as_euler("xx"), r"Rotation\.as_euler: seq must be three axes"),
    ],
)
def test_bad_arguments_are_refused(call: Callable[[Any], Any], message: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=message):
        call(tape.watch(A))
