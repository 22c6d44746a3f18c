"""The pictures of `mnist.py`: how training went, the digits that were read wrong, and which were taken for which."""

import math
from pathlib import Path

import digits
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK = "#1f2933"
FAINT = "#9fb3c8"
STRONG = "#0b69a3"
ALARM = "#ba2525"


def save(figure: Figure, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with digits.written_whole(path) as file:
        figure.savefig(file, format="png", dpi=150)


def learning_curves(losses: np.ndarray, accuracies: np.ndarray) -> Figure:
    """Draw the training loss of each step, and the test accuracy after each epoch."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = len(accuracies)
    at = np.arange(1, len(losses) + 1) / len(losses) * epochs
    left.semilogy(at, losses, color=FAINT, linewidth=0.6, alpha=0.7, label="each batch")
    left.semilogy(at, smoothed(losses), color=STRONG, linewidth=1.8, label="moving average")
    left.set(title="Training loss", xlabel="epoch", ylabel="cross entropy", xlim=(0, epochs))
    left.legend(frameon=False)
    right.plot(range(1, epochs + 1), accuracies, color=STRONG, linewidth=1.8, marker="o", markersize=5)
    right.annotate(
        f"{accuracies[-1]:.2%}",
        (epochs, accuracies[-1]),
        textcoords="offset points",
        xytext=(5, -18),
        ha="right",
        color=STRONG,
        weight="bold",
    )
    right.set(title="Accuracy on the test digits", xlabel="epoch", xlim=(0.5, epochs + 0.5))
    right.margins(y=0.2)
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def confusion(counts: np.ndarray) -> Figure:
    """Draw how often each digit was read as each other one; the colors are those of the mistakes."""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.subplots()
    mistakes = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    axes.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max()))
    for (row, column), count in np.ndenumerate(counts):
        color = STRONG if row == column else INK if count else FAINT
        axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=color)
    total, right = counts.sum(), np.trace(counts)
    axes.set(title=f"{right:,} of {total:,} digits read right", xlabel="read as", ylabel="is")
    axes.set(xticks=range(len(counts)), yticks=range(len(counts)))
    axes.spines[:].set_visible(False)
    return figure


def smoothed(values: np.ndarray, share: float = 0.03) -> np.ndarray:
    """Average each value with those before it, over a window of that share of the whole."""
    window = max(1, round(len(values) * share))
    sums = np.cumsum(np.concatenate([[0.0], values]))
    stop = np.arange(1, len(values) + 1)
    start = np.maximum(stop - window, 0)
    means: np.ndarray = (sums[stop] - sums[start]) / (stop - start)
    return means


def wrong_digits(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, *, columns: int = 8, most: int = 32
) -> Figure:
    """Draw the digits that were read wrong, those first of which the model was surest."""
    read = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(read != labels)
    shown = wrong[np.argsort(-probabilities[wrong, read[wrong]], kind="stable")][:most]
    rows = max(1, math.ceil(len(shown) / columns))
    figure = Figure(figsize=(1.25 * columns, 1.55 * rows + 0.5), layout="constrained")
    title = f"{len(wrong):,} of {len(labels):,} test digits read wrong"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} of which the model was surest"
    figure.suptitle(title, color=INK)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, index in zip(grid.flat, shown, strict=False):
        draw_digit(axes, images[index, :, :, 0], int(labels[index]), int(read[index]), probabilities[index].max())
    return figure


def draw_digit(axes: Axes, image: np.ndarray, label: int, read: int, probability: float) -> None:
    """Draw one digit, and over it what it was read as, how surely, and what it is."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(f"read {read} ({probability:.0%})", fontsize=9, color=ALARM, pad=15)
    axes.text(0.5, 1.05, f"is {label}", transform=axes.transAxes, ha="center", fontsize=9, color=INK)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.6)
