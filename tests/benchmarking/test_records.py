"""Records are read as they were written."""

import math

from pdesolve.benchmarking.case import Case, method_spec
from pdesolve.benchmarking.records import read_records, write_record, write_records
from pdesolve.benchmarking.worker import blank


def test_one_file_holds_what_a_folder_holds_but_for_the_pictures(tmp_path):
    cases = [Case("problems/poisson_1d.py", method_spec("gmnm"), seed) for seed in (1, 0)]
    records = [{**blank(one), "position": i, "picture": {"names": ["x"]}} for i, one in enumerate(cases)]
    for one, record in zip(cases, records, strict=True):
        write_record(tmp_path / "records", record, one.name)
    write_records(tmp_path / "kept.jsonl", records)
    assert [r.pop("picture") for r in read_records(tmp_path)] == [{"names": ["x"]}] * 2
    without = [{k: v for k, v in record.items() if k != "picture"} for record in records]
    assert read_records(tmp_path / "kept.jsonl") == without
    assert [r["seed"] for r in read_records(tmp_path / "kept.jsonl")] == [1, 0]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    record = {**blank(Case("problems/poisson_1d.py", method_spec("gmnm"))), "relative_l2_error": math.nan}
    write_records(tmp_path / "kept.jsonl", [record])
    (found,) = read_records(tmp_path / "kept.jsonl")
    assert found["relative_l2_error"] is None
