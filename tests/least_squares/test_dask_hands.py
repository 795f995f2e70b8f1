"""A factor made and kept by the workers of a Dask cluster has the bits of one made here, whoever is lost."""

import os
import signal

import numpy as np
import pytest
import torch
from block_matrices import grid_centres, grid_pairs, random_layout, random_rows

from pdesolve.errors import OutOfMemoryError, OutOfTimeError, SolveError
from pdesolve.least_squares.sparse import dissection
from pdesolve.least_squares.sparse.condensed_cholesky import CondensedCholesky
from pdesolve.least_squares.sparse.dask_hands import DaskWorkers
from pdesolve.least_squares.sparse.hands import Needs, factored_by
from pdesolve.runs.deadline import enforced

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
GRID = (9, 8)
LAYOUT = random_layout(72)


def cluster(workers, processes=False):
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=processes, dashboard_address=None
    )


def factor(hands=None):
    scale = torch.ones(LAYOUT.total, dtype=torch.float64)
    return CondensedCholesky(
        LAYOUT, grid_centres(GRID), random_rows(LAYOUT, grid_pairs(GRID)), scale, hands=hands
    )


def solved(hands):
    b = torch.randn(LAYOUT.total, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = factor(hands)
    return found, torch.cat([found.solve(b)[:, 0], found.solve(b[:, 1])])


class Here(DaskWorkers):
    """A client that calls at once, so that only the cut is that of a cluster."""

    def __init__(self, columns):
        super().__init__(self, columns=columns)

    def scheduler_info(self):
        return {"workers": {"here": {"memory_limit": 8e9}}}

    def submit(self, function, *arguments, pure):
        assert not pure
        return function(*arguments)

    def map(self, function, items, pure):
        return [self.submit(function, item, pure=pure) for item in items]

    def _gathered(self, futures):
        return list(futures)


def test_one_worker_two_and_none_give_the_same_bits(monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 12)
    here, expected = solved(Here(40))
    assert len(here.parts) == 8
    _, alone = solved(None)
    assert torch.allclose(expected, alone, rtol=1e-9, atol=1e-10)
    told = []
    for workers in (1, 2):
        with cluster(workers) as started, distributed.Client(started) as client:
            found, x = solved(DaskWorkers(client, told.append, columns=40))
            assert torch.equal(x, expected)
            assert found.entries == here.entries
    assert [sentence.split(": about ")[0].split()[-3:] for sentence in told] == [
        ["1", "Dask", "workers"],
        ["2", "Dask", "workers"],
    ]


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_no_bit(monkeypatch):
    monkeypatch.setattr(dissection, "LEAF_COLUMNS", 12)
    with cluster(2, processes=True) as started, distributed.Client(started) as client:
        found = factor(DaskWorkers(client, columns=40))
        b = torch.ones(LAYOUT.total, dtype=torch.float64)
        before = found.solve(b)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        assert torch.equal(found.solve(b), before)


class Workers:
    """A client of workers that never come to an end."""

    def __init__(self, *limits):
        self.limits = limits

    def scheduler_info(self):
        return {"workers": {i: {"memory_limit": limit} for i, limit in enumerate(self.limits)}}


def needs(*subtrees):
    return Needs(1000, np.array(subtrees), 1e6, 1e9, torch.device("cpu"))


@pytest.mark.parametrize(("limits", "fits"), [((8e9,), False), ((8e9, 8e9), True), ((2e9, 8e9), False)])
def test_memory_is_compared_with_that_of_the_workers_before_the_start(limits, fits):
    workers = DaskWorkers(Workers(*limits))
    if fits:
        workers.require(needs(3e9, 4e9))
        return
    with pytest.raises(OutOfMemoryError, match="1000 unknowns needs about"):
        workers.require(needs(3e9, 4e9))


def test_a_cluster_without_workers_is_a_sentence():
    with pytest.raises(SolveError, match="has no workers"):
        DaskWorkers(Workers()).require(needs(1.0))


def test_time_that_is_over_is_heard_while_workers_work():
    with enforced(lambda: "over"), pytest.raises(OutOfTimeError, match="over"):
        DaskWorkers(Workers(8e9))._gathered([])


def test_large_factors_within_a_block_are_made_by_its_hands():
    for columns, others in ((40, True), (10**6, False)):
        hands = Here(columns)
        with factored_by(hands):
            assert (factor().hands is hands) == others
        assert factor().hands is not hands
