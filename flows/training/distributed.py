"""Several processes that fit one model together, as torchrun starts them; alone, all of this does nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn

__all__ = [
    "average_gradients",
    "choose_device",
    "from_first",
    "is_first",
    "process_group",
    "rank",
    "sum_over",
    "world_size",
]


def _is_alone() -> bool:
    return not (distributed.is_available() and distributed.is_initialized())


def rank() -> int:
    """Return the number of this process, 0 when it is alone."""
    return 0 if _is_alone() else distributed.get_rank()


def world_size() -> int:
    """Return the number of processes."""
    return 1 if _is_alone() else distributed.get_world_size()


def is_first() -> bool:
    """Whether this process is the one that writes and speaks, inside a group or before there is one."""
    return int(os.environ.get("RANK", 0)) == 0 if _is_alone() else rank() == 0


def choose_device(device: str) -> str:
    """Replace ``"auto"`` by a GPU if there is one, else by ``"cpu"``; other names stay."""
    if device != "auto":
        return device
    mps = "mps" if torch.backends.mps.is_available() else "cpu"
    return "cuda" if torch.cuda.is_available() else mps


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun started; without torchrun nothing happens.

    Parameters
    ----------
    device : str
        ``"cuda"`` gives each process its own GPU and NCCL, ``"cpu"`` gloo; ``"auto"``: a GPU if there is one.

    Yields
    ------
    str
        The device of this process.
    """
    device = choose_device(device)
    if "TORCHELASTIC_RUN_ID" not in os.environ or not _is_alone():
        yield device
        return
    if device.startswith("cuda"):
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device
        distributed.barrier()  # all leave together: the first to go would break the connections of the others
    finally:
        distributed.destroy_process_group()


def sum_over(values: torch.Tensor) -> torch.Tensor:
    """Sum of a tensor over all processes."""
    if _is_alone():
        return values
    values = values.clone()
    distributed.all_reduce(values)
    return values


def from_first(values: torch.Tensor) -> torch.Tensor:
    """Tensor of the first process, in place."""
    if not _is_alone():
        distributed.broadcast(values, src=0)
    return values


def average_gradients(model: nn.Module) -> None:
    """Sum the gradients of all processes, each of which holds its share of one loss, in one message."""
    if _is_alone():
        return
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    flat = sum_over(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
