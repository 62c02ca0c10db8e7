from benchmarks.peers import PEERS
from benchmarks.points import Point, read_points
from benchmarks.settings import SETTINGS


def test_points_are_those_of_known_networks_and_peers() -> None:
    points = read_points()
    assert points.keys() <= SETTINGS.keys()
    for network, entries in points.items():
        assert all(point.network == network and point.targets.keys() <= set(PEERS) for point in entries)


def test_savings_are_shares() -> None:
    point = read_points()["resnet18"][1]
    assert (point.name, point.saving) == ("D-34.0", 0.34)
    assert Point("x", "B", 0.262, {}).name == "B-26.2"
