"""The same runs on a Dask cluster of two workers."""

from pathlib import Path

import pytest
from test_runner import case

from pdesolve.benchmarking.cluster import run_on_cluster
from pdesolve.benchmarking.records import read_records
from pdesolve.errors import UsageError

distributed = pytest.importorskip("distributed")


@pytest.fixture
def address():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_workers_make_the_records_that_local_processes_make(address, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    cases = [case(budget=30.0), case("Missing", seed=1)]
    shown = []
    records = run_on_cluster(cases, tmp_path, shown.append, address)
    assert [record["outcome"] for record in records] == ["finished", "refused"]
    assert [record["identity"] for record in records] == [one.identity for one in cases]
    assert len(shown) == len(read_records(tmp_path)) == 2
    assert run_on_cluster(cases, tmp_path, shown.append, address, skip_existing=True) == records
    assert len(shown) == 2


def test_a_scheduler_that_does_not_answer_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: refuse(address, timeout))
    with pytest.raises(UsageError, match=r"--dask tcp://nowhere:1: no scheduler answers there"):
        run_on_cluster([case()], tmp_path, print, "tcp://nowhere:1")


def refuse(*_):
    message = "timed out"
    raise OSError(message)
