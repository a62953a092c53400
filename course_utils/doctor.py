"""`course doctor`: one line for each thing that matters on this machine, with OK or what to do."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
REMAKE = "delete the folder .venv and run `python3 start.py`"
FREE_WANTED = 1.0  # GB, for what notebooks and caches write


@dataclass(frozen=True)
class Row:
    """One thing that was looked at: what was found, and where that is not good (`ok` False), what to do."""

    name: str
    ok: bool
    text: str


def examine(root: Path = ROOT) -> list[Row]:
    """Look at everything. A part that fails in a way that nobody foresaw becomes a row that says so."""
    parts: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        ("Python", lambda: python_rows(root, platform.python_version())),
        ("packages", lambda: package_rows(root, installed_version)),
        ("device", device_rows),
        ("data", data_rows),
        ("JupyterLab", lambda: lab_rows(root)),
        ("browser widgets", lambda: widget_rows(Path(sys.prefix), installed_version)),
        ("disk", lambda: disk_rows(root, shutil.disk_usage(root).free)),
        ("write permission", lambda: write_rows(root)),
    ]
    rows = []
    for name, part in parts:
        try:
            rows += part()
        except Exception as error:  # the doctor must get to its last line whatever is broken
            rows.append(Row(name, False, f"could not be examined ({type(error).__name__}: {error}): {REMAKE}"))
    return rows


def report(rows: list[Row]) -> None:
    """Print the rows and, last, whether all is well."""
    width = max(len(row.name) for row in rows)
    for row in rows:
        mark = typer.style("OK ", fg="green") if row.ok else typer.style("-> ", fg="red")
        typer.echo(f"{mark} {row.name:{width}}  {row.text}")
    bad = sum(not row.ok for row in rows)
    typer.echo("All is well." if not bad else f"{bad} thing{'s' * (bad > 1)} to see to, marked with ->.")


def locked_versions(root: Path) -> dict[str, str]:
    """Canonical package name to exact version, as requirements.lock has it."""
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def project(root: Path) -> dict[str, Any]:
    """The table [project] of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def main_packages(root: Path) -> list[str]:
    """Names of the packages that the course itself asks for, from pyproject.toml."""
    return [Requirement(line).name for line in project(root)["dependencies"]]


def installed_version(name: str) -> str | None:
    """The version of an installed package, None where there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def python_rows(root: Path, version: str) -> Iterator[Row]:
    """Whether this `version` of Python is one that pyproject.toml allows."""
    wanted = project(root)["requires-python"]
    if SpecifierSet(wanted).contains(version):
        yield Row("Python", True, f"{version} in {sys.prefix}")
    else:
        yield Row("Python", False, f"{version} is outside {wanted}: {REMAKE} with another Python")


def package_rows(root: Path, version_of: Callable[[str], str | None]) -> Iterator[Row]:
    """Whether each package is there in the locked version; a local version such as +cpu counts as the same."""
    locked = locked_versions(root)
    for name in main_packages(root):
        found, wanted = version_of(name), locked[canonicalize_name(name)]
        if found is None:
            yield Row(name, False, f"is not installed: {REMAKE}")
        elif found.split("+")[0] != wanted:
            yield Row(name, False, f"{found} is installed and the course was made with {wanted}: {REMAKE}")
        else:
            yield Row(name, True, found)


def device_rows() -> Iterator[Row]:
    """The device that torch computes on, tried with one small product."""
    import torch

    from course_utils import pick_device

    device = pick_device()
    ones = torch.ones(2, 2, device=device)
    good = bool((ones @ ones == 2).all())
    threads = torch.get_num_threads()
    found = f"cpu, threads: {threads}" if device.type == "cpu" else str(device)
    yield Row("device", good, found if good else f"{device} computes wrongly: update its driver")


def data_rows() -> Iterator[Row]:
    """Whether the data files are there and are what they should be."""
    from course_utils.data import verify

    for name, ok, text in verify():
        yield Row(f"data: {name}", ok, text)


def lab_rows(root: Path) -> Iterator[Row]:
    """Whether JupyterLab can be started and finds its page and a kernel."""
    missing = [name for name in ("jupyterlab", "ipykernel") if importlib.util.find_spec(name) is None]
    kernel = Path(sys.prefix) / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    page = root / "notebooks" / "START_HERE.md"
    if missing or not kernel.exists():
        yield Row("JupyterLab", False, f"{' and '.join(missing) or 'its Python kernel'} is missing: {REMAKE}")
    elif not page.exists():
        yield Row("JupyterLab", False, "notebooks/START_HERE.md is missing: `git checkout notebooks` brings it back")
    else:
        yield Row("JupyterLab", True, f"with the kernel of {sys.prefix}")


def widget_rows(prefix: Path, version_of: Callable[[str], str | None]) -> Iterator[Row]:
    """Whether the browser's half of ipywidgets is there, in a version that its other half asks for."""
    asked = next(
        requirement
        for requirement in map(Requirement, metadata.requires("ipywidgets") or [])
        if canonicalize_name(requirement.name) == "jupyterlab-widgets"
    )
    found = version_of(asked.name)
    extension = prefix / "share" / "jupyter" / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager"
    if found is None or not (extension / "package.json").exists():
        yield Row("browser widgets", False, f"{asked.name} is missing, so sliders would be plain text: {REMAKE}")
    elif not asked.specifier.contains(found):
        yield Row("browser widgets", False, f"{asked.name} is {found} and ipywidgets needs {asked.specifier}: {REMAKE}")
    else:
        yield Row("browser widgets", True, f"{asked.name} {found}")


def disk_rows(root: Path, free: float) -> Iterator[Row]:
    """Whether `free` bytes are enough for what notebooks and caches write."""
    text = f"{free / 1e9:.1f} GB free"
    if free / 1e9 >= FREE_WANTED:
        yield Row("disk", True, text)
    else:
        yield Row("disk", False, f"{text} in {root}: make room for at least {FREE_WANTED:.0f} GB")


def write_rows(root: Path) -> Iterator[Row]:
    """Whether progress and settings can be written to .course/."""
    folder = root / ".course"
    try:
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        yield Row(".course/", False, f"cannot be written to ({error.strerror}): make {folder} yours")
    else:
        yield Row(".course/", True, "can be written to")
