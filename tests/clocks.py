"""Clocks that do not depend on the speed of the machine."""

from collections.abc import Callable
from itertools import chain, count, repeat


def looks() -> Callable[[], float]:
    """Each look at it passes for a second."""
    return map(float, count()).__next__


def just_late() -> Callable[[], float]:
    """Half a second after the start from the first look on: a limit of less is over, the grace of a first step not."""
    return chain([0.0], repeat(0.5)).__next__
