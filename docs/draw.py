"""Draw the picture of the README. Run: python docs/draw.py.

Solves the problem and writes what `pdesolve plot` draws, in 256 colours to keep the repository small. The seconds above
it are those of the table in the README, where nothing else ran beside.
"""

import json
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from pdesolve import load_problem, plot, solve

DOCS = Path(__file__).resolve().parent
PICTURES = (("poisson_four_holes", 1e-6),)


def draw(name: str, tol: float) -> Path:
    """Solve problems/<name>.py and draw it to docs/<name>.png."""
    solution = solve(load_problem(DOCS.parent / "problems" / f"{name}.py"), tol=tol)
    solution.seconds = _seconds(name, tol)
    path = plot(solution, DOCS / f"{name}.png")
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
    return path


def _seconds(name: str, tol: float) -> float:
    """Of the same solve in the record of the table."""
    rows = json.loads((DOCS.parent / "benchmarks" / "records" / "table.json").read_text("utf-8"))["rows"]
    (seconds,) = [row["seconds"] for row in rows if (row["problem"], row["tol"]) == (name, tol)]
    return float(seconds)


def _palette() -> Image.Image:
    """256 colours: both colour maps of the fields, greys, and the red of the history fading to white."""
    red, fade = np.array(matplotlib.colors.to_rgb("#c1432e")), np.linspace(1, 0.25, 8)[:, None]
    maps = [matplotlib.colormaps[name](np.linspace(0, 1, 112))[:, :3] for name in ("viridis", "magma")]
    colours = np.concatenate([*maps, np.linspace(0, 1, 24)[:, None].repeat(3, 1), 1 - fade * (1 - red)])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * colours).round().astype(int).ravel().tolist())
    return palette


if __name__ == "__main__":
    for picture in PICTURES:
        print(draw(*picture))
