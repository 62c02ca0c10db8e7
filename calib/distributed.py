"""The processes that share a calibration or an evaluation: torchrun's, or this one alone.

Every process reads its share of the samples; sums over the processes make gradients, statistics and counts what one
process would get, to the rounding of sums in another order. Collectives are called in the same order by all.
"""

from __future__ import annotations

import atexit
import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from zaponnx.processes import process_count, process_rank


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that do the same on different samples.

    Attributes:
        rank: Which of them this is, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of all processes' tensors, of one shape; gradients flow to all of them."""
        if self.size == 1:
            return tensor
        total: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call] # torch's
        return total

    def gather(self, tensor: Tensor) -> Tensor:
        """All processes' tensors, of one shape S, by rank: (size, *S)."""
        if self.size == 1:
            return tensor[None]
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    def from_first(self, content: bytes) -> bytes:
        """The first process's bytes, whatever the others have."""
        if self.size == 1:
            return content
        length = int(self.sum(torch.tensor(len(content) if self.rank == 0 else 0)))
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.rank == 0 and content else None
        data = torch.empty(length, dtype=torch.uint8) if data is None else data
        distributed.broadcast(data, 0)
        return data.numpy().tobytes()


class _Sum(torch.autograd.Function):
    """An all-reduce; what all processes' losses owe to a summand is the sum of what each one's owes to the sum."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


ALONE = ProcessGroup()


@cache
def process_group() -> ProcessGroup:
    """The group that this process is in; the first call of all processes connects them."""
    if process_count() == 1:
        return ALONE
    if not distributed.is_initialized():
        # Imported after the group, as torch's optimisers do, it keeps the group's threads alive beyond its destruction.
        # One that then lets go of a tensor while the interpreter ends aborts the process.
        importlib.import_module("torch._dynamo")
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store = PrefixStore("zaponnx/group", _store())
        distributed.init_process_group(backend, store=store, rank=process_rank(), world_size=process_count())
        atexit.register(distributed.destroy_process_group)
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())


def first_to_fail() -> bool:
    """Whether no other process has asked this before."""
    try:
        return int(_store().add("zaponnx/failed", 1)) == 1
    except RuntimeError:  # the process that kept the store has failed
        return False


@cache
def _store() -> Any:
    """torchrun's key-value store, by which processes find each other."""
    store, _, _ = next(rendezvous("env://"))
    return store
