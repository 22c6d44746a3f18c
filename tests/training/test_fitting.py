"""`fit` against its parts written out: resumed, interrupted, with callbacks, and when the loss is not finite."""

from __future__ import annotations

import io
import re
import sys

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import optim
from tapenet.data import batches, prefetch, transformed
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingPackageError, NumericalError
from tapenet.training import (
    Callback,
    Checkpoints,
    History,
    Run,
    accuracy,
    early_stopping,
    epoch_rng,
    evaluate,
    fit,
    inference,
    keep_best,
    make_step,
)
from tests.training.models import assert_same, assert_same_model, small_data, small_loss, small_model


def shuffled(rng):
    return batches(small_data(), 8, rng=rng)


def fitted(epochs=4, seed=3, data=shuffled, optimizer=None, **options):
    rng = np.random.default_rng(seed)
    return fit(small_model(), small_loss, optimizer or optim.adam(0.01), data, epochs=epochs, rng=rng, **options)


# ---- the loop ----


def test_fit_is_its_parts_written_out():
    model, state, history = fitted()
    rng, mine, optimizer = np.random.default_rng(3), small_model(), optim.adam(0.01)
    step, my_state, losses = make_step(small_loss, optimizer), optimizer.init(mine), []
    for _ in range(4):
        for batch in shuffled(epoch_rng(rng)):
            mine, my_state, loss = step(mine, my_state, batch, rng)
            losses.append(loss)
    assert_same_model(model, mine)
    assert_same(state, my_state)
    assert history.losses.tolist() == losses
    assert len(history) == 4
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(history["loss"], np.reshape(losses, (4, 5)).mean(axis=1))


def test_a_model_learns():
    validation = batches(small_data(50, 7), 16)
    data = batches(small_data(400), 16)
    model, _, history = fitted(15, data=data, validation=validation, metrics=[accuracy])
    assert history["accuracy"][-1] > 0.9
    assert history["validation_loss"][-1] < history["validation_loss"][0]
    x, labels = small_data(50, 7)
    assert history["accuracy"][-1] == accuracy(model(x), labels)
    expected = float(tn.nn.cross_entropy(model(x), labels))
    np.testing.assert_allclose(history["validation_loss"][-1], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "data",
    [
        [*batches(small_data(), 8)],
        batches(small_data(), 8),
        prefetch(batches(small_data(), 8)),
        transformed(batches(small_data(), 8), tuple),
    ],
)
def test_kinds_of_data(data):
    expected, _, _ = fitted(data=[*batches(small_data(), 8)])
    model, _, _ = fitted(data=data)
    assert_same_model(model, expected)


def test_functions_of_a_generator_are_data():
    """They may give any iterable, for one epoch."""
    first, _, _ = fitted(data=lambda rng: batches(small_data(), 8))
    second, _, _ = fitted(data=lambda rng: (list(batch) for batch in batches(small_data(), 8)))
    assert_same_model(first, second)


def test_a_batch_that_is_not_a_tuple():
    data = batches({"x": np.ones(4), "y": np.full(4, 2.0)}, 2)
    rng = np.random.default_rng(0)
    loss = lambda w, batch, rng: (((w * batch["x"] - batch["y"]) ** 2).mean(), w)  # noqa: E731
    w, _, _ = fit(0.0, loss, optim.sgd(0.25), data, epochs=10, rng=rng)
    np.testing.assert_allclose(w, 2.0, rtol=1e-3)


def test_prefetched_data_with_a_generator_of_its_own():
    """The data draw in a thread, and the loss draws from `rng` meanwhile: each run is the same."""

    def data(rng):
        return prefetch((x + rng.random(x.shape, np.float32), y) for x, y in batches(small_data(), 8, rng=rng))

    models = [fitted(data=data)[0] for _ in range(2)]
    assert_same_model(*models)


def test_no_epochs():
    model, _, history = fitted(epochs=0)
    assert_same_model(model, small_model())
    assert (len(history), str(history), history.losses.size) == (0, "no epochs", 0)


def test_what_came_is_not_changed():
    model = small_model()
    fit(model, small_loss, optim.adam(0.1), shuffled, epochs=2, rng=np.random.default_rng(0))
    assert_same_model(model, small_model())


@pytest.mark.parametrize("size", [8, 7])
def test_a_compiled_training_is_the_same_to_rounding(size):
    """Also where the last batch is smaller, and so of another program."""

    def data(rng):
        return batches(small_data(), size, rng=rng)

    model, _, history = fitted(data=data, compile=True)
    expected, _, eager = fitted(data=data)
    np.testing.assert_allclose(history.losses, eager.losses, rtol=1e-4)
    assert tn.tree.allclose(model, expected, rtol=1e-3, atol=1e-5)


OPTIMIZERS = {
    "momentum": optim.momentum(0.05, 0.9),
    "adam with a schedule": optim.adam(optim.cosine_decay(0.05, 20)),
    "radam": optim.radam(0.05),
    "chain": optim.chain(optim.skip_nonfinite(), optim.clip_by_global_norm(0.1), optim.adamw(0.05)),
    "partition": optim.partition(
        lambda path, leaf: "a" if leaf.ndim > 1 else "b", {"a": optim.adamax(0.01), "b": optim.adam(0.05)}
    ),
    "adafactor": optim.adafactor(0.05),
    "lbfgs": optim.lbfgs(),
}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_compiled_updates_are_those_of_the_optimizer(name):
    """Of those that are compiled with the loss, and of the one that runs by itself."""
    options = {"data": batches(small_data(), 8), "epochs": 3}
    compiled, state, history = fitted(optimizer=OPTIMIZERS[name], compile=True, **options)
    eager, expected_state, expected = fitted(optimizer=OPTIMIZERS[name], **options)
    np.testing.assert_allclose(history.losses, expected.losses, rtol=1e-4)
    assert tn.tree.allclose(compiled, eager, rtol=1e-3, atol=1e-5)
    assert state.step == expected_state.step


def test_a_step_that_does_not_compile_says_so():
    seen = []

    def loss(w, x, rng):
        seen.append(1)
        return (w * x - 1) ** 2, w

    with pytest.warns(
        tn.errors.CompileWarning, match="compile: the training step runs eagerly .* writes into a container"
    ):
        fit(0.5, loss, optim.sgd(0.1), [(1.0,)], epochs=2, rng=RNG(0), compile=True)


def test_an_update_that_reads_more_than_the_gradient_is_not_compiled():
    values = []

    @attrs.frozen
    class Watching(type(optim.sgd())):
        def update(self, gradients, state, params, *, value=None, value_and_grad=None, donate=False):
            values.append(value)
            return super().update(gradients, state, params)

    _, _, history = fitted(optimizer=Watching(0.1, 0.0), compile=True)
    np.testing.assert_array_equal(values, history.losses)


@pytest.mark.parametrize("first", [False, True])
def test_a_step_that_a_compiled_optimizer_leaves_out_leaves_running_statistics_too(first):
    """Also in the first step, before which there are none."""
    x, target = small_data(8)
    bad = np.full_like(x, np.nan)
    data = [(bad, target), (x, target)] if first else [(x, target), (bad, target), (x, target)]
    optimizer = optim.chain(optim.skip_nonfinite(), optim.adam(0.01))
    (found, state, history), (expected, _, _) = (
        fit(small_model(), small_loss, optimizer, data, epochs=3, rng=RNG(0), compile=compile)
        for compile in (True, False)
    )
    assert state.parts[0].skipped == np.isnan(history.losses).sum() == 3
    assert tn.tree.allclose(found, expected, rtol=1e-3, atol=1e-5)
    ours, theirs = (model.layers[1].running for model in (found, expected))
    np.testing.assert_allclose((ours.mean, ours.var), (theirs.mean, theirs.var), rtol=1e-4, atol=1e-7)


def test_nan_in_a_compiled_training_is_named():
    def loss(w, x, rng):
        return tnp.sum(tnp.log(w - x)), w

    data = [(np.array([0.5]),), (np.array([0.25]),), (np.array([2.0]),)]
    with np.errstate(all="ignore"), pytest.raises(NumericalError) as caught:
        fit(1.0, loss, optim.sgd(0.0), data, epochs=1, rng=np.random.default_rng(0), compile=True)
    assert "in epoch 1, step 3. log: the output must be finite" in str(caught.value)


# ---- other optimizers ----


def test_a_line_search_and_a_plateau_get_what_they_read():
    x, labels = small_data()
    plain = tn.nn.Dense(3, 2, rng=np.random.default_rng(0))
    for optimizer in (optim.lbfgs(), optim.chain(optim.sgd(0.5), optim.plateau(0.5, patience=3))):
        _, _, history = fit(plain, small_loss, optimizer, [(x, labels)], epochs=15, rng=np.random.default_rng(0))
        assert history["loss"][-1] < 0.6 * history["loss"][0]


def test_a_line_search_evaluates_the_same_random_numbers():
    """So that at distance 0 it finds the loss that came."""
    found = []

    @attrs.frozen
    class Watching(type(optim.sgd())):
        def update(self, gradients, state, params, *, value=None, value_and_grad=None, donate=False):
            again, slopes = value_and_grad(params)
            found.append((float(again), value))
            assert_same(slopes, gradients)
            return super().update(gradients, state, params)

    model = tn.nn.Sequential(tn.nn.Dense(3, 8, rng=np.random.default_rng(0)), tn.nn.Dropout(0.5))
    fit(model, small_loss, Watching(0.1, 0.0), [small_data()] * 3, epochs=1, rng=np.random.default_rng(0))
    assert all(a == b for a, b in found)
    assert len({a for a, _ in found}) == 3


# ---- checkpoints ----


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("callbacks", [(), (keep_best(), early_stopping(50))])
def test_a_resumed_training_ends_with_the_same_bits(tmp_path, own, callbacks, compile):
    """Also where the data have a generator of their own, or that of `fit`, and where steps are compiled."""

    def trained(epochs, **options):
        rng = np.random.default_rng(3)
        data = batches(small_data(), 8, rng=np.random.default_rng(4) if own else rng)
        validation = batches(small_data(20, 9), 8)
        options |= {"rng": rng, "validation": validation, "metrics": {"a": accuracy}, "callbacks": callbacks}
        options["compile"] = compile
        return fit(small_model(), small_loss, optim.adam(0.05), data, epochs=epochs, **options)

    model, state, history = trained(6)
    for epochs in (1, 2, 5, 6):
        again, again_state, again_history = trained(epochs, checkpoint=tmp_path, resume=True)
        assert len(again_history) == epochs
    assert_same_model(again, model)
    assert_same(again_state, state)
    np.testing.assert_array_equal(again_history.losses, history.losses)
    for name in ("epoch", "loss", "validation_loss", "a"):
        np.testing.assert_array_equal(again_history[name], history[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]
    same, _, _ = trained(3, checkpoint=tmp_path, resume=True)
    assert_same_model(same, model)


def shared_loss(w, x, target, rng):
    """Of one matrix that is used several times: a program adds its products up in another order."""
    for _ in range(6):
        x = tnp.tanh(x @ w)
    return tnp.mean((x - target[:, None]) ** 2), w


@pytest.mark.parametrize("name", ["adam with a schedule", "chain", "partition", "adafactor", "lbfgs"])
def test_a_compiled_training_is_resumed_to_the_same_bits(tmp_path, name):
    data, w = batches(small_data(), 8), RNG(1).normal(size=(3, 3))

    def trained(epochs, **options):
        return fit(w, shared_loss, OPTIMIZERS[name], data, epochs=epochs, rng=RNG(0), **options)[0]

    expected, eager = trained(4, compile=True), trained(4)
    assert not np.array_equal(expected, eager)  # so that it matters which steps are those of the program
    np.testing.assert_allclose(expected, eager, rtol=1e-10)
    for epochs in range(1, 5):
        found = trained(epochs, compile=True, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(found, expected)


def test_the_best_model_is_kept(tmp_path):
    """By the column that is asked for: here the epochs 2 and 4, by the numbers of a metric that is told beforehand."""
    models, scores = [], iter([0.1, 0.7, 0.3, 0.6])
    checkpoints = Checkpoints(tmp_path, monitor="score")
    options = {"validation": [small_data()], "metrics": {"score": lambda y, t: next(scores)}}
    model, _, history = fitted(
        callbacks=[lambda run: models.append(run.model), keep_best("score")], checkpoint=checkpoints, **options
    )
    assert history.best("score") == 2
    assert_same_model(model, models[1])
    assert_same_model(tn.load(checkpoints.best, like=small_model(5)), models[1])
    assert tn.load_metadata(checkpoints.best) == {"epoch": "2"}


def test_a_folder_that_holds_a_training_is_not_overwritten(tmp_path):
    fitted(epochs=1, checkpoint=tmp_path)
    with pytest.raises(ArgumentError) as caught:
        fitted(epochs=1, checkpoint=tmp_path)
    path = str(tmp_path / "last.safetensors")
    assert str(caught.value) == (
        f"fit: checkpoint must be a place without a training; got {path!r}, which is one. Pass resume=True to go on "
        "with it, or another place."
    )


def test_a_file_for_the_last_state_alone(tmp_path):
    path = tmp_path / "run.safetensors"
    fitted(epochs=1, checkpoint=path)
    model, _, _ = fitted(epochs=3, checkpoint=path, resume=True)
    assert [*tmp_path.iterdir()] == [path]
    assert_same_model(model, fitted(epochs=3)[0])


def test_a_checkpoint_of_another_training(tmp_path):
    fitted(epochs=1, checkpoint=tmp_path)
    last = str(tmp_path / "last.safetensors")
    cases = {"optimizer": {"optimizer": optim.sgd(0.1)}, "callbacks": {"callbacks": [keep_best()]}}
    cases["rng or the generator of data"] = {"data": batches(small_data(), 8, rng=RNG(0))}
    for name, options in cases.items():
        with pytest.raises(ArgumentError) as caught:
            fitted(epochs=2, checkpoint=tmp_path, resume=True, **options)
        text = str(caught.value)
        assert text.startswith(f"fit: {name} must be of the training in {last!r}, which resume=True goes on with; got ")
        assert text.endswith("\nPass those it began with, or another checkpoint.")
        assert "strict" not in text
    with pytest.raises(ArgumentError, match=r"fit: model and optimizer must .*\n  model.kernel: missing in the file"):
        fit(
            tn.nn.Dense(3, 2, rng=RNG(0)),
            small_loss,
            optim.adam(),
            [],
            epochs=2,
            rng=RNG(0),
            checkpoint=tmp_path,
            resume=True,
        )
    tn.save(tmp_path / "last.safetensors", {"a": 1.0})
    with pytest.raises(tn.errors.FileFormatError, match=re.escape("must be a checkpoint of fit; got KeyError")):
        fitted(epochs=2, checkpoint=tmp_path, resume=True)


# ---- interrupts and callbacks ----


def interrupting(at):
    """The loss, interrupted in a step."""
    calls = []

    def loss(model, x, labels, rng):
        calls.append(None)
        if len(calls) == at:
            raise KeyboardInterrupt
        return small_loss(model, x, labels, rng)

    return loss


def test_an_interrupt_returns_what_was_reached(tmp_path):
    rng = np.random.default_rng(3)
    options = {"rng": rng, "checkpoint": tmp_path}
    _, state, history = fit(small_model(), interrupting(8), optim.adam(0.01), shuffled, epochs=4, **options)
    assert history.interrupted
    assert (len(history), state.step) == (1, 7)
    resumed, _, after = fitted(checkpoint=tmp_path, resume=True)
    expected, _, _ = fitted()
    assert_same_model(resumed, expected)
    assert not after.interrupted


def test_functions_are_callbacks():
    seen = []

    def stop_after_two(run):
        seen.append((run.epoch, run.step, len(run.history), type(run)))
        return run.stopped() if run.epoch == 2 else None

    _, _, history = fitted(callbacks=[stop_after_two])
    assert seen == [(1, 5, 1, Run), (2, 10, 2, Run)]
    assert len(history) == 2


def test_callbacks_of_ones_own():
    class Halving(Callback):
        def init(self, run):
            return 1.0

        def epoch_end(self, run, state):
            return attrs.evolve(run, model=tn.tree.map(lambda x: x * 0, run.model)), state / 2

        def fit_end(self, run, state):
            return attrs.evolve(run, state=state)

    model, state, _ = fitted(callbacks=[Halving()])
    assert state == 1 / 16
    assert tn.tree.norm(model) == 0


@pytest.mark.parametrize(("options", "epochs"), [({}, 4), ({"mode": "max"}, 3), ({"min_change": 0.4}, 4)])
def test_early_stopping(options, epochs):
    """Of scores of which less is better: stops two epochs after the last that is better by enough."""
    scores = iter([1.0, 0.5, 0.6, 0.55, 0.3, 0.31, 0.32, 0.33])
    _, _, history = fitted(
        epochs=8,
        validation=[small_data()],
        metrics={"x_loss": lambda y, t: next(scores)},
        callbacks=[early_stopping(2, monitor="x_loss", **options)],
    )
    assert len(history) == epochs


def test_keep_best_without_an_epoch():
    model, _, _ = fitted(epochs=0, callbacks=[keep_best()])
    assert_same_model(model, small_model())


# ---- losses that are not finite ----

RNG = np.random.default_rng


def test_nan_of_the_forward_pass_is_named():
    def loss(w, x, rng):
        return tnp.sum(tnp.log(w - x)), w

    with np.errstate(all="ignore"), pytest.raises(NumericalError) as caught:
        fit(1.0, loss, optim.sgd(0.0), [(np.array([0.5]),), (np.array([2.0]),)], epochs=1, rng=RNG(0))
    text = str(caught.value)
    assert text.startswith("fit: the loss must be finite; got nan in epoch 1, step 2. log: the output must be finite")
    assert "test_fitting.py" in text


def test_nan_of_the_backward_pass_is_named():
    """A gradient that is not finite spoils the model, and the loss of the next step tells."""

    def loss(w, x, rng):
        return tnp.sum(tnp.sqrt(w * x)), w

    with np.errstate(all="ignore"), pytest.raises(NumericalError) as caught:
        fit(1.0, loss, optim.sgd(0.1), [(np.ones(2),), (np.zeros(2),), (np.ones(2),)], epochs=1, rng=RNG(0))
    text = str(caught.value)
    start = "fit: the loss must be finite; got nan in epoch 1, step 3, after the step before it. sqrt: in the backward"
    assert text.startswith(start)


def test_nan_of_the_data_is_named():
    with pytest.raises(NumericalError) as caught:
        fit(1.0, lambda w, x, rng: (tnp.sum(w * x), w), optim.sgd(), [(np.array([np.nan]),)], epochs=1, rng=RNG(0))
    assert str(caught.value) == (
        "fit: the loss must be finite; got nan in epoch 1, step 1. NaN or infinity is in batch[0]. Try a smaller "
        "learning rate, or optim.clip_by_global_norm."
    )


def test_a_step_that_is_left_out_goes_on():
    data = [(np.ones(2),), (np.array([np.nan, 1.0]),), (np.ones(2),)]
    optimizer = optim.chain(optim.skip_nonfinite(), optim.sgd(0.1))
    w, state, history = fit(1.0, lambda w, x, rng: ((w * x).sum(), w), optimizer, data, epochs=1, rng=RNG(0))
    np.testing.assert_allclose(w, 1 - 0.4)
    assert state.parts[0].skipped == 1
    assert np.isnan(history.losses).tolist() == [False, True, False]


def test_a_step_that_is_left_out_leaves_running_statistics():
    x, labels = small_data(8)
    bad = np.full_like(x, np.nan)
    optimizer = optim.chain(optim.skip_nonfinite(), optim.sgd(0.1))
    with np.errstate(invalid="ignore"):
        model, _, _ = fit(small_model(), small_loss, optimizer, [(bad, labels)], epochs=1, rng=RNG(0))
    assert_same_model(model, small_model())


def test_a_compiled_fit_moves_running_statistics_as_an_eager_one():
    data = batches(small_data(40), 8)
    compiled, eager = (
        fit(small_model(), small_loss, optim.sgd(0.1), data, epochs=3, rng=RNG(0), compile=choice)[0].layers[1]
        for choice in (True, False)
    )
    np.testing.assert_allclose(compiled.running.mean, eager.running.mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(compiled.running.var, eager.running.var, rtol=1e-4)
    assert abs(eager.running.mean).max() > 0.01


# ---- evaluation ----


def test_inference_is_without_dropout_and_updates():
    model = small_model()
    x, labels = small_data()
    _, model = model.train(x, RNG(0))
    wrapped = inference(model)
    y, same = wrapped.train(x, RNG(0))
    assert same is wrapped
    np.testing.assert_array_equal(y, model(x))
    np.testing.assert_array_equal(wrapped(x), model(x))
    np.testing.assert_array_equal(wrapped.train(x, rng=RNG(0))[0], model(x))
    assert wrapped.layers is not None
    assert inference({"w": 1.0}) == {"w": 1.0}
    found = evaluate(model, batches((x, labels), 7), [accuracy], loss=small_loss)
    np.testing.assert_allclose(found["loss"], tn.nn.cross_entropy(model(x), labels), rtol=1e-6)
    assert found["accuracy"] == accuracy(model(x), labels)


def test_layers_within_are_wrapped_too():
    @attrs.frozen
    class Model:
        dropout: tn.nn.Dropout

        def __call__(self, x):
            return self.dropout(x)

        def train(self, x, rng):
            raise AssertionError

    def loss(model, x, rng):
        y, _ = model.dropout.train(x, rng)
        return y.sum(), model

    assert evaluate(Model(tn.nn.Dropout(0.9)), [(np.ones(4),)], loss=loss) == {"loss": 4.0}


# ---- progress ----


def test_a_bar_shows_loss_metrics_and_speed(monkeypatch):
    pytest.importorskip("tqdm")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    fitted(epochs=2, progress=True, validation=[small_data()], metrics=[accuracy])
    text = stream.getvalue()
    assert re.search(r"epoch 2/2: 100%.* 5/5 \[.* batches/s, loss \d\.\d{4}, validation loss \d\.\d{4}, accuracy", text)


def test_without_a_terminal_there_is_no_bar(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    fitted(epochs=1)
    assert stream.getvalue() == ""
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    fitted(epochs=1)
    assert "epoch 1/1" in stream.getvalue()
    before = stream.getvalue()
    fitted(epochs=1, progress=False)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fitted(epochs=1)
    assert stream.getvalue() == before
    with pytest.raises(MissingPackageError, match=re.escape('pip install "tapenet[training]"')):
        fitted(epochs=1, progress=True)


# ---- errors ----


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"data": small_data()},
            ArgumentTypeError,
            "fit: data must give batches; got arrays. Write tn.data.batches(data, 32).",
        ),
        (
            {"data": 3},
            ArgumentTypeError,
            "fit: data must be an iterable of batches, or a function rng -> iterable; got 3. "
            "Write tn.data.batches(arrays, 32).",
        ),
        ({"data": lambda rng: 3}, ArgumentTypeError, "fit: data(rng) must be an iterable of batches; got 3."),
        ({"data": []}, ArgumentError, "fit: data must give a batch in each epoch; got none in epoch 1."),
        (
            {"data": iter([small_data()])},
            ArgumentError,
            "fit: data must give a batch in each epoch; got none in epoch 2. An iterator gives them once: pass a list, "
            "tn.data.batches, or a function rng -> iterable.",
        ),
        (
            {"metrics": [accuracy]},
            ArgumentError,
            "fit: validation must be given for metrics; got None with accuracy.",
        ),
        (
            {"metrics": {"loss": accuracy}, "validation": [small_data()]},
            ArgumentError,
            "fit: metrics must have names other than fit's own columns; got 'loss'.",
        ),
        (
            {"metrics": {"a": lambda y, t: y}, "validation": [small_data()]},
            ArgumentTypeError,
            "fit: metrics['a'] must give a real number; got a ndarray of shape (40, 2), float32.",
        ),
        (
            {"metrics": [accuracy], "validation": [small_data()[:1]]},
            ArgumentError,
            "fit: validation must give inputs and a target for metrics; got ",
        ),
        ({"validation": []}, ArgumentError, "fit: validation must give a batch with an example; got none."),
        ({"resume": True}, ArgumentError, "fit: checkpoint must be a folder or file to resume from; got None."),
        (
            {"callbacks": [lambda run: 3]},
            ArgumentTypeError,
            "fit: callbacks must return a Run or None; got 3.",
        ),
        (
            {"callbacks": [keep_best("accuracy")]},
            ArgumentError,
            "keep_best: monitor must be a column of the history, epoch, loss, seconds; got 'accuracy'.",
        ),
        (
            {"optimizer": optim.scale(1.0)},
            ArgumentTypeError,
            "fit: optimizer must be a tn.optim.Optimizer; got Scale(factor=1.0). Write tn.optim.chain(part, ",
        ),
    ],
)
def test_errors(options, error, text):
    with pytest.raises(error) as caught:
        fitted(**options)
    assert str(caught.value).startswith(text)


def test_two_metrics_of_one_name():
    def score(power):
        def score(outputs, targets):
            return float((outputs**power).mean())

        return score

    pair = [score(1), score(2)]
    text = "metrics must have different names; got two of 'score'. Pass a dict of metrics by name."
    with pytest.raises(ArgumentError, match=f"fit: {text}"):
        fitted(validation=[small_data()], metrics=pair)
    with pytest.raises(ArgumentError, match=f"evaluate: {text}"):
        evaluate(small_model(), [small_data()], pair)
    _, _, history = fitted(epochs=1, validation=[small_data()], metrics={"a": pair[0], "b": pair[1]})
    assert history["a"] != history["b"]


def test_functions_of_other_arguments_are_named():
    with pytest.raises(ArgumentTypeError) as caught:
        fit(1.0, lambda w, x: (w * x, w), optim.sgd(), [1.0], epochs=1, rng=RNG(0))
    assert str(caught.value) == "fit: loss must be a function (model, *batch, rng); got loss(w, x)."
    with pytest.raises(
        ArgumentTypeError, match=r"got loss\(w, x, y, rng\)\. Of a batch of one array: for several write"
    ):
        fit(1.0, lambda w, x, y, rng: (w, w), optim.sgd(), [np.ones(3), np.ones(3)], epochs=1, rng=RNG(0))
    for name in ("data", "validation"):
        with pytest.raises(ArgumentTypeError) as caught:
            fitted(**{name: lambda: [small_data()]})
        assert str(caught.value) == f"fit: {name} must be a function rng -> iterable; got {name}()."


def test_a_loss_that_returns_no_model():
    with pytest.raises(ArgumentTypeError, match=re.escape("fit: loss must return (loss, model); got")):
        fit(1.0, lambda w, x, rng: w * x, optim.sgd(), [1.0], epochs=1, rng=RNG(0))


def test_the_history_of_fit_is_a_history():
    assert isinstance(fitted(epochs=1)[2], History)
