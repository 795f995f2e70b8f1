import stat

import pytest

from pdesolve.errors import UsageError
from pdesolve.output.files import replacing


def test_a_file_appears_complete_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "u.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "u.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_permissions_of_any_other(tmp_path):
    with replacing(tmp_path / "u.txt") as temporary:
        temporary.write_text("")
    (tmp_path / "v.txt").write_text("")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("u.txt", "v.txt")]
    assert modes[0] == modes[1]


def test_a_folder_or_a_file_in_the_way_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="is a folder"), replacing(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"), replacing(tmp_path / "file" / "u.vtu"):
        pass
