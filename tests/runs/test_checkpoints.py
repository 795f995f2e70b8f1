"""How often a run is saved."""

from pdesolve.runs.monitor import Monitor


def test_saving_that_takes_long_is_done_seldom():
    # Saving takes 1 s, a step 0.1 s: a twentieth of the time at most is spent on it.
    now, saved = [0.0], []

    def save(state):
        now[0] += 1
        saved.append(state)

    monitor = Monitor(clock=lambda: now[0], on_checkpoint=save, checkpoint_every=5.0)
    while now[0] < 200:
        now[0] += 0.1
        monitor.checkpoint({})
    assert 8 <= len(saved) <= 11
