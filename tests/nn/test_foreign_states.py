"""Parameters in the layouts of PyTorch and Flax, against PyTorch itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet import nn

DOUBLE = np.float64


def made() -> np.random.Generator:
    return np.random.default_rng(0)


def to_torch(x: np.ndarray[Any, Any], spatial: int) -> Any:
    """An input with channels last as PyTorch has it."""
    torch = pytest.importorskip("torch")
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy() if spatial else x)


def from_torch(y: Any, spatial: int) -> np.ndarray[Any, Any]:
    y = y.detach().numpy()
    return np.moveaxis(y, 1, -1) if spatial else y


# Of each kind: ours, PyTorch's by its name and arguments, the input's shape, and how many axes a window has.
LAYERS: dict[str, tuple[Any, str, tuple[Any, ...], dict[str, Any], tuple[int, ...], int]] = {
    "Dense": (lambda: nn.Dense(3, 4, rng=made(), dtype=DOUBLE), "Linear", (3, 4), {}, (5, 3), 0),
    "Dense without bias": (
        lambda: nn.Dense(3, 4, rng=made(), bias=False, dtype=DOUBLE),
        "Linear",
        (3, 4),
        {"bias": False},
        (5, 3),
        0,
    ),
    "Conv": (
        lambda: nn.Conv(4, 6, (3, 2), rng=made(), groups=2, stride=2, dtype=DOUBLE),
        "Conv2d",
        (4, 6, (3, 2)),
        {"groups": 2, "stride": 2},
        (2, 7, 8, 4),
        2,
    ),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, rng=made(), dtype=DOUBLE), "Conv1d", (2, 3, 3), {}, (2, 7, 2), 1),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, rng=made(), dtype=DOUBLE), "Conv3d", (2, 3, 2), {}, (2, 4, 5, 3, 2), 3),
    "ConvTranspose": (
        lambda: nn.ConvTranspose(4, 6, (3, 2), rng=made(), stride=2, groups=2, dtype=DOUBLE),
        "ConvTranspose2d",
        (4, 6, (3, 2)),
        {"stride": 2, "groups": 2},
        (2, 4, 5, 4),
        2,
    ),
    "ConvTranspose1d": (
        lambda: nn.ConvTranspose1d(2, 3, 3, rng=made(), stride=2, dtype=DOUBLE),
        "ConvTranspose1d",
        (2, 3, 3),
        {"stride": 2},
        (2, 5, 2),
        1,
    ),
    "BatchNorm": (lambda: nn.BatchNorm(3, dtype=DOUBLE), "BatchNorm2d", (3,), {}, (2, 4, 4, 3), 2),
    "LayerNorm": (lambda: nn.LayerNorm(3, dtype=DOUBLE), "LayerNorm", (3,), {}, (5, 3), 0),
    "GroupNorm": (lambda: nn.GroupNorm(4, 2, dtype=DOUBLE), "GroupNorm", (2, 4), {}, (2, 3, 3, 4), 2),
    "InstanceNorm": (
        lambda: nn.InstanceNorm(3, dtype=DOUBLE),
        "InstanceNorm2d",
        (3,),
        {"affine": True},
        (2, 4, 4, 3),
        2,
    ),
    "RMSNorm": (lambda: nn.RMSNorm(3, dtype=DOUBLE), "RMSNorm", (3,), {"eps": 1e-6}, (5, 3), 0),
    "PReLU": (lambda: nn.PReLU(dtype=DOUBLE), "PReLU", (), {}, (5, 3), 0),
    "Embedding": (lambda: nn.Embedding(7, 3, rng=made(), dtype=DOUBLE), "Embedding", (7, 3), {}, (5,), 0),
    "RNN": (lambda: nn.RNN(3, 4, rng=made(), dtype=DOUBLE), "RNN", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "LSTM": (lambda: nn.LSTM(3, 4, rng=made(), dtype=DOUBLE), "LSTM", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "GRU": (lambda: nn.GRU(3, 4, rng=made(), dtype=DOUBLE), "GRU", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "GRU without bias": (
        lambda: nn.GRU(3, 4, rng=made(), bias=False, dtype=DOUBLE),
        "GRU",
        (3, 4),
        {"batch_first": True, "bias": False},
        (2, 5, 3),
        0,
    ),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_with_pytorchs_parameters_gives_its_outputs(kind: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    make, name, arguments, options, shape, spatial = LAYERS[kind]
    theirs = getattr(torch.nn, name)(*arguments, **options).double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
        for key, buffer in theirs.named_buffers():
            if key.startswith("running"):
                buffer.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, size=buffer.shape)))
    x = rng.integers(7, size=shape) if kind == "Embedding" else rng.normal(size=shape)
    outputs = theirs(to_torch(x, spatial))
    expected = from_torch(outputs[0] if isinstance(outputs, tuple) else outputs, spatial)
    ours = nn.from_torch_state(make(), theirs.state_dict())
    assert type(ours) is type(make())
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10, atol=1e-12)
    # And back: PyTorch takes what we give, and gives the same.
    again = getattr(torch.nn, name)(*arguments, **options).double().eval()
    state = {key: torch.from_numpy(array) for key, array in nn.to_torch_state(ours).items()}
    again.load_state_dict(state, strict=False)
    assert {*again.state_dict()} - {*state} <= {"num_batches_tracked"}
    outputs = again(to_torch(x, spatial))
    found = from_torch(outputs[0] if isinstance(outputs, tuple) else outputs, spatial)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_every_layer_with_parameters_has_a_layout() -> None:
    kinds = {type(make()) for make, *_ in LAYERS.values()} | {nn.RNNCell, nn.LSTMCell, nn.GRUCell}
    kinds |= {nn.MultiHeadAttention, nn.TransformerBlock}
    public = [getattr(nn, name) for name in nn.__all__]
    with_arrays = {
        kind
        for kind in public
        if isinstance(kind, type)
        and attrs.has(kind)
        and {"kernel", "scale", "table", "slope", "cell"} & {field.name for field in attrs.fields(kind)}
    }
    assert with_arrays - kinds == set()


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells(cell: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, cell.__name__)(3, 4).double()
    ours = nn.from_torch_state(cell(3, 4, rng=rng, dtype=DOUBLE), theirs.state_dict())
    x = rng.normal(size=(2, 3))
    expected = theirs(torch.from_numpy(x))
    found, expected = (y[0] if isinstance(y, tuple) else y for y in (ours(x, ours.start(x)), expected))
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10)


class Attending:
    """PyTorch's attention of x to itself, as a module of x."""

    def __new__(cls, features: int, heads: int) -> Any:
        torch = pytest.importorskip("torch")

        class Module(torch.nn.MultiheadAttention):  # type: ignore[misc,name-defined]  # as torch has no types here
            def forward(self, x: Any) -> Any:
                return super().forward(x, x, x, need_weights=False)[0]

        return Module(features, heads, batch_first=True)


def encoder_layer() -> Any:
    torch = pytest.importorskip("torch")
    options = {"norm_first": True, "batch_first": True, "activation": "gelu"}
    return torch.nn.TransformerEncoderLayer(8, 2, 16, **options)


BLOCKS = {
    "attention": (lambda: nn.MultiHeadAttention(8, 2, rng=made(), dtype=DOUBLE), lambda: Attending(8, 2)),
    "block": (lambda: nn.TransformerBlock(8, 2, hidden=16, rng=made(), dtype=DOUBLE), encoder_layer),
    "blocks": (
        lambda: nn.Sequential(*[nn.TransformerBlock(8, 2, hidden=16, rng=made(), dtype=DOUBLE) for _ in range(2)]),
        lambda: pytest.importorskip("torch").nn.Sequential(encoder_layer(), encoder_layer()),
    ),
}


@pytest.mark.parametrize("by", ["name", "order"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_attention_and_blocks(kind: str, by: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (make() for make in BLOCKS[kind])
    theirs = theirs.double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
    x = rng.normal(size=(2, 5, 8))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    if by == "name" or kind == "attention":  # PyTorch registers the parts of a block in another order
        ours = nn.from_torch_state(ours, theirs.state_dict(), by=by)
        np.testing.assert_allclose(ours(x), expected, rtol=1e-9, atol=1e-11)
        assert {*nn.to_torch_state(ours)} == {*theirs.state_dict()}


# ---- models ----


def model(dtype: Any = DOUBLE) -> nn.Sequential:
    rng = made()
    return nn.Sequential(
        nn.Conv(1, 4, 3, rng=rng, dtype=dtype),
        nn.BatchNorm(4, dtype=dtype),
        nn.relu,
        nn.GlobalAvgPool(),
        nn.Dense(4, 3, rng=rng, dtype=dtype),
    )


def torch_model() -> Any:
    torch = pytest.importorskip("torch")
    parts = (torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    theirs = torch.nn.Sequential(*parts, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 3))
    theirs = theirs.double()
    theirs(torch.from_numpy(made().normal(size=(8, 1, 6, 6))))  # so that running statistics are not as at first
    return theirs.eval()


def test_a_model_by_order_and_by_names(rng: np.random.Generator, tmp_path: Path) -> None:
    theirs = torch_model()
    x = rng.normal(size=(2, 6, 6, 1))
    expected = theirs(to_torch(x, 2)).detach().numpy()
    state = theirs.state_dict()
    by_order = nn.from_torch_state(model(), state, by="order")
    by_name = nn.from_torch_state(model(), state, names={"layers.4": "5"})
    np.testing.assert_allclose(by_order(x), expected, rtol=1e-10)
    np.testing.assert_allclose(by_name(x), expected, rtol=1e-10)
    written = nn.to_torch_state(by_order, names={"layers.4": "5"})
    assert {*written} == {key for key in state if not key.endswith("num_batches_tracked")}
    pytest.importorskip("safetensors.torch").save_file(state, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(
        nn.from_torch_state(model(), tn.load(tmp_path / "x.safetensors"), by="order")(x), by_order(x)
    )


def test_dtypes_are_those_of_the_model() -> None:
    state = nn.to_torch_state(nn.from_torch_state(model(np.float32), nn.to_torch_state(model())))
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}


def test_fields_of_models_give_names() -> None:
    assert [*nn.to_torch_state(tn.models.LeNet(rng=made()))][:3] == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.3.weight",
    ]


def test_every_difference_is_listed() -> None:
    state = nn.to_torch_state(model())
    del state["0.bias"]
    state["4.weight"] = np.ones((3, 5))
    state["7.weight"] = np.ones(2)
    with pytest.raises(tn.ArgumentError) as caught:
        nn.from_torch_state(model(), state)
    lines = str(caught.value).split("\n")
    assert lines[0].endswith("got 3 differences:")
    assert lines[1:-1] == [
        "  0.bias: missing, of shape (4,)",
        "  4.weight: shape (3, 5) where the model has (3, 4)",
        "  7.weight: not in the model",
    ]
    with pytest.raises(tn.ArgumentError, match=r"must have a layer for each .* got none left for 'layers.0'"):
        nn.from_torch_state(model(), state, by="order")


def test_wrong_arguments_are_named() -> None:
    @attrs.frozen(eq=False)
    class Loose(nn.Stateless):
        table: Any

        def __call__(self, x: Any) -> Any:
            return x + self.table

    with pytest.raises(tn.ArgumentTypeError, match=r"model must be of layers .* shape \(2,\) at 'table'"):
        nn.to_torch_state(Loose(np.ones(2)))
    with pytest.raises(tn.ArgumentError, match=re.escape("names must be of the paths of layers with parameters")):
        nn.to_torch_state(model(), names={"layers.9": "0"})
    with pytest.raises(tn.ArgumentTypeError, match=r"state\['a'\] must be an array of numbers; got 'x'"):
        nn.from_torch_state(model(), {"a": "x"})


# ---- Flax ----


def flax_variables(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "params": {
            "BatchNorm_0": {"bias": rng.normal(size=4), "scale": rng.normal(size=4)},
            "Conv_0": {"bias": rng.normal(size=4), "kernel": rng.normal(size=(3, 3, 1, 4))},
            "Dense_0": {"bias": rng.normal(size=3), "kernel": rng.normal(size=(4, 3))},
        },
        "batch_stats": {"BatchNorm_0": {"mean": rng.normal(size=4), "var": rng.uniform(size=4)}},
    }


FLAX_NAMES = {"layers.0": "Conv_0", "layers.1": "BatchNorm_0", "layers.4": "Dense_0"}


@pytest.mark.parametrize("options", [{}, {"names": FLAX_NAMES}])
def test_flaxs_variables_there_and_back(options: Any, rng: np.random.Generator) -> None:
    variables = flax_variables(rng)
    ours = nn.from_flax_state(model(), variables, **options)
    np.testing.assert_array_equal(ours[0].kernel, variables["params"]["Conv_0"]["kernel"])
    np.testing.assert_array_equal(ours[1].running.var, variables["batch_stats"]["BatchNorm_0"]["var"])
    np.testing.assert_array_equal(ours[4].bias, variables["params"]["Dense_0"]["bias"])
    back = nn.to_flax_state(ours, names=FLAX_NAMES)
    assert tn.tree.paths(back) == tn.tree.paths(variables)
    assert tn.tree.allclose(back, variables, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "window"), [(nn.ConvTranspose, (3, 2)), (nn.ConvTranspose1d, 3)])
@pytest.mark.usefixtures("jax_in_double_precision")
def test_flaxs_transposed_convolutions_are_jaxs(kind: Any, window: Any, rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    axes = "HW"[: np.size(window)]
    kernel, bias = rng.normal(size=(*np.atleast_1d(window), 2, 4)), rng.normal(size=4)
    ours = kind(2, 4, window, rng=rng, stride=2, dtype=DOUBLE)
    ours = nn.from_flax_state(ours, {"params": {"kernel": kernel, "bias": bias}})
    x = rng.normal(size=(3, *(5, 4)[: len(axes)], 2))
    layout = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    expected = jax.lax.conv_transpose(x, kernel, (2,) * len(axes), "VALID", dimension_numbers=layout) + bias
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10)
    np.testing.assert_array_equal(nn.to_flax_state(ours)["params"]["kernel"], kernel)


def test_flaxs_layers_of_one_shape_are_taken_in_the_order_of_their_numbers(rng: np.random.Generator) -> None:
    layers = nn.Sequential(*[nn.Dense(2, 2, rng=rng, dtype=DOUBLE) for _ in range(12)])
    params = {f"Dense_{i}": {"kernel": np.full((2, 2), i), "bias": np.zeros(2)} for i in reversed(range(12))}
    ours = nn.from_flax_state(layers, {"params": params})
    assert [layer.kernel[0, 0] for layer in ours] == list(range(12))
