"""Draw the picture of the README. Run: python docs/draw.py.

Solves the problem and writes what `pdesolve plot` draws, in 128 colours to keep the repository small.
"""

from pathlib import Path

from PIL import Image

from pdesolve import load_problem, plot, solve

DOCS = Path(__file__).resolve().parent
PICTURES = (("poisson_four_holes", 1e-6),)


def draw(name: str, tol: float) -> Path:
    """Solve problems/<name>.py and draw it to docs/<name>.png."""
    solution = solve(load_problem(DOCS.parent / "problems" / f"{name}.py"), tol=tol)
    path = plot(solution, DOCS / f"{name}.png")
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
    return path


if __name__ == "__main__":
    for picture in PICTURES:
        print(draw(*picture))
