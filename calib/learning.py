"""A network whose predictors learn: reads a dense model and its calibration, gives them in torch.

Every calibrated site becomes a ZapConv whose predictor decides. Forward it does so as the operator does; backward, the
decision

    compute = pattern or not (V <= threshold)

has the slope of sigmoid((V - threshold) / 0.1). So a predictor learns from what its decisions do to the network's
output, also by way of later layers' values. What it reads, S, has no gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from zaponnx.artifacts import Calibration, OperatingPoint, Predictor
from zaponnx.calib.data import Batch
from zaponnx.calib.data.inputs import fixed_batch_size, model_inputs
from zaponnx.calib.distributed import ProcessGroup
from zaponnx.calib.finetuning.equality import Inputs, check_equal
from zaponnx.calib.finetuning.torch_model import TorchModel, import_model
from zaponnx.calib.finetuning.zap_conv import TorchZapConv
from zaponnx.calibrated_sites import calibrated_sites
from zaponnx.errors import ZapError
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.models import first_line
from zaponnx.operator import INPUTS

_TEMPERATURE = 0.1
_COMPARED = 4  # samples that torch and ONNX Runtime are compared on
_BIAS_SCALES = {"p1": 1.0, "p2": 0.25}  # the biases of hidden values, and of predictions, which have less far to go
_PREDICTOR = ("P1", "p1", "P2", "p2")


class RefiningError(Exception):
    """What makes refining impossible, a clause."""


class _Decision(torch.autograd.Function):
    """V - threshold to 1 where not (V <= threshold), else 0, with a slope of its own."""

    @staticmethod
    def forward(ctx: Any, margin: Tensor) -> Tensor:
        ctx.save_for_backward(margin)
        return (~(margin <= 0)).to(margin.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (margin,) = ctx.saved_tensors
        chance = torch.sigmoid(margin / _TEMPERATURE)
        # None at an infinite threshold; nor at a prediction that is not a number.
        return gradients[0] * (chance * (1 - chance) / _TEMPERATURE).nan_to_num_(0)


class LearningZapConv(TorchZapConv):
    """A ZapConv whose predictor has gradients, and whose convolution has none.

    Weights change in units of their channel's root mean square, so that one learning rate suits all.

    Attributes:
        changes: Of P1, p1, P2 and p2, from 0; what learns.
        share: Of every sample's outputs, those that the last run computed, (N,), with gradients.
    """

    share: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], attributes: Mapping[str, Any], *, nhwc: bool) -> None:
        super().__init__(tensors, attributes, nhwc=nhwc)
        self.requires_grad_(False)
        self.changes = nn.ParameterDict({name: torch.zeros_like(tensors[name]) for name in _PREDICTOR})
        for name in _PREDICTOR:
            mean_square = tensors[name].square().mean((-3, -2, -1), keepdim=True) if name.isupper() else None
            scale = torch.tensor(_BIAS_SCALES[name]) if mean_square is None else mean_square.sqrt()
            self.register_buffer(f"{name}_scale", scale)

    @classmethod
    def of(cls, module: TorchZapConv) -> LearningZapConv:
        """The one in place of another."""
        assert module.conv.bias is not None
        tensors = {"W": module.conv.weight.detach(), "B": module.conv.bias.detach()}
        tensors |= {name: getattr(module, name) for name in INPUTS[3:]}
        return cls(tensors, module.attributes, nhwc=module.nhwc)

    def computed(self, result: Tensor) -> Tensor:
        """As the operator's; the decision has a gradient, but none in the pattern."""
        in_pattern = self.in_pattern(result)
        kept = result.detach().where(in_pattern, 0)
        margin = self.predicted(kept) - self.threshold
        decision: Tensor = _Decision.apply(margin)  # type: ignore[no-untyped-call] # torch's
        decision = decision.masked_fill(in_pattern, 1)
        self.share = decision.mean((1, 2, 3))
        return result * decision

    def predictor(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As it has been learned so far."""
        weight1, bias1, weight2, bias2 = (
            getattr(self, name) + getattr(self, f"{name}_scale") * self.changes[name] for name in _PREDICTOR
        )
        return weight1, bias1, weight2, bias2

    @torch.no_grad()
    def learned(self) -> Predictor:
        """The same as an artifact has it."""
        return Predictor(*(each.cpu().contiguous().numpy() for each in self.predictor()))


@dataclass(frozen=True, eq=False)
class LearningNetwork:
    """A network in torch, all of it frozen but its predictors.

    Attributes:
        model: The network.
        layers: Its ZapConvs by the sites' outputs, in the order of the calibration's sites.
        fixed_batch: The batch size that the model prescribes, None if it takes any.
    """

    model: TorchModel
    layers: Mapping[str, LearningZapConv]
    fixed_batch: int | None

    def runs(self, batch: Batch) -> Iterator[tuple[Inputs, int]]:
        """A batch's inputs in parts that the model takes, and how many samples of a part count.

        Samples that are there again fill the last part where the model prescribes its batch.
        """
        size = self.fixed_batch or batch.size
        for start in range(0, batch.size, size):
            part = batch.take(np.arange(start, start + size) % batch.size)
            yield part.inputs, min(size, batch.size - start)

    @torch.no_grad()
    def reset(self) -> None:
        """Takes back what the predictors have learned."""
        for layer in self.layers.values():
            for change in layer.changes.values():
                change.zero_()

    @torch.no_grad()
    def dense(self, inputs: Inputs) -> Tensor:
        """The output with everything computed."""
        self.model.predict(active=False)
        return self.model(inputs)

    def skipping(self, inputs: Inputs, point: OperatingPoint) -> Tensor:
        """The output at an operating point; gradients flow to the layers' changes."""
        self.model.predict(active=True)
        for output, layer in self.layers.items():
            thresholds = torch.tensor(point.thresholds[output], dtype=torch.float32)
            layer.threshold = thresholds.reshape(1, -1, 1, 1).to(layer.threshold.device)
        return self.model(inputs)


def agreed_network(
    dense: onnx.ModelProto,
    calibration: Calibration,
    samples: Batch,
    where: Path,
    device: torch.device,
    group: ProcessGroup,
) -> LearningNetwork:
    """Imports a model with its predictors, in all processes or none.

    Args:
        dense: The model; it may be changed.
        calibration: Of the model.
        samples: What to compare torch with ONNX Runtime on.
        where: The model's file, for error messages.
        device: Where to put it.
        group: The processes.

    Raises:
        RefiningError: It cannot be imported, or computes something else in torch, or its output is not finite.
    """
    network, problem = None, ""
    try:
        network = _learning_network(dense, calibration, samples, where, device)
    except ZapError as error:
        problem = str(error).removeprefix(f"{error.phase}: ")
    except RefiningError as error:
        problem = str(error)
    except Exception as error:  # of any kind: what torch stumbles over where it runs what was imported
        problem = f"torch cannot run the model ({type(error).__name__}: {first_line(error)})"
    failures = int(group.sum(torch.tensor(int(bool(problem)))))
    if network is None or failures:
        raise RefiningError(problem or "another process cannot import the model into torch")
    return network


def _learning_network(
    dense: onnx.ModelProto, calibration: Calibration, samples: Batch, where: Path, device: torch.device
) -> LearningNetwork:
    """Imports it; arguments as in `agreed_network`."""
    fixed_batch = fixed_batch_size(model_inputs(dense))
    compared = samples.take(np.arange(fixed_batch or min(samples.size, _COMPARED)) % samples.size)
    places = {site.output: place for place, site in enumerate(calibration.sites)}
    model, _ = to_dense(dense, lambda each: [match for match, _ in calibrated_sites(each, calibration, where)[0]])
    sites, _ = calibrated_sites(model, calibration, where)
    # The threshold tells which site it is.
    replacements = [
        Replacement(match, site.predictor, (float(places[site.output]),), calibration.pattern) for match, site in sites
    ]
    to_zap_convs(model, replacements, "nchw")
    network = import_model(model, str(where))
    network.predict(active=False)
    with torch.inference_mode():
        output = network(compared.inputs)
    if not output.is_floating_point():
        raise RefiningError("the model's output is of integers or truth values, and has no gradient")
    if not output.isfinite().all():
        raise RefiningError("the model's output has NaN or infinite values")
    check_equal(model, network, compared.inputs, str(where))
    network.module.requires_grad_(False)
    layers: dict[int, LearningZapConv] = {}
    for name, module in list(network.module.named_modules()):
        if isinstance(module, TorchZapConv):
            parent, _, child = name.rpartition(".")
            learning = layers[int(module.threshold)] = LearningZapConv.of(module)
            setattr(network.module.get_submodule(parent), child, learning)
    # Depthwise convolutions are twice as fast with the channels last.
    network.module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    _try_gradient(network, list(layers.values()), compared.inputs)
    return LearningNetwork(network, {output: layers[place] for output, place in places.items()}, fixed_batch)


def _try_gradient(network: TorchModel, layers: Sequence[LearningZapConv], inputs: Inputs) -> None:
    """Raises torch's error if it has none for a node of the network."""
    network.predict(active=True)
    total = network(inputs).sum() + torch.stack([layer.share.sum() for layer in layers]).sum()
    changes = [change for layer in layers for change in layer.changes.values()]
    torch.autograd.grad(total, changes, materialize_grads=True)
