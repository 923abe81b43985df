"""Explanations are refreshed on a period that does not shift, and when asked, one at a time."""

from bandwatch.agent.explain_schedule import ExplainSchedule

ONE, OTHER = ("node", "one"), ("node", "other")


class Clock:
    seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


def test_the_first_comes_after_five_minutes_and_the_rest_on_a_raster():
    clock = Clock()
    schedule = ExplainSchedule(3600, monotonic_seconds=clock)
    schedule.know(ONE)
    taken = []
    for _ in range(12_000):
        clock.seconds += 1
        schedule.know(ONE)
        if schedule.take() is not None:
            taken.append(clock.seconds - 50)
            clock.seconds += 100  # so long does it take
            schedule.done()
    assert taken == [300, 3900, 7500, 11100]


def test_a_period_that_was_missed_is_not_made_up_for():
    clock = Clock()
    schedule = ExplainSchedule(10, monotonic_seconds=clock)
    schedule.know(ONE)
    clock.seconds += 1005
    assert schedule.take() == (ONE, "period")
    schedule.done()
    assert schedule.take() is None
    clock.seconds += 5
    assert schedule.take() == (ONE, "period")


def test_a_band_that_waits_or_is_at_it_takes_no_other_request_and_bands_take_turns():
    clock = Clock()
    schedule = ExplainSchedule(3600, monotonic_seconds=clock)
    schedule.know(ONE)
    schedule.know(OTHER)
    assert schedule.ask(ONE, "novel")
    assert not schedule.ask(ONE, "request")
    assert schedule.take() == (ONE, "novel")
    assert not schedule.ask(ONE, "novel")
    assert schedule.ask(OTHER, "novel")
    assert schedule.take() is None
    schedule.done()
    assert schedule.take() == (OTHER, "novel")
    schedule.done()
    assert schedule.take() is None


def test_what_could_not_be_explained_yet_is_tried_again_in_a_minute():
    clock = Clock()
    schedule = ExplainSchedule(3600, monotonic_seconds=clock)
    schedule.know(ONE)
    clock.seconds += 300
    assert schedule.take() == (ONE, "period")
    schedule.done(again_soon=True)
    clock.seconds += 59
    assert schedule.take() is None
    clock.seconds += 1
    assert schedule.take() == (ONE, "period")
    schedule.done()
    clock.seconds += 3000
    assert schedule.take() is None


def test_verdicts_that_come_and_go_are_served_once_a_minute_and_people_at_once():
    clock = Clock()
    schedule = ExplainSchedule(3600, monotonic_seconds=clock)
    schedule.know(ONE)
    served = []
    for second in range(200):
        schedule.ask(ONE, "novel")
        if schedule.take() is not None:
            served.append(second)
            schedule.done()
        clock.seconds += 1
    assert served == [0, 60, 120, 180]
    waiting = ExplainSchedule(3600, monotonic_seconds=clock)
    for _ in range(2):
        assert waiting.ask(ONE, "request")
        assert waiting.take() == (ONE, "request")
        waiting.done()


def test_people_take_the_place_of_a_verdict_that_waits_for_its_time():
    clock = Clock()
    schedule = ExplainSchedule(3600, verdict_seconds=600, monotonic_seconds=clock)
    schedule.know(ONE)
    assert schedule.ask(ONE, "deviating")
    assert schedule.take() == (ONE, "deviating")
    schedule.done()
    clock.seconds += 250
    assert schedule.ask(ONE, "deviating")
    assert schedule.take() is None
    assert schedule.ask(ONE, "request")
    assert schedule.take() == (ONE, "request")
    schedule.done()
    assert schedule.take() is None
