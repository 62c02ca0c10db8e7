"""What a site is: a place in a model where Conv (+ residual) + ReLU can become ZapConv."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """A place where Conv → [BatchNormalization] → [Add residual] → ReLU was found, each in any of its forms.

    Attributes:
        name: The Conv node's name, or its output tensor's if it has none.
        output: The tensor that the activation writes. It identifies the site in the model and in the artifacts.
        residual: The tensor that is added before the ReLU, or "" if there is none.
        channels: Output channels M.
        macs_per_output: Multiply-accumulates of one output, C/group · kH · kW.
        bound: Upper bound of the activation; infinite for ReLU, 6 for ReLU6.
    """

    name: str
    output: str
    residual: str
    channels: int
    macs_per_output: int
    bound: float


@dataclass(frozen=True)
class Refusal:
    """A Conv that is no site, and why.

    Attributes:
        name: The Conv node's name, or its output tensor's if it has none.
        reason: Why it stays dense, a clause that a user understands.
    """

    name: str
    reason: str
