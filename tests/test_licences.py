"""The page of licences says what the installed packages say of themselves."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "licences.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# A word that the metadata of a package under the licence contain, in the licence itself or in a classifier.
WORDS = {
    "Apache": r"Apache",
    "BSD": r"BSD",
    "MIT": r"MIT",
    "MPL": r"MPL|Mozilla",
    "GPL": r"GPL|General Public",
    "Matplotlib": r"matplotlib|Python Software Foundation|PSF",
}


def named(requirement):
    return re.match(r"[\w-]+", requirement)[0].lower()


def rows():
    """Package → licence, of the table."""
    found = re.findall(r"^\| (?!package|---)(\S+)[^|]*\| ([^|]+) \|", PAGE, re.M)
    return {name.lower(): licence for name, licence in found}


def stated(package):
    """What the metadata of an installed package say of its licence."""
    found = metadata(package)
    classifiers = [c for c in found.get_all("Classifier") or [] if c.startswith("License")]
    return " ".join([found.get("License-Expression", ""), found.get("License", "")[:200], *classifiers])


def test_every_dependency_has_a_row():
    extras = PROJECT["optional-dependencies"]
    wanted = [named(r) for r in PROJECT["dependencies"]]
    wanted += [
        named(r)
        for extra in ("mesh", "gmsh", "cluster", "architectures", "xdmf", "data", "view")
        for r in extras[extra]
    ]
    assert set(wanted) == set(rows())


def test_every_other_package_of_an_extra_is_named():
    names = {named(r) for group in PROJECT["optional-dependencies"].values() for r in group}
    page = (
        PAGE.lower()
        .replace("material for mkdocs", "mkdocs-material")
        .replace("its plugins", "pytest-timeout pytest-xdist")
    )
    assert [name for name in names - {"pdesolve"} if name not in page] == []


@pytest.mark.parametrize("package", sorted(rows()))
def test_the_licence_is_the_one_in_the_metadata(package):
    try:
        found = stated(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    word = next(pattern for start, pattern in WORDS.items() if rows()[package].startswith(start))
    assert re.search(word, found, re.I), found


def test_nothing_that_every_user_installs_is_copyleft():
    for requirement in PROJECT["dependencies"]:
        assert "GPL" not in rows()[named(requirement)]
