"""The list of networks is all that torchvision has for classification and segmentation."""

from __future__ import annotations

from zaponnx.calib.torchvision_compat import torchvision_models
from zoo.exports import DYNAMO, TORCHSCRIPT
from zoo.networks import LIGHT, NETWORKS


def test_every_network_is_covered() -> None:
    models = torchvision_models()
    there = [*models.list_models(module=models), *models.list_models(module=models.segmentation)]
    covered = {network.name for network in NETWORKS if network.origin != LIGHT}
    assert sorted(covered) == sorted(there)


def test_every_network_is_exported_by_both() -> None:
    for exporter in (DYNAMO, TORCHSCRIPT):
        others = {network.name for network in NETWORKS if network.origin not in (LIGHT, exporter)}
        assert {network.name for network in NETWORKS if network.origin == exporter} == others


def test_every_network_is_there_once() -> None:
    labels = [network.label for network in NETWORKS]
    assert len(set(labels)) == len(labels)
