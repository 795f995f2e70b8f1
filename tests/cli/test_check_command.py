from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("fake")


def test_a_good_file_passes(run):
    result = run("check", "my_poisson.py")
    assert result.code == 0
    assert result.out.startswith("✓ my_poisson.py")
    assert result.err == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("u.xx", "u.zz", "no derivative 'zz'"),
        ("sin(pi * x)\n", "sin(pi * x)[:, None]\n", "expected"),
        ("conditions=[Dirichlet(0, on=interval.boundary)]", "conditions=[]", "condition"),
        ("exact=lambda x: sin(pi * x)", "exact=lambda x: x", "exact"),
    ],
)
def test_a_broken_file_fails_with_a_sentence(old, new, words, run):
    text = Path("my_poisson.py").read_text()
    assert old in text
    Path("my_poisson.py").write_text(text.replace(old, new, 1))
    result = run("check", "my_poisson.py")
    assert result.code == 2
    assert result.out.startswith("✗ my_poisson.py")
    assert words in result.out
    assert "Traceback" not in result.out + result.err


def test_the_worst_of_several_files_decides(run):
    Path("empty.py").write_text("")
    result = run("check", "empty.py", "my_poisson.py")
    assert result.code == 2
    assert "✗ empty.py" in result.out
    assert "✓ my_poisson.py" in result.out


def test_quiet_speaks_of_broken_files_only(run):
    Path("empty.py").write_text("")
    result = run("check", "--quiet", "empty.py", "my_poisson.py")
    assert "my_poisson" not in result.out
    assert "empty.py" in result.out


def test_a_constant_can_be_overridden(run):
    assert run("check", "my_poisson.py", "--param", "nu=2").code == 2  # exact holds for nu = 1
