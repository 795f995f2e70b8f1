"""Problem files with words exchanged at random: what loads is checked, what does not is refused in a sentence."""

import contextlib
import io
import itertools
import keyword
import tokenize
from pathlib import Path
from random import Random

import pytest

from pdesolve.checks.check import check_file

FOLDER = Path(__file__).resolve().parent.parent / "problems"
BASES = "poisson_2d heat_1d annulus_robin kovasznay interface_2d taylor_green_2d kappa_1d wave_1d".split()
NAMES = "x y t n u v torch sin None True square space nu float len print".split()
NUMBERS = '0 -1 1e300 1e-300 0.5 2 None True float("nan") float("inf") "x" () [] lambda:0 1j'.split()
OPERATORS = "+ - * / ** == @ % <".split()
SWAPS = {tokenize.NAME: NAMES, tokenize.NUMBER: NUMBERS, tokenize.OP: OPERATORS, tokenize.STRING: NUMBERS}
EACH = 8  # mutated files for each base; `python tests/test_fuzz.py 1000` tries more


def mutated(base: str, seed: int) -> str:
    """The file with one to three of its words replaced by others of their kind, so that it is still Python."""
    text, random = (FOLDER / f"{base}.py").read_text("utf-8"), Random(f"{base} {seed}")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    places = [
        i
        for i, token in enumerate(tokens)
        if i > 2
        and token.type in SWAPS
        and not keyword.iskeyword(token.string)
        and (token.type != tokenize.OP or token.string in OPERATORS)
    ]
    starts = list(itertools.accumulate((len(line) for line in text.splitlines(keepends=True)), initial=0))
    while True:
        changed = text
        for i in sorted(random.sample(places, random.randint(1, 3)), reverse=True):
            (row, begin), (last, end) = tokens[i].start, tokens[i].end
            alike = [tokens[k].string for k in places if tokens[k].type == tokens[i].type]
            word = random.choice([random.choice(alike), random.choice(SWAPS[tokens[i].type])])
            changed = changed[: starts[row - 1] + begin] + word + changed[starts[last - 1] + end :]
        with contextlib.suppress(SyntaxError):
            compile(changed, base, "exec")
            return changed


@pytest.mark.filterwarnings("ignore")  # of Python about the file itself
@pytest.mark.parametrize("base", BASES)
def test_no_exchange_of_words_leads_to_anything_but_a_sentence(base, tmp_path):
    for seed in range(EACH):
        path = tmp_path / f"{base}_{seed}.py"
        path.write_text(mutated(base, seed), encoding="utf-8")
        report = check_file(path)
        assert report.exit_code in (0, 2)
        assert report.ok == (not report.errors)
        assert all("\n  File" not in sentence for sentence in report.errors), path.read_text("utf-8")


if __name__ == "__main__":
    import sys
    import traceback
    import warnings
    from tempfile import TemporaryDirectory

    warnings.simplefilter("ignore")
    with TemporaryDirectory() as folder:
        for number in range(int(sys.argv[1])):
            for name in BASES:
                file = Path(folder) / "mutated.py"
                file.write_text(mutated(name, number), encoding="utf-8")
                try:
                    check_file(file)
                except BaseException:
                    print(f"--- {name}, seed {number}", *traceback.format_exc().splitlines()[-3:], sep="\n")
