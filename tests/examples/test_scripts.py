"""The examples with `--quick`, run as their users run them, and what they compute."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import autoencoder
import beam
import error_bands
import figures
import fluid
import gaussian_process
import initial_condition
import likelihood
import lorenz_taylor
import lstm
import mlp
import numpy as np
import posterior
import predators
import pytest
import resnet
import scipy_minimize
import scripts
import sparse_solvers
import transformer
import unet

import tapenet as tn
from tapenet.testing import assert_same_gradient, check_grads

EXAMPLES = Path(scripts.__file__).parent
ALL = [
    gaussian_process,
    lstm,
    fluid,
    scipy_minimize,
    sparse_solvers,
    mlp,
    resnet,
    transformer,
    autoencoder,
    unet,
    initial_condition,
    lorenz_taylor,
    error_bands,
    predators,
    posterior,
    likelihood,
    beam,
]
WITH_SCIPY = (scipy_minimize, sparse_solvers, predators, posterior, likelihood, beam)
RESULTS = {
    "gaussian_process": r"log likelihood: (?P<before>-\d+\.\d+) before, (?P<after>-?\d+\.\d+) after 60 steps",
    "lstm": r"loss: (?P<before>\d\.\d+) before, (?P<after>\d\.\d+) after 40 steps \(by guessing 3\.296\)",
    "fluid": r"mean squared error: (?P<before>0\.\d+) before, (?P<after>0\.\d+) after 15 rounds",
    "mlp": r"wrong: (?P<before>0\.\d+) before, (?P<after>0\.\d+) after 25 epochs",
    "resnet": r"wrong: (?P<before>0\.900) by guessing, (?P<after>0\.\d+) after 2 epochs",
    "transformer": r"loss: (?P<before>\d\.\d+) before, (?P<after>\d\.\d+) after 60 steps",
    "autoencoder": r"mean squared error: (?P<before>0\.\d+) before, (?P<after>0\.\d+) after 3 epochs",
    "unet": r"wrong: (?P<before>0\.\d+) by finding nothing, (?P<after>0\.\d+) after 6 epochs",
    "initial_condition": r"misfit: (?P<before>\d+\.\d+) before, (?P<after>\d\.\d+) after 8 rounds, error \d%",
    "sparse_solvers": r"at most (?P<after>\d\.\de-\d+) is left of any equation",
    "lorenz_taylor": r"distance from the reference: .* until time 1, (?P<after>\d\.\de-\d+) at time 1",
    "error_bands": r"rounding error at 1e-6: at most (?P<before>\d\.\de-\d+) of .*, (?P<after>\d\.\de-\d+) by half .*",
    "predators": r"misfit: (?P<before>\d+\.\d+) before, (?P<after>\d+\.\d+) after \d+ steps",
    "posterior": r"loss: (?P<before>0\.693) by guessing, (?P<after>0\.\d+) by the mean of all draws",
    "likelihood": r"negative log likelihood: (?P<before>\d+\.\d+) before, (?P<after>\d+\.\d+) after \d+ steps",
    "beam": r"weight: (?P<before>\d\.\d+) kg of one height, (?P<after>\d\.\d+) kg after \d+ steps",
    "scipy_minimize": r"in 10 dimensions: minimum (?P<after>\d\.\de-\d+) after \d+ steps",
}


@pytest.fixture(autouse=True)
def needs(request: pytest.FixtureRequest) -> None:
    """SciPy, where the example is about it."""
    if "example" in request.fixturenames and request.getfixturevalue("example") in WITH_SCIPY:
        pytest.importorskip("scipy")


over_all = pytest.mark.parametrize("example", ALL, ids=lambda example: example.NAME)


@over_all
def test_a_quick_run_prints_its_result_and_draws(example: ModuleType, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{example.NAME}.py"), "--quick"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    output = tmp_path / f"{example.NAME.replace('_', '-')}-output"
    (picture,) = output.iterdir()
    assert picture.name == f"{example.NAME}.png"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert f"picture: {output.name}/{picture.name}" in done.stdout.splitlines()
    assert re.fullmatch(RESULTS[example.NAME], done.stdout.splitlines()[-1])


@over_all
def test_the_result_is_better_than_the_start_and_the_same_each_time(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for folder in ("one", "two"):
        assert example.main(["--quick", "--output", str(tmp_path / folder)]) == 0
        printed.append(capsys.readouterr().out.splitlines()[1:])
    assert printed[0] == printed[1]
    result = re.fullmatch(RESULTS[example.NAME], printed[0][-1])
    assert result is not None
    numbers = {name: float(number) for name, number in result.groupdict().items()}
    assert numbers["after"] < 1e-6 if "before" not in numbers else better(example, **numbers)


def better(example: ModuleType, before: float, after: float) -> bool:
    return after > before + 5 if example is gaussian_process else after < 0.9 * before


@over_all
def test_a_picture_is_written_whole_or_not_at_all(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken_off(figure: Any, file: Any, **options: Any) -> None:
        file.write(b"\x89PNG")
        raise OSError("no space left on the device")

    monkeypatch.setattr(figures.Figure, "savefig", broken_off)
    assert example.main(["--quick", "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{example.NAME}.py: error: no space left on the device\n"
    assert list(tmp_path.iterdir()) == []


@over_all
def test_a_package_that_is_missing_is_named(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "figures")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert example.main(["--quick", "--output", str(tmp_path)]) == 2
    message = f'{example.NAME}.py: error: matplotlib is not installed; pip install ".[examples]"\n'
    assert capsys.readouterr().err == message


def test_a_terminal_shows_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    for round in scripts.Progress(3, "training", "steps"):
        assert round in range(3)
    assert stream.getvalue() == ""
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    bar = scripts.Progress(3, "training", "steps")
    for round in bar:
        bar.show("loss", round / 4)
    assert "training: 100%" in stream.getvalue()
    assert "steps/s, loss 0.5000" in stream.getvalue()
    before = stream.getvalue()
    monkeypatch.setitem(sys.modules, "tqdm", None)
    bar = scripts.Progress(3, "training", "steps")
    assert [*bar] == [0, 1, 2]
    bar.show("loss", 1.0)
    assert stream.getvalue() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert lstm.main(["--quick", "--output", str(tmp_path / "file" / "folder")]) == 2
    assert capsys.readouterr().err.startswith("lstm.py: error: [Errno 20] Not a directory: ")


# ---- what they compute ----


def test_the_gaussian_process_has_the_density_of_a_normal_distribution(rng: np.random.Generator) -> None:
    x, y = gaussian_process.make_data(rng, 8)
    parameters = {"log_scale": 0.1, "log_length": -0.3, "log_noise": -1.0}
    covariance = gaussian_process.kernel(parameters, x, x) + (np.exp(-2) + 1e-9) * np.eye(8)
    density = -0.5 * (
        y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(covariance).logabsdet + 8 * np.log(2 * np.pi)
    )
    np.testing.assert_allclose(gaussian_process.log_likelihood(parameters, x, y), density, rtol=1e-12)
    check_grads(lambda parameters, y: gaussian_process.log_likelihood(parameters, x, y), (parameters, y))


def test_the_gaussian_process_goes_through_data_without_noise() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    y = np.array([0.5, -0.5, 1.0])
    parameters = {"log_scale": 0.0, "log_length": 0.0, "log_noise": -8.0}
    mean, deviation = gaussian_process.posterior(parameters, x, y, x)
    np.testing.assert_allclose(mean, y, atol=1e-5)
    np.testing.assert_allclose(deviation, 0, atol=1e-3)


def test_the_lstm_gives_probabilities_and_their_gradient(rng: np.random.Generator) -> None:
    parameters = lstm.init(rng, 3)
    np.testing.assert_allclose(lstm.read(parameters, "tyger").sum(axis=1), 1)
    texts = np.stack([lstm.one_hot("tyg"), lstm.one_hot("bur")])
    check_grads(lambda parameters: lstm.loss(parameters, texts), (parameters,))
    assert lstm.write(parameters, "ty", 3).startswith("ty")


def test_the_lstm_s_sigmoid_is_that_of_the_library() -> None:
    assert_same_gradient(lstm.sigmoid, tn.nn.sigmoid, (np.linspace(-5, 5, 11),), order=2)


def test_the_fluid_keeps_its_smoke_and_has_no_divergence(rng: np.random.Generator) -> None:
    vx, vy = fluid.without_divergence(*rng.normal(size=(2, 15, 15)))
    frequencies = np.fft.fftfreq(15)
    divergence = frequencies * np.fft.fft2(vx) + frequencies[:, None] * np.fft.fft2(vy)
    np.testing.assert_allclose(divergence, 0, atol=1e-12)
    again = fluid.without_divergence(vx, vy)
    np.testing.assert_allclose(again, (vx, vy), atol=1e-12)
    smoke = fluid.disc(15)
    np.testing.assert_array_equal(fluid.carried(smoke, 0 * vx, 0 * vy), smoke)
    np.testing.assert_allclose(fluid.carried(smoke, 0 * vx + 1, 0 * vy - 2), np.roll(smoke, (-2, 1), axis=(0, 1)))


def test_the_fluid_s_gradient(rng: np.random.Generator) -> None:
    velocities = 0.3 * rng.uniform(0.2, 1, (2, 5, 5))
    check_grads(lambda v: fluid.simulate(v, fluid.disc(5), 2)[-1], (velocities,), order=1)


def test_spirals_and_scenes_are_what_they_are_called(rng: np.random.Generator) -> None:
    points, labels = mlp.spirals(rng, 2000)
    assert np.abs(points).max() < 1.1
    turned = -points[labels == 0]  # half a turn takes one spiral to the other
    nearest = np.min(np.linalg.norm(turned[:100, None] - points[labels == 1], axis=-1), axis=1)
    assert nearest.max() < 0.15
    images, labels = unet.scenes(rng, 20)
    assert images.shape == (20, 32, 32, 1)
    assert set(np.unique(labels)) == {unet.NOTHING, unet.DISC, unet.SQUARE}
    np.testing.assert_allclose(images[labels > 0].mean() - images[labels == 0].mean(), 1, atol=0.05)


def test_the_transformer_s_passages_are_of_the_poem(rng: np.random.Generator) -> None:
    for (texts,) in transformer.passages(2, 3, 10)(rng):
        assert texts.shape == (3, 11)
        for text in texts:
            assert "".join(lstm.ALPHABET[symbol] for symbol in text) in lstm.POEM


@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG", "SLSQP"])
def test_scipy_takes_value_and_grad_as_it_stands(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    x0 = np.array([-1.5, 2.0, 0.5])
    result = optimize.minimize(tn.value_and_grad(scipy_minimize.rosenbrock), x0, jac=True, method=method, tol=1e-8)
    np.testing.assert_allclose(result.x, 1, atol=1e-3)
    assert type(result.jac) is np.ndarray


@pytest.mark.parametrize("method", ["Newton-CG", "trust-ncg", "trust-krylov", "trust-constr"])
def test_scipy_takes_hvp_as_it_stands(method: str) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    hessp = tn.hvp(scipy_minimize.rosenbrock)
    f = tn.value_and_grad(scipy_minimize.rosenbrock)
    result = optimize.minimize(f, np.array([-0.5, 0.8]), jac=True, hessp=hessp, method=method)
    np.testing.assert_allclose(result.x, 1, atol=1e-3)


def test_scipy_passes_further_arguments_on() -> None:
    optimize = pytest.importorskip("scipy.optimize")

    def f(x: Any, target: Any, *, power: int = 2) -> Any:
        return tn.numpy.sum((x - target) ** power)

    result = optimize.minimize(tn.value_and_grad(f), np.zeros(2), args=(np.array([1.0, 2.0]),), jac=True)
    np.testing.assert_allclose(result.x, [1, 2], atol=1e-6)


def test_the_wave_s_misfit_is_that_of_what_is_heard(rng: np.random.Generator) -> None:
    size, detectors, damping = 7, initial_condition.ring(7, 4), initial_condition.edge(7)
    start, sounds = rng.normal(size=(2, size, size))[0], rng.normal(size=(9, 4))

    def plain(start: Any) -> Any:
        return 0.5 * np.sum((initial_condition.heard(start, detectors, damping, 9) - sounds) ** 2)

    assert_same_gradient(lambda x: initial_condition.misfit(x, sounds, detectors, damping), plain, (start,), order=2)


def test_the_series_of_a_solution_follow_from_its_equation() -> None:
    rows = lorenz_taylor.coefficients(lambda x: -2 * x, np.array([3.0]), 5)
    np.testing.assert_allclose(rows[:, 0], 3 * np.array([1, -2, 2, -4 / 3, 2 / 3, -4 / 15]), rtol=1e-14)


def test_steps_by_series_keep_what_is_asked_for() -> None:
    times, states, _ = lorenz_taylor.integrate(lambda x: x * (1 - x), np.array([0.5]), 3.0, order=12, tolerance=1e-12)
    np.testing.assert_allclose(states[:, 0], 1 / (1 + np.exp(-times)), rtol=1e-11)
    assert len(times) < 20


def test_the_band_is_that_of_the_fits_of_other_data(rng: np.random.Generator) -> None:
    t = np.linspace(0.0, 3.0, 20)
    fits = [error_bands.fit(*error_bands.make_data(rng, 20))[0] for _ in range(60)]
    at = np.array([0.0, 1.0, 4.0])
    curves = np.stack([error_bands.decay(found, at) for found in fits])
    curvature = tn.gauss_newton(lambda p: error_bands.decay(p, t))(error_bands.TRUTH).to_dense()
    mean, deviation = error_bands.band(error_bands.TRUTH, error_bands.NOISE**2 * np.linalg.inv(curvature), at)
    np.testing.assert_allclose(deviation, curves.std(0), rtol=0.3)
    np.testing.assert_allclose(mean, error_bands.decay(error_bands.TRUTH, at))


def test_the_bounds_of_rounding_are_above_the_errors() -> None:
    for formula in (error_bands.naive, error_bands.by_half):
        bounds, errors = error_bands.rounding(formula, np.geomspace(1e-7, 1e-2, 7))
        assert (errors <= bounds + 1e-16).all()


def test_the_posterior_s_draws_are_of_the_normal_distribution_that_laplace_finds(rng: np.random.Generator) -> None:
    pytest.importorskip("scipy")
    x, labels = posterior.make_data(rng, 300)  # of so many the posterior is nearly normal
    mode, covariance = posterior.laplace(x, labels)
    draws, accepted = posterior.hamiltonian(rng, mode, covariance, x, labels, draws=400)
    assert accepted > 0.9
    deviations = np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(draws.mean(0), mode, atol=0.3 * deviations.max())
    np.testing.assert_allclose(draws.std(0), deviations, rtol=0.3)


def test_the_covariance_of_the_likeliest_parameters_is_the_inverse_information(rng: np.random.Generator) -> None:
    special = pytest.importorskip("scipy.special")
    amounts = likelihood.make_data(rng, 50)
    found, covariance = likelihood.fit({"shape": 1.0, "scale": 1.0}, amounts)
    shape, scale = found.x["shape"], found.x["scale"]
    np.testing.assert_allclose(shape * scale, amounts.mean(), rtol=1e-5)
    information = 50 * np.array([[shape / scale**2, 1 / scale], [1 / scale, special.polygamma(1, shape)]])
    np.testing.assert_allclose(covariance, np.linalg.inv(information), rtol=1e-4)


def test_the_beam_s_weight_grows_by_its_derivative() -> None:
    pytest.importorskip("scipy")
    growth = tn.grad(lambda load: beam.design(load, 4).fun)(beam.LOAD)
    difference = (beam.design(beam.LOAD + 1, 4).fun - beam.design(beam.LOAD - 1, 4).fun) / 2
    np.testing.assert_allclose(growth, difference, rtol=1e-5)


def test_the_rates_of_exact_counts_are_found_again(rng: np.random.Generator) -> None:
    pytest.importorskip("scipy")
    times = np.linspace(0.0, 12.0, 13)
    start = tn.tree.map(np.log, predators.GUESS)
    found, _ = predators.fit(start, times, predators.populations(predators.RATES, times))
    for name, rate in predators.RATES.items():
        np.testing.assert_allclose(np.exp(found.x[name]), rate, rtol=1e-5)
