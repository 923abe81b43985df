"""Pictures upon a map: none hides another, and none moves without need."""

from itertools import combinations

import numpy as np

from bandwatch.explain.picture_places import apart

SIZE, ROOM = (0.5, 0.7), (5.0, 5.0)


def overlaps(places) -> int:
    return sum(all(abs(one - other) < np.array(SIZE) - 1e-3) for one, other in combinations(places, 2))


def test_pictures_wanted_at_one_place_end_up_side_by_side_within_the_room():
    wanted = np.concatenate([np.full((12, 2), 0.1), np.random.default_rng(0).uniform(0, 5, (12, 2))])
    assert overlaps(wanted) >= 66
    placed = apart(wanted, SIZE, ROOM)
    assert overlaps(placed) == 0
    half = np.array(SIZE) / 2
    assert (placed >= half - 1e-9).all()
    assert (placed <= np.array(ROOM) - half + 1e-9).all()
    np.testing.assert_array_equal(placed, apart(wanted, SIZE, ROOM))


def test_what_hides_nothing_stays_and_a_second_gives_way_by_the_short_way():
    alone = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0]])
    np.testing.assert_array_equal(apart(alone, SIZE, ROOM), alone)
    first, second = apart(np.array([[2.0, 2.0], [2.4, 2.1]]), SIZE, ROOM)
    assert first.tolist() == [2.0, 2.0]
    step = 5.0 / 90  # or a little less: the raster
    np.testing.assert_allclose(second, [2.5, 2.1], atol=step)


def test_where_there_is_no_room_left_it_stays_where_it_is_wanted():
    places = apart(np.full((3, 2), 0.5), (1.0, 1.0), (2.0, 1.0))
    assert places[0].tolist() == places[2].tolist() == [0.5, 0.5]
    assert places[1].tolist() == [1.5, 0.5]
