"""Training by several processes, and by one that is killed: real processes, started as users start them."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import flows
from flows import FlowConfig, TrainingConfig, train
from flows.training import fitting
from flows.training.distributed import average_gradients, process_group, sum_over

CONFIG = FlowConfig(size=8, softening=(5.0,), widths=(6,), steps=(1,), dropout=0.0)
TRAINING = TrainingConfig(epochs=3, batch_size=15, snapshot_every=1)
IMAGES = np.random.default_rng(1).normal(size=(50, 1, 8, 8)).astype("f4")

SCRIPT = """
import os, signal, sys
import torch
from flows import process_group, train
from flows.training import fitting
from flows.training.distributed import rank
from test_distributed import CONFIG, IMAGES, TRAINING
from safetensors.torch import save_file

folder, what = sys.argv[1:]
run = fitting.Fit.run

def keep(weights, when):
    weights = {name: value.clone().contiguous() for name, value in weights.items()}
    save_file(weights, f"{folder}/{when}-{rank()}")

def note(fit, *arguments):
    keep(fit.named, "start")
    run(fit, *arguments)

def kill(progress):
    if progress.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

fitting.Fit.run = note
with process_group("cpu") as device:
    model = train(
        IMAGES, config=CONFIG, training=TRAINING, folder=folder, device=device,
        callback=kill if what == "kill" else None,
    )
    keep(model.state_dict(), "end")
"""


def start(folder: Path, what: str, *launcher: str) -> subprocess.CompletedProcess:
    (folder / "script.py").write_text(SCRIPT)
    paths = [str(Path(flows.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(folder / "script.py"), str(folder), what]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def alone():
    return train(IMAGES, config=CONFIG, training=TRAINING).state_dict()


def test_two_processes_start_alike_and_end_as_one_would(tmp_path, alone):
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = start(tmp_path, "train", *torchrun)
    assert done.returncode == 0, done.stderr
    for when in ("start", "end"):
        first, second = (load_file(tmp_path / f"{when}-{rank}") for rank in (0, 1))
        assert all(torch.equal(first[name], second[name]) for name in first)
    # ActNorm has seen the images before the first step
    assert load_file(tmp_path / "start-0")["scales.0._transform._transforms.0.shift"].abs().min() > 0
    # batches of 15 and a last one of 7 are shared unevenly; sums differ in their last digits alone
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value, rtol=2e-3, atol=2e-5)


def test_a_killed_training_ends_at_the_same_weights(tmp_path, alone):
    assert start(tmp_path, "kill").returncode == -signal.SIGKILL
    assert list(tmp_path.glob("snapshot-*"))
    assert start(tmp_path, "go on").returncode == 0
    end = load_file(tmp_path / "end-0")
    for name, value in alone.items():
        torch.testing.assert_close(end[name], value, rtol=1e-5, atol=1e-7)


def test_alone_nothing_is_shared():
    values = torch.ones(3)
    with process_group("cpu") as device:
        assert device == "cpu"
        assert sum_over(values) is values
    average_gradients(torch.nn.Linear(2, 2))
    with process_group("auto") as device:
        assert device in ("cpu", "cuda", "mps")


def test_batches_are_halved_until_they_fit(monkeypatch, caplog, alone):
    """A device with room for four images: the gradient is the same sum in smaller pieces."""
    forward = flows.FlowModel.forward

    def small(model, images, context=None):
        if len(images) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return forward(model, images, context)

    monkeypatch.setattr(flows.FlowModel, "forward", small)
    model = train(IMAGES, config=CONFIG, training=TRAINING)
    assert "batches are now split into 4 pieces" in caplog.text
    for name, value in alone.items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=2e-3, atol=2e-5)

    def smaller(model, images, context=None):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(flows.FlowModel, "forward", smaller)
    with pytest.raises(torch.OutOfMemoryError):
        train(IMAGES, config=CONFIG, training=TRAINING)


def test_other_errors_do_not_count_as_out_of_memory():
    assert fitting._is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    assert not fitting._is_out_of_memory(RuntimeError("unsupported memory format"))


def test_half_precision_trains_to_the_same_loss_and_keeps_log_determinants_exact():
    single = train(IMAGES, config=CONFIG, training=TRAINING)
    half = train(IMAGES, config=CONFIG, training=replace(TRAINING, precision="bfloat16"))
    nats = [model.summary["validation_nats_per_pixel"] for model in (single, half)]
    assert nats[0] == pytest.approx(nats[1], abs=0.01)
    images = torch.from_numpy(IMAGES)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        terms, log_det = single.terms(images, None)
    assert log_det.dtype == torch.float32
    assert all(term.dtype == torch.float32 for term in terms)
    with torch.no_grad():
        rounded = sum(term.sum((1, 2, 3)) for term in terms) + log_det.sum((1, 2, 3))
    assert (rounded - single.log_prob(IMAGES)).abs().max() / 64 < 0.01
    with pytest.raises(ValueError, match="which bfloat16 would round"):
        train(
            IMAGES,
            config=CONFIG.replace(architecture="glow"),
            training=replace(TRAINING, precision="bfloat16"),
        )
    with pytest.raises(ValueError, match="'float32' or 'bfloat16'"):
        TrainingConfig(precision="float16")
