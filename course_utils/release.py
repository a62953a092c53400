"""`course release`: the homework folder, in which there is no solution, nbgrader's source folder, Gradescope's zip."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils import notebook
from course_utils.errors import CourseError

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
REGION = re.compile(rf"^([ \t]*){BEGIN}.*?^[ \t]*{END}[ \t]*$", re.M | re.S)

# The author's and the instructor's part of course_utils: they hold no solution, and need the solutions to do anything.
AUTHORS = frozenset({"authoring.py", "build.py", "mutants.py", "release.py", "testing.py", "validate.py", "grading"})
FILES = ("start.py", "pyproject.toml", "requirements.lock", "environment.yml")
COPIED = ("notebooks", "course_utils", "data", "results")
# What Gradescope's autograder needs; the seed lies in the folder that no submission can read.
GRADESCOPE_FILES = ("pyproject.toml", "requirements.lock")
GRADESCOPE_FOLDERS = (*COPIED, "solutions")
GRADESCOPE_SEED = Path("solutions") / "seed"
NOT_FOR_STUDENTS = shutil.ignore_patterns("__pycache__", ".*", "make.py")

README = """\
# Homework

    python3 start.py

sets everything up the first time (it needs a network then, and never again) and opens JupyterLab. The notebooks are in
`notebooks/`. Replace each line `raise NotImplementedError(...)` by your solution, run the cell, then run the cell
`check("...")` below it: it says what is right, what is not yet, and how many points that is. `hint("...")` helps.

Hand in the `.ipynb` files of `notebooks/`. `python3 start.py doctor` says what is wrong when something is.
"""

NBGRADER_README = """\
# Source folder for nbgrader

`source/` has one assignment a notebook, with the solutions between nbgrader's delimiters: it is for instructors only.
In this folder, with `course_utils` installed in the environment of the kernel:

    nbgrader generate_assignment 01_sne_to_tsne --create
    nbgrader autograde 01_sne_to_tsne

A test cell calls `check("...")`, whose value is the points earned.

**These marks can be forged.** nbgrader runs a student's cells and the test cells in one process, so a line such as
`check = lambda exercise: 99` in an answer earns what it likes, and the public answers can be read from the files of
`course_utils`. Use it for practice, or look at what was handed in.
"""

NBGRADER_CONFIG = """\
# nbgrader's configuration for the assignments in source/.
c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "embedding-course"
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("replace this line by your solution")',
}
c.Execute.timeout = 600  # seconds a cell; some train for a while
"""


# ---------------------------------------------------------------- one notebook


def released(plan: NotebookNode) -> NotebookNode:
    """A full notebook as learners get it: stubs for solutions, no outputs, none of the author's metadata."""
    student = without_outputs(plan)
    for cell in student.cells:
        exercise_id = notebook.exercise_of(cell)
        if exercise_id:
            cell.source = stub(cell.source, exercise_id)
    return student


def without_outputs(plan: NotebookNode) -> NotebookNode:
    """A copy of a notebook as if it had never run, without the author's tags and hashes."""
    clean = copy.deepcopy(plan)
    for cell in clean.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("tags", None)
    clean.metadata.pop("course", None)
    return clean


def stub(source: str, exercise_id: str) -> str:
    """An answer cell with its solution replaced by one line that raises, at the same indentation."""
    line = f'raise NotImplementedError("{exercise_id}: replace this line by your solution")'
    return REGION.sub(lambda region: region[1] + line, source)


# ---------------------------------------------------------------- folders


def release(out: Path, nbgrader: bool = False, gradescope: bool = False) -> None:
    """Make the homework folder `out`, or with `nbgrader` the folder that nbgrader begins with.

    With `gradescope`, `out` is the autograder that is uploaded to Gradescope: a zip where its name ends in .zip, else
    a folder to look at. `out` appears whole or not at all. Raises CourseError where it is there already, or where the
    build is stale.
    """
    from course_utils.build import build

    if nbgrader and gradescope:
        raise CourseError("nbgrader and Gradescope need different things: give one of --nbgrader and --gradescope.")
    problems = build(check=True)
    if problems:
        raise CourseError(f"Nothing is released because the build is not clean. {problems[0]}")
    making = new_zip if gradescope and out.suffix.lower() == ".zip" else new_folder
    with making(out) as folder:
        if nbgrader:
            fill_nbgrader(folder)
        elif gradescope:
            fill_gradescope(folder)
        else:
            fill_homework(folder)
    print(f"{out} is ready.")
    if gradescope:
        print("It holds the solutions: keep it from students. Read the top of its setup.sh before you upload it.")


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A draft folder beside `out` that becomes `out` at the end, or disappears. Raises CourseError."""
    refuse_inside(out)
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CourseError(f"{out} is there already and not empty: name a folder that does not exist yet.")
        out.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            yield draft
            draft.chmod(0o755)
            if out.exists():
                out.rmdir()
            os.replace(draft, out)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise CourseError(f"{out} cannot be made ({error.strerror or error}): name another place.") from error


@contextlib.contextmanager
def new_zip(out: Path) -> Iterator[Path]:
    """A draft folder that becomes the zip `out` at the end, or disappears. Raises CourseError."""
    refuse_inside(out)
    if out.exists():
        raise CourseError(f"{out} is there already: name a zip that does not exist yet.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as drafts:
            folder = Path(drafts) / "folder"
            folder.mkdir()
            yield folder
            os.replace(shutil.make_archive(str(Path(drafts) / "draft"), "zip", folder), out)
    except OSError as error:
        raise CourseError(f"{out} cannot be made ({error.strerror or error}): name another place.") from error


def refuse_inside(out: Path) -> None:
    """Raise CourseError for a place inside the course's own folders."""
    inside = next((name for name in COPIED if out.resolve().is_relative_to(ROOT / name)), None)
    if inside:
        raise CourseError(f"{out} lies inside {inside}/, which is part of the course: name another place.")


def fill_homework(folder: Path) -> None:
    """Notebooks, data, frozen answers and what a student needs of the package; nothing from solutions/."""
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_FOR_STUDENTS)
    for name in AUTHORS:
        part = folder / "course_utils" / name
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()
    (folder / "README.md").write_text(README, encoding="utf-8")


def fill_nbgrader(folder: Path) -> None:
    """nbgrader's source/ with one assignment a notebook, and its configuration."""
    from course_utils.authoring import script_of
    from course_utils.build import expand
    from course_utils.exercises import MODULES

    for name in MODULES:
        if script_of(name).exists():
            path = folder / "source" / name / f"{name}.ipynb"
            notebook.write(path, without_outputs(expand(name)))
    (folder / "nbgrader_config.py").write_text(NBGRADER_CONFIG, encoding="utf-8")
    (folder / "README.md").write_text(NBGRADER_README, encoding="utf-8")


def fill_gradescope(folder: Path) -> None:
    """What Gradescope's autograder holds: the course with its solutions, two scripts, and a seed of its own."""
    for name in GRADESCOPE_FILES:
        shutil.copy2(ROOT / name, folder / name)
    for name in GRADESCOPE_FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_FOR_STUDENTS)
    for executed in (folder / "solutions").glob("*.ipynb"):
        executed.unlink()  # grading reads the scripts
    for script in sorted((folder / "course_utils" / "grading" / "templates" / "gradescope").iterdir()):
        script.replace(folder / script.name)
        (folder / script.name).chmod(0o755)
    seed = folder / GRADESCOPE_SEED
    seed.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    seed.chmod(0o600)
