"""The list of networks is all that torchvision has for classification and segmentation."""

from __future__ import annotations

from zaponnx.calib.torchvision_compat import torchvision_models
from zoo.exports import DYNAMO, TORCHSCRIPT
from zoo.networks import LIGHT, NETWORKS, SIBLINGS


def test_every_network_is_covered_or_has_a_sibling() -> None:
    models = torchvision_models()
    there = [*models.list_models(module=models), *models.list_models(module=models.segmentation)]
    covered = {network.name for network in NETWORKS if network.origin != LIGHT}
    others = [name for names in SIBLINGS.values() for name in names]
    assert sorted([*covered, *others]) == sorted(there)
    assert covered.issuperset(SIBLINGS)


def test_every_network_is_exported_by_both() -> None:
    for exporter in (DYNAMO, TORCHSCRIPT):
        others = {network.name for network in NETWORKS if network.origin not in (LIGHT, exporter)}
        assert {network.name for network in NETWORKS if network.origin == exporter} == others
