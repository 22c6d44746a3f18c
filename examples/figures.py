"""The pictures of the examples, one for each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pictures import ALARM, FAINT, INK, STRONG, save as save, smoothed

Belief = tuple[np.ndarray, np.ndarray]  # mean and standard deviation


def gaussian_process(
    x: np.ndarray,
    y: np.ndarray,
    at: np.ndarray,
    truth: np.ndarray,
    beliefs: Mapping[str, Belief],
    likelihoods: Sequence[float],
) -> Figure:
    """Draw what the process says before and after fitting, and the likelihood at each step."""
    figure = Figure(figsize=(12, 3.8), layout="constrained")
    *left, right = figure.subplots(1, 3)
    for axes, (when, (mean, deviation)) in zip(left, beliefs.items(), strict=True):
        axes.fill_between(
            at, mean - 2 * deviation, mean + 2 * deviation, color=STRONG, alpha=0.18, lw=0, label="two deviations"
        )
        axes.plot(at, mean, color=STRONG, lw=1.8, label="mean")
        axes.plot(at, truth, color=INK, lw=1, ls="--", label="truth")
        axes.plot(x, y, "o", color=ALARM, ms=4, label="data")
        axes.set(title=f"Posterior {when} fitting", xlabel="x", ylim=(-2.8, 2.8))
    left[0].legend(frameon=False, fontsize=8, ncols=2, loc="lower right")
    curve(right, likelihoods, title="Log marginal likelihood", xlabel="step")
    return figure


def next_characters(losses: Sequence[float], text: str, probabilities: np.ndarray, alphabet: Sequence[str]) -> Figure:
    """Draw the loss of each step, and for each character of a text how probable each next one was."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 2])
    curve(left, losses, title="Loss", xlabel="step", smooth=True)
    names = [{" ": "space", "\n": "line end"}.get(character, character) for character in alphabet]
    right.imshow(probabilities.T, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    followed = [alphabet.index(character) for character in text[1:]]
    right.plot(range(len(followed)), followed, "s", ms=8, mfc="none", mec=ALARM, label="what follows")
    right.set_xticks(range(len(probabilities)), list(text[: len(probabilities)]))
    right.set_yticks(range(len(alphabet)), names, fontsize=7)
    right.set(title="Probability of the next character", xlabel="after")
    right.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, 1.08))
    return figure


def fluid(
    frames: Sequence[np.ndarray], wanted: np.ndarray, velocities: np.ndarray, errors: Sequence[float], *, shown: int = 4
) -> Figure:
    """Draw the smoke at some steps, what was wanted of it, the first velocities, and the error of each round."""
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    grid = figure.subplots(2, shown)
    places = np.linspace(0, len(frames) - 1, shown).round().astype(int)
    for axes, place in zip(grid[0], places, strict=True):
        smoke(axes, frames[place], f"step {place}")
    smoke(grid[1, 0], wanted, "wanted")
    smoke(grid[1, 1], frames[-1] - wanted, "difference at the end", cmap="RdBu", low=-1)
    size = len(wanted)
    every = max(1, size // 16)
    middle = np.arange(every // 2, size, every)
    vx, vy = velocities[:, middle[:, None], middle]
    smoke(grid[1, 2], frames[0], "first velocities")
    grid[1, 2].quiver(middle, middle, vx, vy, color=STRONG, angles="xy", width=0.006)
    curve(grid[1, 3], errors, title="Mean squared error", xlabel="round")
    return figure


def initial_condition(
    truth: np.ndarray,
    found: np.ndarray,
    detectors: tuple[np.ndarray, ...],
    sounds: np.ndarray,
    misfits: Sequence[float],
) -> Figure:
    """Draw how a wave began, how it was recovered, what detectors heard of it, and the misfit of each round."""
    figure = Figure(figsize=(12.5, 3.6), layout="constrained")
    first, second, third, last = figure.subplots(1, 4)
    scale = np.max(np.abs(truth))
    for axes, field, title in ((first, truth, "First pressures, and detectors"), (second, found, "Recovered")):
        axes.imshow(field, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="bilinear")
        axes.set(title=title, xticks=[], yticks=[])
    first.plot(detectors[1], detectors[0], "o", color=INK, ms=2)
    loudest = np.max(np.abs(sounds))
    third.imshow(sounds, cmap="RdBu_r", vmin=-loudest, vmax=loudest, aspect="auto", interpolation="nearest")
    third.set(title="What was heard", xlabel="detector", ylabel="step")
    curve(last, misfits, title="Misfit", xlabel="round")
    last.set_yscale("log")
    return figure


def orbit(times: np.ndarray, points: np.ndarray, errors: np.ndarray) -> Figure:
    """Draw an orbit in space from the side, the lengths of its steps, and how far it is from the reference."""
    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot(points[:, 0], points[:, 2], color=STRONG, lw=0.5)
    left.set(title="x and z", xticks=[], yticks=[])
    middle.plot(times[:-1], np.diff(times), color=STRONG, lw=1.1)
    middle.set(title="Length of each step", xlabel="time", ylim=(0, None))
    right.semilogy(times[1:], errors[1:], color=STRONG, lw=1.1)
    right.set(title="Distance from the reference", xlabel="time")
    plain(middle)
    plain(right)
    return figure


def smoke(axes: Axes, field: np.ndarray, title: str, *, cmap: str = "gray_r", low: float = 0.0) -> None:
    """Draw one field of smoke."""
    axes.imshow(field, cmap=cmap, vmin=low, vmax=1, interpolation="bilinear")
    axes.set(title=title, xticks=[], yticks=[])


def descents(f: Callable[[np.ndarray], float], paths: Mapping[str, np.ndarray]) -> Figure:
    """Draw the way that each method came down a function of two numbers, and how low it was at each step."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    x, y = np.linspace(-2, 2, 80), np.linspace(-1, 3, 80)
    heights = np.array([[f(np.array([a, b])) for a in x] for b in y])
    left.contour(x, y, heights, np.geomspace(0.1, 2000, 14), colors=FAINT, linewidths=0.7)
    for name, points in paths.items():
        left.plot(points[:, 0], points[:, 1], marker=".", ms=5, lw=1.1, label=name)
        right.semilogy([max(f(point), 1e-20) for point in points], marker=".", ms=5, lw=1.1, label=name)
    left.plot(1, 1, "*", color=ALARM, ms=12)
    left.set(title="Rosenbrock's valley", xlim=(-2, 2), ylim=(-1, 3))
    right.set(title="Height at each step", xlabel="step")
    right.legend(frameon=False)
    plain(right)
    return figure


def sparse_solvers(field: np.ndarray, jacobian: Any, colors: np.ndarray, film: np.ndarray, heat: np.ndarray) -> Figure:
    """Draw a pattern that has grown, its Jacobian, the colours of its columns on the grid, and two solutions."""
    figure = Figure(figsize=(12, 2.9), layout="constrained")
    panels = figure.subplots(1, 5)
    rows, columns = jacobian.nonzero()
    panels[1].plot(columns, rows, ",", color=INK)
    panels[1].set(xlim=(0, jacobian.shape[1]), ylim=(jacobian.shape[0], 0), aspect="equal")
    panels[1].set_title(f"its Jacobian: {jacobian.nnz} of {jacobian.shape[0]}² not zero", fontsize=9)
    titles = ("Brusselator, by BDF", "", f"{colors.max() + 1} colours", "a soap film", "burning heat")
    images = (field, None, colors, film, heat)
    for axes, image, title, cmap in zip(
        panels, images, titles, ("magma", "", "tab20", "viridis", "inferno"), strict=True
    ):
        axes.set(xticks=[], yticks=[])
        if image is not None:
            axes.imshow(image, cmap=cmap, interpolation="nearest")
            axes.set_title(title, fontsize=9)
    return figure


def curve(axes: Axes, values: Sequence[float], *, title: str, xlabel: str, smooth: bool = False) -> None:
    """Draw how a number went."""
    axes.plot(values, color=FAINT if smooth else STRONG, lw=0.6 if smooth else 1.8)
    if smooth:
        axes.plot(smoothed(np.array(values)), color=STRONG, lw=1.8)
    axes.set(title=title, xlabel=xlabel)
    plain(axes)


def plain(axes: Axes) -> None:
    """Take away what is not data."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


# ---- networks ----


def decisions(
    losses: np.ndarray, points: np.ndarray, labels: np.ndarray, probability: Callable[[np.ndarray], np.ndarray]
) -> Figure:
    """Draw the loss, and how probable the second of two classes is over the plane."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    curve(left, losses, title="Loss", xlabel="step", smooth=True)
    left.set_yscale("log")
    ticks = np.linspace(-1.15, 1.15, 160, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    shades = probability(plane).reshape(len(ticks), len(ticks))
    right.imshow(shades, extent=(-1.15, 1.15, -1.15, 1.15), origin="lower", cmap="RdBu", vmin=0, vmax=1, alpha=0.7)
    for label, color in ((0, ALARM), (1, STRONG)):
        right.scatter(*points[labels == label].T, s=4, color=color)
    right.set(title="What it has learned, and the test points", xticks=[], yticks=[])
    return figure


def confusions(losses: np.ndarray, counts: np.ndarray) -> Figure:
    """Draw the loss, and which digits are taken for which."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    curve(left, losses, title="Loss", xlabel="step", smooth=True)
    left.set_yscale("log")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right.imshow(shares**0.5, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.4 else INK
            right.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)
    ticks = range(len(counts))
    right.set(title="Test digits", xlabel="read as", ylabel="is", xticks=ticks, yticks=ticks)
    return figure


def sureness(losses: np.ndarray, text: str, probabilities: np.ndarray) -> Figure:
    """Draw the loss, and each character of a text in the color of its probability."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    curve(left, losses, title="Loss", xlabel="step", smooth=True)
    lines = text.splitlines()
    shades = np.full((len(lines), max(map(len, lines))), np.nan)
    following = iter([np.nan, *probabilities])
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            shades[row, column] = next(following)
            right.text(column, row, character, ha="center", va="center", fontsize=8, family="monospace", color=INK)
        next(following, None)
    right.imshow(shades, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto", alpha=0.7)
    right.set(title="Probability of each character, after those before it", xticks=[], yticks=[])
    return figure


def reconstructions(losses: np.ndarray, images: np.ndarray, back: np.ndarray, way: np.ndarray) -> Figure:
    """Draw the loss, images and what comes back of them, and the way from the first to the second."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    curve(left, losses, title="Loss", xlabel="step", smooth=True)
    right.imshow(np.concatenate([in_a_row(part) for part in (images, back, way)]), cmap="gray_r", vmin=0, vmax=1)
    height = images.shape[1]
    right.set(title="Test digits, sixteen numbers later, and from the first to the second", xticks=[])
    right.set_yticks([height * (row + 0.5) for row in range(3)], ["digits", "back", "between"])
    right.spines[:].set_visible(False)
    return figure


def in_a_row(images: np.ndarray) -> np.ndarray:
    """Join images (N, H, W, 1) side by side."""
    return np.concatenate(list(images[..., 0]), axis=1)


def segmentations(losses: np.ndarray, images: np.ndarray, labels: np.ndarray, found: np.ndarray) -> Figure:
    """Draw the loss, images, what is in them, and what is found."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.6))
    curve(left.subplots(), losses, title="Loss", xlabel="step", smooth=True)
    grid = right.subplots(3, len(images))
    for row, (name, parts) in enumerate({"image": images, "truth": labels, "found": found}.items()):
        for axes, part in zip(grid[row], parts, strict=True):
            if name == "image":
                axes.imshow(part, cmap="gray")
            else:
                axes.imshow(part, cmap="viridis", vmin=0, vmax=2)
            axes.set(xticks=[], yticks=[])
        grid[row, 0].set_ylabel(name)
    return figure


def error_bands(
    data: tuple[np.ndarray, np.ndarray],
    at: np.ndarray,
    truth: np.ndarray,
    belief: Belief,
    places: np.ndarray,
    formulas: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Draw a fit with its band, and for each formula the bound of its rounding error and the error that is there."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    mean, deviation = belief
    left.fill_between(
        at, mean - 2 * deviation, mean + 2 * deviation, color=STRONG, alpha=0.18, lw=0, label="two deviations"
    )
    left.plot(at, mean, color=STRONG, lw=1.8, label="fit")
    left.plot(at, truth, color=INK, lw=1, ls="--", label="truth")
    left.plot(*data, "o", color=ALARM, ms=4, label="data")
    left.set(title="A decay, and the error of its fit", xlabel="t")
    left.legend(frameon=False, fontsize=8)
    for (name, (bounds, errors)), color in zip(formulas.items(), (ALARM, STRONG), strict=True):
        right.loglog(places, bounds, color=color, lw=1.8, label=f"{name}: bound")
        right.loglog(places, np.maximum(errors, 1e-17), ".", color=color, ms=5, label="error")
    right.set(title="Rounding errors of two formulas of one number", xlabel="x", ylim=(3e-18, 10))
    right.legend(frameon=False, fontsize=8)
    return figure


def predators(times: np.ndarray, counts: np.ndarray, at: np.ndarray, before: np.ndarray, after: np.ndarray) -> Figure:
    """Draw populations that were counted, and those of the equations before and after fitting."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    for place, (name, color) in enumerate((("prey", STRONG), ("predators", ALARM))):
        left.plot(at, before[:, place], color=color, lw=1, ls=":", alpha=0.7)
        left.plot(at, after[:, place], color=color, lw=1.8, label=name)
        left.plot(times, counts[:, place], "o", color=color, ms=4)
    left.set(title="Counts, the start (dotted) and the fit, continued", xlabel="time", ylim=(0, None))
    left.legend(frameon=False, fontsize=8)
    right.plot(*after.T, color=STRONG, lw=1.8)
    right.plot(*counts.T, "o", color=INK, ms=3)
    right.set(title="The cycle", xlabel="prey", ylabel="predators")
    return figure


def ellipse(axes: Axes, center: np.ndarray, covariance: np.ndarray, *, color: str, label: str) -> None:
    """Draw where a normal distribution is one and two deviations from its center."""
    angles = np.linspace(0, 2 * np.pi, 100)
    circle = np.linalg.cholesky(covariance) @ np.stack([np.cos(angles), np.sin(angles)])
    for deviations in (1, 2):
        axes.plot(*(center[:, None] + deviations * circle), color=color, lw=1.5)
    axes.plot([], [], color=color, lw=1.5, label=label)


def posterior(
    x: np.ndarray,
    labels: np.ndarray,
    grid: np.ndarray,
    chances: np.ndarray,
    draws: np.ndarray,
    mode: np.ndarray,
    covariance: np.ndarray,
) -> Figure:
    """Draw the chance of a label with the data, and draws of two weights with their normal approximation."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = left.contourf(grid, grid, chances, levels=np.linspace(0, 1, 11), cmap="RdBu_r", alpha=0.7)
    figure.colorbar(shown, ax=left, label="chance of the label 1")
    for label, color in ((0, STRONG), (1, ALARM)):
        left.plot(*x[labels == label].T, "o", color=color, ms=5, mec="white")
    left.set(title="The mean of all draws' predictions", xlim=(-3, 3), ylim=(-3, 3))
    right.plot(*draws.T, ".", color=FAINT, ms=2, label="Hamiltonian Monte Carlo")
    ellipse(right, mode, covariance, color=ALARM, label="Laplace, one and two deviations")
    right.set(title="The posterior of the weights", xlabel="first", ylabel="second")
    right.legend(frameon=False, fontsize=8)
    return figure


def likelihood(
    amounts: np.ndarray,
    at: np.ndarray,
    density: np.ndarray,
    parameters: Sequence[np.ndarray],
    loss: np.ndarray,
    center: np.ndarray,
    covariance: np.ndarray,
) -> Figure:
    """Draw data with the density that was found, and the likelihood with the ellipse of the covariance."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(amounts, bins=25, density=True, color=FAINT, alpha=0.6)
    left.plot(at, density, color=STRONG, lw=1.8)
    left.set(title="Amounts, and the likeliest gamma density", xlabel="amount")
    right.contour(*parameters, loss, levels=[0.5, 2.0, 4.5], colors=STRONG, linewidths=1.2)
    ellipse(right, center, covariance, color=ALARM, label="by the Hessian")
    right.plot([], [], color=STRONG, lw=1.2, label="likelihood, falling by 1/2, 2 and 9/2")
    right.set(title="The likelihood, and its normal approximation", xlabel="shape", ylabel="scale")
    right.legend(frameon=False, fontsize=8)
    return figure


def beam(
    edges: np.ndarray,
    heights: np.ndarray,
    loads: np.ndarray,
    weights: np.ndarray,
    at: tuple[float, float, float],
) -> Figure:
    """Draw the beam from the tip to the wall, and its weight for each load with the tangent of one."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar(edges[:-1], heights, np.diff(edges), -heights / 2, align="edge", color=STRONG, alpha=0.6, ec=INK)
    left.set(title="The lightest beam, from its tip to the wall", xlabel="metres", ylabel="metres", ylim=(-0.06, 0.06))
    load, weight, growth = at
    right.plot(loads, weights, "o-", color=STRONG, lw=1.5, ms=4, label="designs")
    right.plot(loads, weight + growth * (loads - load), color=ALARM, lw=1.2, ls="--", label="by the derivative")
    right.set(title="Weight for each load", xlabel="newtons", ylabel="kg")
    right.legend(frameon=False, fontsize=8)
    return figure
