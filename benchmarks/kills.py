"""Kill a training at random moments, resume it each time, and compare its end with that of one that nobody killed.

    python benchmarks/kills.py               100 kills
    python benchmarks/kills.py --kills 5     fewer

A training of a few seconds runs in a process of its own, with a checkpoint after each epoch. The process is killed
(SIGKILL) after a time that is drawn from its whole length, and started again with `resume=True`, until it ends. Then
weights, the optimizer's state and the losses must be those of the training without a kill, to the last bit; and the
next one begins. Exits with 1 where they are not, or where a process fails.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs
import numpy as np

import tapenet as tn

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, FEATURES = 512, 400
LONGEST = 300  # seconds for one process: a hang is a failure


@attrs.frozen
class Counts:
    """What happened: kills, of them those before the first checkpoint, and trainings that ended."""

    kills: int = 0
    early: int = 0
    ends: int = 0


# ---- the training ----


def train(folder: str | None, epochs: int) -> str:
    """Train, from the last checkpoint of the folder where there is one; return a digest of all that came out."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    labels = (x[:, :20].sum(axis=1) > 0).astype(int)
    model = tn.nn.Sequential(
        tn.nn.Dense(FEATURES, FEATURES, rng=rng),
        tn.nn.BatchNorm(FEATURES),
        tn.nn.Dropout(0.3),
        tn.nn.Dense(FEATURES, 2, rng=rng),
    )

    def loss(model, x, labels, rng):
        logits, model = model.train(x, rng)
        return tn.nn.cross_entropy(logits, labels), model

    model, state, history = tn.training.fit(
        model,
        loss,
        tn.optim.chain(tn.optim.clip_by_global_norm(1.0), tn.optim.adam(tn.optim.linear_decay(1e-3, 200))),
        lambda rng: tn.data.batches((x, labels), 32, rng=rng, prefetch=2),
        epochs=epochs,
        rng=np.random.default_rng(1),
        validation=tn.data.batches((x[:64], labels[:64]), 32),
        callbacks=[tn.training.keep_best()],
        checkpoint=folder,
        resume=folder is not None,
        progress=False,
    )
    digest = hashlib.sha256()
    for leaf in (*tn.tree.leaves(model), *tn.tree.leaves(state), history.losses, model(x)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


# ---- the kills ----


def started(folder: Path, epochs: int) -> subprocess.Popen[str]:
    """Start a training in a process of its own."""
    command = [sys.executable, __file__, "--train", str(folder), "--epochs", str(epochs)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str], timeout: float) -> str | None:
    """Return the digest of a training that ends in time; of another one None, and kill it."""
    try:
        digest, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode != 0:
        raise SystemExit(f"a training failed:\n{errors}")
    return digest.strip()


def killed_training(
    rng: np.random.Generator, counts: Counts, most: int, length: float, epochs: int
) -> tuple[str, Counts]:
    """Kill one training again and again until it ends, or until there were `most` kills; return its digest."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        while True:
            limit = rng.uniform(0, length) if counts.kills < most else LONGEST
            digest = finished(started(folder, epochs), limit)
            if digest is not None:
                return digest, attrs.evolve(counts, ends=counts.ends + 1)
            is_early = not (folder / "last.safetensors").exists()
            counts = attrs.evolve(counts, kills=counts.kills + 1, early=counts.early + is_early)


def run(kills: int, seed: int, epochs: int) -> Counts:
    """Kill so many times in all, and compare each end.

    Raises:
        SystemExit: an end differs, or a training fails.
    """
    rng, counts = np.random.default_rng(seed), Counts()
    with tempfile.TemporaryDirectory() as place:
        begin = time.monotonic()
        expected = finished(started(Path(place) / "run", epochs), LONGEST)
        length = time.monotonic() - begin
    if expected != train(None, epochs):
        raise SystemExit("a training in another process, without kills, came to another end")
    while counts.kills < kills:
        digest, counts = killed_training(rng, counts, kills, length, epochs)
        if digest != expected:
            raise SystemExit(f"after {counts} a training came to another end")
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, metavar="N", help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of their moments (%(default)s)")
    parser.add_argument("--epochs", type=int, default=60, metavar="N", help="of each training (%(default)s)")
    parser.add_argument("--train", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(train(options.train, options.epochs))
        return
    counts = run(options.kills, options.seed, options.epochs)
    print(
        f"{counts.kills} kills, {counts.early} of them before the first checkpoint; {counts.ends} trainings ended, "
        "each with the same bits as without a kill"
    )


if __name__ == "__main__":
    main()
