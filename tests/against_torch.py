"""What comparisons with PyTorch share."""

import numpy as np

import tapenet as tn


def assert_same(ours, theirs, *operands, tolerance=1e-10):
    """Compare values, and the pullbacks of one random cotangent."""
    import torch

    y, pullback = tn.vjp(ours, *operands)
    tensors = [torch.tensor(x, requires_grad=True) for x in operands]
    expected = theirs(*tensors)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    y_bar = np.asarray(np.random.default_rng(1).normal(size=np.shape(y)))
    expected.backward(torch.tensor(y_bar))
    for gradient, tensor in zip(pullback(y_bar), tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=tolerance, atol=tolerance)
