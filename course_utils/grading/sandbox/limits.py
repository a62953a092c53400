"""How much of everything a submission may use."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The limits of one submission. An exercise has its own time limit beside these, `Exercise.time_limit`."""

    wall: float = 180.0  # seconds for the whole submission
    cpu: int = 180  # seconds of CPU time for each of its processes
    memory: int = 1536  # MiB of address space beyond what a process starts with; also resident, of all processes
    processes: int = 16  # with threads
    files: int = 128  # open at once
    file_size: int = 16  # MiB
    scratch: int = 64  # MiB in its scratch folder
    output: int = 64  # KiB of what it prints that are kept
