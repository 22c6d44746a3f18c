"""The chart of a run: for each measurement every contender's time or memory, relative to PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interleaved import COMPILED, PLAIN, PROGRAM, PYTORCH, TAPENET

COLORS = {
    TAPENET: "#0072b2",
    COMPILED: "#003a70",
    PROGRAM: "#6a3d9a",
    PLAIN: "#56b4e9",
    PYTORCH: "#d55e00",
    "JAX (jit)": "#009e73",
    "autograd": "#999999",
    "MyGrad": "#cc79a7",
}


def draw(amounts: Mapping[str, Mapping[str, float]], targets: Mapping[str, float | None], path: Path) -> None:
    """Write a chart.

    Args:
        amounts: by the measurement's title the seconds or bytes of each contender, PyTorch among them.
        targets: by the title the ratio to PyTorch to reach.
        path: of the picture; its suffix is its format.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.42 * len(amounts) + 1.3))
    for row, (title, contenders) in enumerate(amounts.items()):
        for name, color in COLORS.items():
            if name in contenders:
                ratio = contenders[name] / contenders[PYTORCH]
                ours = name == TAPENET
                axes.plot(ratio, row, "o", color=color, markersize=9 if ours else 6, zorder=3 if ours else 2)
        if targets.get(title) is not None:
            axes.plot([targets[title]] * 2, [row - 0.32, row + 0.32], color=COLORS[TAPENET], linewidth=1.2)
    _label(axes, list(amounts))
    handles: list[Any] = [axes.plot([], [], "o", color=color, label=name)[0] for name, color in COLORS.items()]
    handles.append(axes.plot([], [], color=COLORS[TAPENET], linewidth=1.2, label="to reach")[0])
    axes.legend(handles=handles, ncols=4, loc="lower center", bbox_to_anchor=(0.35, 1.0), frameon=False, fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _label(axes: Any, titles: list[str]) -> None:
    axes.set_xscale("log")
    axes.axvline(1, color=COLORS[PYTORCH], linewidth=0.8)
    axes.set_yticks(range(len(titles)), titles)
    axes.invert_yaxis()
    axes.set_xlabel("relative to PyTorch eager, less is better")
    axes.grid(axis="x", which="both", color="#e5e5e5", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
