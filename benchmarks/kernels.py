"""Time the convolution and pooling kernels beside PyTorch's, in one process.

Every measurement is repeated in rounds that run all of a row's functions in turn; the fastest round counts,
so that whatever else the machine does falls on both sides alike. A ratio above 1 says that PyTorch is faster.

    python benchmarks/kernels.py --rounds 30 --only vgg
    python benchmarks/kernels.py --batch 1 --layout contiguous
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from tapenet import kernels

Functions = dict[str, tuple[Callable[[], Any], Callable[[], Any]]]

# name: images (N, H, W, C), kernel (kh, kw, C, O), stride, padding on each side
CONVOLUTIONS = {
    "lenet 1 valid": ((64, 28, 28, 1), (5, 5, 1, 32), 1, 0),
    "lenet 2 valid": ((64, 12, 12, 32), (5, 5, 32, 64), 1, 0),
    "lenet 1 same": ((64, 28, 28, 1), (5, 5, 1, 32), 1, 2),
    "lenet 2 same": ((64, 14, 14, 32), (5, 5, 32, 64), 1, 2),
    "vgg 32 first": ((16, 32, 32, 3), (3, 3, 3, 64), 1, 1),
    "vgg 32": ((16, 32, 32, 64), (3, 3, 64, 64), 1, 1),
    "vgg 16": ((16, 16, 16, 128), (3, 3, 128, 128), 1, 1),
    "vgg 8": ((16, 8, 8, 256), (3, 3, 256, 256), 1, 1),
    "vgg 4": ((16, 4, 4, 512), (3, 3, 512, 512), 1, 1),
    "vgg 2": ((16, 2, 2, 512), (3, 3, 512, 512), 1, 1),
    "pointwise": ((16, 16, 16, 128), (1, 1, 128, 128), 1, 0),
    "strided": ((16, 32, 32, 64), (3, 3, 64, 128), 2, 1),
    "patches": ((16, 32, 32, 3), (4, 4, 3, 128), 4, 0),
    "depthwise": ((16, 32, 32, 64), (3, 3, 1, 64), 1, 1),
    "groups of 8": ((16, 32, 32, 64), (3, 3, 8, 64), 1, 1),
}

# name: images (N, H, W, C), window, stride, padding on each side
POOLS = {
    "lenet 24": ((64, 24, 24, 32), 2, 2, 0),
    "lenet 8": ((64, 8, 8, 64), 2, 2, 0),
    "lenet 28": ((64, 28, 28, 32), 2, 2, 0),
    "vgg 32": ((16, 32, 32, 64), 2, 2, 0),
    "vgg 8": ((16, 8, 8, 256), 2, 2, 0),
    "overlapping": ((16, 32, 32, 64), 3, 2, 1),
}


def fastest(functions: Functions, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the fastest time in seconds of each function, ours and theirs."""
    times = {name: [np.inf, np.inf] for name in functions}
    for _ in range(rounds):
        for name, pair in functions.items():
            for side, function in enumerate(pair):
                begin = time.perf_counter()
                function()
                times[name][side] = min(times[name][side], time.perf_counter() - begin)
    return {name: (ours, theirs) for name, (ours, theirs) in times.items()}


def to_torch(x: np.ndarray, order: tuple[int, ...], layout: torch.memory_format) -> torch.Tensor:
    return torch.from_numpy(x).permute(order).contiguous(memory_format=layout)


def convolution(
    images: tuple[int, ...],
    kernel: tuple[int, ...],
    step: int,
    pad: int,
    dtype: str,
    layout: torch.memory_format,
) -> Functions:
    """Pair our convolution kernels with PyTorch's, after a look whether they agree."""
    rng = np.random.default_rng(0)
    groups = images[3] // kernel[2]
    x, k = rng.normal(size=images).astype(dtype), rng.normal(size=kernel).astype(dtype)
    geometry: Any = {
        "stride": (step, step),
        "padding": ((pad, pad), (pad, pad)),
        "dilation": (1, 1),
        "groups": groups,
    }
    forward = partial(kernels.convolution.convolve, x, k, **geometry)
    t = rng.normal(size=forward().shape).astype(dtype)
    torch_x, torch_t = to_torch(x, (0, 3, 1, 2), layout), to_torch(t, (0, 3, 1, 2), layout)
    torch_k = to_torch(k, (3, 2, 0, 1), layout)

    def backward(*wanted: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            torch_t,
            torch_x,
            torch_k,
            None,
            [step] * 2,
            [pad] * 2,
            [1, 1],
            False,
            [0, 0],
            groups,
            [*wanted, False],
        )

    functions: Functions = {
        "forward": (forward, partial(functional.conv2d, torch_x, torch_k, None, step, pad, 1, groups)),
        "input": (
            partial(kernels.convolution.convolve_input, t, k, input_size=images[1:3], **geometry),
            lambda: backward(True, False)[0],
        ),
        "kernel": (
            partial(kernels.convolution.convolve_kernel, x, t, kernel_size=kernel[:2], **geometry),
            lambda: backward(False, True)[1],
        ),
    }
    for name, (ours, theirs) in functions.items():
        order = (2, 3, 1, 0) if name == "kernel" else (0, 2, 3, 1)
        np.testing.assert_allclose(ours(), theirs().permute(order).numpy(), rtol=1e-2, atol=2e-2, err_msg=name)
    return functions


def pool(
    images: tuple[int, ...], window: int, step: int, pad: int, dtype: str, layout: torch.memory_format
) -> Functions:
    """Pair our pooling kernels with PyTorch's, after a look whether they agree."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=images).astype(dtype)
    geometry: Any = {"window": (window,) * 2, "stride": (step,) * 2, "padding": ((pad, pad), (pad, pad))}
    size = {"input_size": images[1:3]}
    y, winners = kernels.pooling.max_pool_with_winners(x, **geometry)
    t = rng.normal(size=y.shape).astype(dtype)
    torch_x, torch_t = to_torch(x, (0, 3, 1, 2), layout), to_torch(t, (0, 3, 1, 2), layout)
    _, indices = functional.max_pool2d(torch_x, window, step, pad, return_indices=True)
    max_options = ([window] * 2, [step] * 2, [pad] * 2, [1, 1], False, indices)
    avg_options = ([window] * 2, [step] * 2, [pad] * 2, False, False, None)
    functions: Functions = {
        "forward": (
            partial(kernels.pooling.max_pool, x, **geometry),
            lambda: torch.max_pool2d(torch_x, window, step, pad),
        ),
        "winners": (
            lambda: kernels.pooling.max_pool_with_winners(x, **geometry)[0],
            lambda: functional.max_pool2d(torch_x, window, step, pad, return_indices=True)[0],
        ),
        "input": (
            partial(kernels.pooling.pool_scatter, t, winners, **size, **geometry),
            lambda: torch.ops.aten.max_pool2d_with_indices_backward(torch_t, torch_x, *max_options),
        ),
        "mean": (
            partial(kernels.pooling.avg_pool, x, **geometry),
            lambda: functional.avg_pool2d(torch_x, window, step, pad, count_include_pad=False),
        ),
        "mean input": (
            partial(kernels.pooling.avg_pool_input, t, **size, **geometry),
            lambda: torch.ops.aten.avg_pool2d_backward(torch_t, torch_x, *avg_options),
        ),
    }
    for name, (ours, theirs) in functions.items():
        np.testing.assert_allclose(ours(), theirs().permute(0, 2, 3, 1).numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    return functions


def show(title: str, times: dict[str, tuple[float, float]]) -> None:
    """Print one row: ours / theirs in milliseconds, and their ratio, for each function."""
    cells = [f"{name} {a * 1e3:7.2f}/{b * 1e3:6.2f} {a / b:5.2f}x" for name, (a, b) in times.items()]
    print(f"{title:15}", " | ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="the rows whose name holds this text")
    parser.add_argument("--batch", type=int, help="images in a batch, instead of each row's own")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--layout", default="channels_last", choices=["channels_last", "contiguous"])
    options = parser.parse_args()
    layout = torch.channels_last if options.layout == "channels_last" else torch.contiguous_format
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.layout}; "
        f"numpy {np.__version__}; {options.dtype}"
    )
    print("ours/theirs in ms, fastest of", options.rounds, "rounds")
    for heading, make, rows in (("convolution", convolution, CONVOLUTIONS), ("pooling", pool, POOLS)):
        print(f"\n{heading}")
        for name, (images, *geometry) in rows.items():
            if options.only in name:
                images = (options.batch or images[0], *images[1:])
                times = fastest(make(images, *geometry, options.dtype, layout), options.rounds)
                if heading == "convolution":
                    times["all"] = tuple(map(sum, zip(*times.values())))
                show(name, times)


if __name__ == "__main__":
    main()
