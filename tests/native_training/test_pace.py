"""How many threads a training uses where others want the processors, too: all, or one; with the same bits."""

import pytest

from foldnet.engines.native.training import program
from foldnet.engines.native.training.pace import BETTER, ENOUGH, SHORTEST, STAY, Pace
from foldnet.engines.native.training.program import NativeTraining
from tests.native_training import programs
from tests.native_training.test_fit import wide
from tests.native_training.test_threads import MADE

ALL = 2


def chosen(seconds_of, got, pieces, pace=None):
    """The threads of so many pieces of work, which take so long by threads that had this share of their processors."""
    pace, found = pace or Pace(), []
    for _ in range(pieces):
        threads = pace.threads(ALL)
        seconds = seconds_of[threads]
        pace.took(threads, 1.0, seconds, got[threads] * threads * seconds)
        found.append(threads)
    return found


def test_on_a_free_machine_all_threads_stay_although_one_would_be_faster():
    """Nothing kept them waiting, so there is nothing to learn from a piece of work with one."""
    assert chosen({1: 0.05, 2: 0.06}, {1: 1.0, 2: ENOUGH}, 100) == [ALL] * 100


def test_on_a_busy_machine_one_thread_goes_on_if_it_is_faster():
    found = chosen({1: 0.05, 2: 0.06}, {1: 0.6, 2: 0.6}, 100)
    assert found[:2] == [ALL, 1]
    assert found.count(ALL) <= 1 + 100 // STAY
    # And it is looked at again.
    assert ALL in found[2 : STAY + 3]


def test_on_a_busy_machine_all_threads_go_on_if_they_are_faster():
    found = chosen({1: BETTER * 0.06 + 0.001, 2: 0.06}, {1: 0.6, 2: 0.6}, 100)
    assert found[:3] == [ALL, 1, ALL]
    assert found.count(1) <= 1 + 100 // STAY


def test_a_machine_that_is_free_again_is_used():
    pace = Pace()
    assert chosen({1: 0.05, 2: 0.06}, {1: 0.6, 2: 0.6}, 10, pace)[-1] == 1
    assert chosen({1: 0.05, 2: 0.03}, {1: 1.0, 2: 1.0}, 3 * STAY, pace)[-STAY:] == [ALL] * STAY


@pytest.mark.parametrize(("work", "seconds"), [(0, 0.05), (1, SHORTEST / 2)])
def test_what_is_too_short_tells_nothing(work, seconds):
    pace = Pace()
    for _ in range(50):
        pace.took(ALL, work, seconds, 0.0)
        assert pace.threads(ALL) == ALL


def test_one_thread_that_may_be_used_is_used():
    pace = Pace()
    pace.took(1, 1.0, 0.05, 0.0)
    assert pace.threads(1) == 1


class Alternating:
    """All threads, one, all, one."""

    def __init__(self):
        self.given = []

    def threads(self, most):
        self.given.append(most if len(self.given) % 2 == 0 else 1)
        return self.given[-1]

    def took(self, threads, work, seconds, processor):
        assert threads == self.given[-1]
        assert work > 0
        assert seconds > 0


@pytest.mark.as_shipped
@pytest.mark.parametrize("kind", [*MADE, "dense"])
def test_threads_that_change_between_steps_change_no_bit(kind, monkeypatch):
    """Of a fit whose slices are of one step each, with validation between epochs."""
    monkeypatch.setattr(program, "SLICE", 0.0)
    p = programs.program(wide() if kind == "dense" else MADE[kind](), update=programs.adam())
    batch, found, given = 137, [], []
    data = programs.data(p, 3 * batch)
    for alternating in (False, True):
        trainer = NativeTraining(p)
        if alternating:
            trainer._pace = Alternating()
        state = programs.random_start(p)
        plan = programs.plan(3 * batch, batch, 3, 1e-3, threads=ALL, validation_epochs=(True,) * 3)
        trainer.fit(state, data, plan, data)
        found.append({name: array.tobytes() for name, array in state.weights.items()})
        given += trainer._pace.given if alternating else []
    assert found[0] == found[1]
    assert {1, ALL} <= set(given)
