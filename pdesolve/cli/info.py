"""`pdesolve info`: versions, devices, threads."""

from __future__ import annotations

import os
import platform

import click

from pdesolve.runs.versions import versions


@click.command(short_help="Show versions, devices and threads.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def info(debug: bool) -> None:  # noqa: ARG001
    """Show what a report of a problem should contain: versions, devices, threads, cores."""
    rows = [*versions().items(), ("system", platform.platform()), *_machine()]
    for name, text in rows:
        click.echo(f"{name:<12}{text}")


def _machine() -> list[tuple[str, str]]:
    import torch

    usable = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):  # a container or a batch system may grant fewer
        usable = len(os.sched_getaffinity(0))
    rows = [("cores", f"{usable} usable of {os.cpu_count()}"), ("threads", str(torch.get_num_threads()))]
    rows.append(("device", "cpu"))
    # None without CUDA; nothing is initialised by asking.
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        rows.append(("device", f"cuda:{index}  {torch.cuda.get_device_name(index)}, {memory:.0f} GiB"))
    return rows
