"""Attention and the block of a transformer against PyTorch's: values and gradients."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet import nn
from tapenet.core.pytrees import evolve
from tests.against_torch import assert_same

torch = pytest.importorskip("torch")
F = torch.nn.functional

SMALL = st.integers(1, 4)


@settings(max_examples=20, deadline=None)
@given(SMALL, SMALL, SMALL, SMALL, st.sampled_from(["none", "causal", "truth", "numbers"]))
def test_scaled_dot_product_attention(heads, length, keys, features, masked):
    rng = np.random.default_rng(0)
    shapes = [(2, heads, length, features), (2, heads, keys, features), (2, heads, keys, 3)]
    arrays = [rng.normal(size=shape) for shape in shapes]
    causal = masked == "causal"
    if masked == "numbers":
        arrays.append(rng.normal(size=(heads, length, keys)))
    mask = rng.random((length, keys)) < 0.7 if masked == "truth" else None
    if mask is not None:
        mask[:, 0] = True  # PyTorch's answer for a query without keys differs between its versions
    theirs = None if mask is None else torch.tensor(mask)
    assert_same(
        lambda q, k, v, *m: nn.scaled_dot_product_attention(q, k, v, *(m or (mask,)), causal=causal),
        lambda q, k, v, *m: F.scaled_dot_product_attention(q, k, v, *(m or (theirs,)), is_causal=causal),
        *arrays,
    )


def test_rotary(rng):
    def theirs(x):
        z = torch.complex(*x.chunk(2, -1))
        angles = torch.arange(5)[:, None] * 10000.0 ** (-torch.arange(3) / 3)
        turned = z * torch.polar(torch.ones_like(angles), angles)
        return torch.cat([turned.real, turned.imag], -1)

    assert_same(nn.rotary, theirs, rng.normal(size=(2, 5, 6)), tolerance=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_a_block(causal, rng):
    block = nn.TransformerBlock(8, 2, rng=rng, hidden=12, causal=causal, activation=nn.gelu, dtype=np.float64)
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 12, 0.0, "gelu", batch_first=True, norm_first=True, dtype=torch.float64
    )
    attention, mlp = block.attention, block.mlp
    weights = {
        "self_attn.in_proj_weight": attention.inputs.kernel.T,
        "self_attn.in_proj_bias": rng.normal(size=24),
        "self_attn.out_proj.weight": attention.output.kernel.T,
        "linear1.weight": mlp[0].kernel.T,
        "linear2.weight": mlp[2].kernel.T,
    }
    with torch.no_grad():
        for name, value in theirs.named_parameters():
            if name in weights:
                value.copy_(torch.tensor(np.ascontiguousarray(weights[name])))
            elif "norm" not in name:
                value.zero_()
    bias = weights["self_attn.in_proj_bias"]
    block = evolve(block, attention=evolve(attention, inputs=evolve(attention.inputs, bias=bias)))
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64) if causal else None
    assert_same(lambda x: block(x), lambda x: theirs(x, src_mask=mask), rng.normal(size=(2, 5, 8)), tolerance=1e-9)


@pytest.mark.parametrize("masked", ["none", "lengths", "truth", "numbers"])
@pytest.mark.parametrize("bias", [True, False])
def test_attention_to_a_context(masked, bias, rng):
    """From five places to four others, of which some count."""
    theirs = torch.nn.MultiheadAttention(6, 2, bias=bias, batch_first=True, dtype=torch.float64)
    ours = nn.MultiHeadAttention(6, 2, rng=rng, bias=bias, dtype=np.float64)
    ours = nn.from_torch_state(ours, theirs.state_dict())
    lengths = nn.length_mask([4, 2, 3], 4)
    truth, numbers = rng.random((5, 4)) < 0.6, rng.normal(size=(5, 4))
    truth[:, 0] = True
    mask, options = {
        "none": (None, {}),
        "lengths": (lengths[:, None, None, :], {"key_padding_mask": torch.tensor(~lengths)}),
        "truth": (truth, {"attn_mask": torch.tensor(~truth)}),
        "numbers": (numbers, {"attn_mask": torch.tensor(numbers)}),
    }[masked]
    assert_same(
        lambda x, context: ours(x, context, mask),
        lambda x, context: theirs(x, context, context, need_weights=False, **options)[0],
        rng.normal(size=(3, 5, 6)),
        rng.normal(size=(3, 4, 6)),
        tolerance=1e-9,
    )
