"""What comparisons with PyTorch share."""

import numpy as np

import tapenet as tn


def assert_same(ours, theirs, *operands, tolerance=1e-10, second=True):
    """Compare values, the pullbacks of one random cotangent, and the derivatives of these along random directions."""
    import torch

    y, pullback = tn.vjp(ours, *operands)
    tensors = [torch.tensor(x, requires_grad=True) for x in operands]
    expected = theirs(*tensors)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
    rng = np.random.default_rng(1)
    y_bar = np.asarray(rng.normal(size=np.shape(y)))
    slopes = torch.autograd.grad(expected, tensors, torch.tensor(y_bar), create_graph=second)
    for gradient, slope in zip(pullback(y_bar), slopes, strict=True):
        np.testing.assert_allclose(gradient, slope.detach().numpy(), rtol=tolerance, atol=tolerance)
    if second:
        assert_same_second(ours, operands, y_bar, tensors, slopes, tolerance)


def assert_same_second(ours, operands, y_bar, tensors, slopes, tolerance):
    """Compare derivatives of pulled cotangents, where PyTorch has them."""
    import torch

    rng = np.random.default_rng(2)
    directions = [rng.normal(size=x.shape) for x in operands]
    total = sum((slope * torch.tensor(v)).sum() for slope, v in zip(slopes, directions, strict=True))
    if not total.requires_grad:  # linear
        expected = [torch.zeros_like(x) for x in tensors]
    else:
        try:
            expected = torch.autograd.grad(total, tensors, allow_unused=True, materialize_grads=True)
        except RuntimeError as error:
            if "not implemented" not in str(error):
                raise
            return

    def along(*operands):
        pulled = tn.vjp(ours, *operands)[1](y_bar)
        return sum((bar * v).sum() for bar, v in zip(pulled, directions, strict=True))

    found = tn.grad(along, tuple(range(len(operands))))(*operands)
    for ours_twice, theirs_twice in zip(found, expected, strict=True):
        theirs_twice = theirs_twice.detach().numpy()
        scale = max(1.0, float(np.max(np.abs(theirs_twice), initial=0)))
        np.testing.assert_allclose(ours_twice, theirs_twice, rtol=10 * tolerance, atol=10 * tolerance * scale)
