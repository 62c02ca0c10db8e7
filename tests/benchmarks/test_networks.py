import pytest
import torch
from torch import Tensor, nn

from benchmarks import networks
from benchmarks.images import synthetic_images


def positive_shares(network: nn.Module) -> list[float]:
    """The share of positive outputs of each ReLU behind a convolution, on an image that the network has not seen."""
    shares: list[float] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 4:
            shares.append(float((output > 0).float().mean()))

    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(record)
    with torch.inference_mode():
        network(torch.from_numpy(synthetic_images(1, 224, seed=99)))
    return shares


@pytest.mark.parametrize("name", ["alexnet", "resnet18"])  # without and with batch norms
def test_activations_neither_die_nor_explode(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = getattr(networks, name)()
    assert not network.training
    shares = positive_shares(network)
    assert len(shares) == {"alexnet": 5, "resnet18": 17}[name]
    assert all(0.25 < share < 0.8 for share in shares), shares
