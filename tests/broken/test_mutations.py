"""Every broken file is refused with the right sentence; every questionable one passes with a warning."""

import time

import pytest
from generate import HERE, PROBLEMS, Mutation, generate, mutations

from pdesolve.checks.check import check_file

REJECTED, WARNED = mutations("rejected"), mutations("warned")


def sentences_about(mutation: Mutation, sentences: tuple[str, ...]) -> list[str]:
    """Sentences that hold every expected fragment; the name of the file does not count."""
    plain = [sentence.replace(f"{mutation.name}.py", "FILE") for sentence in sentences]
    return [s for s in plain if all(fragment in s for fragment in mutation.expects)]


@pytest.mark.parametrize("mutation", REJECTED, ids=lambda mutation: mutation.name)
def test_a_broken_file_is_refused_with_the_right_sentence(mutation):
    start = time.process_time()
    report = check_file(HERE / "rejected" / f"{mutation.name}.py")
    assert report.exit_code == 2
    assert sentences_about(mutation, report.errors), report
    assert time.process_time() - start < 5


@pytest.mark.parametrize("mutation", WARNED, ids=lambda mutation: mutation.name)
def test_a_questionable_file_passes_with_the_right_warning(mutation):
    report = check_file(HERE / "warned" / f"{mutation.name}.py")
    assert report.exit_code == 0, report
    assert sentences_about(mutation, report.warnings), report


@pytest.mark.parametrize("base", sorted({m.base for m in (*REJECTED, *WARNED)}))
def test_the_file_before_its_mutation_is_fine(base):
    report = check_file(PROBLEMS / f"{base}.py")
    assert report.ok, report
    assert not report.warnings, report


def test_the_generated_files_are_those_in_the_folder(tmp_path):
    for path in generate(tmp_path):
        kept = HERE / path.relative_to(tmp_path)
        assert path.read_text("utf-8") == kept.read_text("utf-8"), f"run {HERE / 'generate.py'}"
    for kind, expected in (("rejected", REJECTED), ("warned", WARNED)):
        assert {p.stem for p in (HERE / kind).glob("*.py")} == {m.name for m in expected}


def test_there_are_many_ways_to_be_wrong():
    assert len(REJECTED) >= 40
    assert len({m.name for m in (*REJECTED, *WARNED)}) == len(REJECTED) + len(WARNED)
