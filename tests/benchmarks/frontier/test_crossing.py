import pytest

from benchmarks.frontier.crossing import saving_at


def test_interpolates_between_the_points_around_the_drop() -> None:
    assert saving_at(0.01, [0.1, 0.2, 0.3], [0.0, 0.004, 0.016]) == pytest.approx(0.25)


def test_the_order_of_the_points_does_not_matter() -> None:
    assert saving_at(0.01, [0.3, 0.1, 0.2], [0.016, 0.0, 0.004]) == pytest.approx(0.25)


def test_nothing_is_lost_where_nothing_is_saved() -> None:
    assert saving_at(0.01, [0.2], [0.02]) == pytest.approx(0.1)


def test_noise_is_evened_out() -> None:
    """The losses 0.012 and 0.006 become 0.009 each: one of them alone would put the drop before 0.2."""
    assert saving_at(0.01, [0.1, 0.2, 0.3], [0.012, 0.006, 0.013]) == pytest.approx(0.2 + 0.1 * 0.001 / 0.004)


def test_gains_count_as_nothing_lost() -> None:
    assert saving_at(0.01, [0.1, 0.2], [-0.02, 0.02]) == pytest.approx(0.15)


def test_where_the_drop_is_never_reached_all_is_saved_that_can_be() -> None:
    assert saving_at(0.01, [0.1, 0.2], [0.001, 0.01]) == 0.2
