"""A small project with a notebook of two exercises: a copy of the package, told of that notebook only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "01_sample"
KEPT_OUT = ("__pycache__", "frozen", "sne_to_tsne*.py", "data", "plots", "widgets")

SPEC = '''"""The exercises of the sample notebook."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_utils.exercises.spec import Case, Exercise


def sums_to_one(args: tuple[Any, ...], got: Any, expected: Any) -> str | None:
    """The whole is one distribution."""
    return None if abs(got.sum() - 1) < 1e-6 else "The entries must sum to 1."


def vectors(rng: np.random.Generator) -> list[Case]:
    """A vector by hand, and one drawn."""
    return [Case("1, 2, 3", (np.array([1.0, 2.0, 3.0]),)), Case("five numbers", (rng.uniform(1, 2, 5),))]


def matrices(rng: np.random.Generator) -> list[Case]:
    """Two matrices."""
    by_hand = np.array([[1.0, 3.0], [2.0, 2.0]])
    return [Case("two by two", (by_hand,)), Case("drawn", (rng.uniform(1, 2, (4, 3)),))]


EXERCISES = (
    Exercise(
        id="scale",
        notebook="01_sample",
        name="scale",
        title="Scale to one",
        points=2,
        difficulty=1,
        minutes=5,
        cases=vectors,
        takes=("x",),
        returns=("p",),
        hints=("Divide by the sum.", "The sum is `x.sum()`."),
        properties=(sums_to_one,),
        library=lambda x: np.asarray(x) / np.sum(x),
    ),
    Exercise(
        id="centre-rows",
        notebook="01_sample",
        name="centre_rows",
        title="Centre the rows",
        points=3,
        difficulty=2,
        minutes=10,
        cases=matrices,
        takes=("X",),
        returns=("Z",),
        hints=("Think of the axis.",),
        requires=("scale",),
        optional=True,
    ),
)
'''

SCRIPT = '''# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # A sample
#
# Two exercises.

# %%
import numpy as np

from course_utils import check

rng = np.random.default_rng(0)

# %% [markdown]
# ## Part A: scaling
#
# [exercise: scale]


# %% exercise="scale"
def scale(x):
    """Divide the entries of x (n,) by their sum; returns p (n,)."""
    ### BEGIN SOLUTION
    total = np.sum(x)  # the secret of scaling
    return x / total
    ### END SOLUTION


# %%
check("scale")

# %% [markdown]
# [hints: scale]

# %% [markdown]
# ## Part B: rows
#
# [exercise: centre-rows]


# %% exercise="centre-rows"
def centre_rows(X):
    """Subtract from each row of X (n, d) its mean; returns Z (n, d)."""
    ### BEGIN SOLUTION
    centre = X.mean(axis=1, keepdims=True)
    return X - centre
    ### END SOLUTION


# %%
check("centre-rows")

# %% [markdown]
# [hints: centre-rows]

# %%
X = rng.normal(size=(4, 3))
centre_rows(X).sum(axis=1).round(6) + 0.0
'''

KNOWN = '''"""Known answers to the sample's exercises."""

import numpy as np

from course_utils.authoring import KnownAnswers

known = KnownAnswers("01_sample")
S = known.solution


@known.mistake("scale", "largest", "You divided by the largest entry, not by the sum.")
def _(x):
    return x / x.max()


@known.mistake("scale", "mean", "You divided by the mean: the entries then sum to n.")
def _(x):
    return S.scale(x) * len(x)


@known.mistake("scale", "in place", "You changed x itself.")
def _(x):
    x /= x.sum()
    return x


@known.alternative("scale", "loop")
def _(x):
    total = 0.0
    for value in x:
        total += value
    return np.array([value / total for value in x])


@known.alternative("scale", "list of floats")
def _(x):
    return np.array([float(value) for value in x]) / sum(x.tolist())


@known.mistake("centre-rows", "columns", "You subtracted the mean of each column; each row has its own.")
def _(X):
    return X - X.mean(axis=0)


@known.mistake("centre-rows", "one mean", "You subtracted one mean for all.")
def _(X):
    return X - X.mean()


@known.mistake("centre-rows", "sum", "You subtracted the sum of each row, not its mean.")
def _(X):
    return X - X.sum(axis=1, keepdims=True)


@known.alternative("centre-rows", "loop")
def _(X):
    return np.array([row - row.mean() for row in X])


@known.alternative("centre-rows", "projection")
def _(X):
    d = X.shape[1]
    return X @ (np.eye(d) - np.ones((d, d)) / d)
'''


class SampleProject:
    """A folder with the package and the sample notebook's sources, and a way to run `course` in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spec = root / "course_utils" / "exercises" / "sample.py"
        self.script = root / "solutions" / f"{NAME}.py"
        self.known = root / "solutions" / "known_answers" / "sample.py"
        self.executed = root / "solutions" / f"{NAME}.ipynb"
        self.released = root / "notebooks" / f"{NAME}.ipynb"
        if not root.exists():
            self.make()

    def make(self) -> None:
        """Copy the package and write the sample's sources."""
        root = self.root
        shutil.copytree(ROOT / "course_utils", root / "course_utils", ignore=shutil.ignore_patterns(*KEPT_OUT))
        for name in ("pyproject.toml", "requirements.lock", "environment.yml", "start.py"):
            shutil.copy(ROOT / name, root / name)
        listing = root / "course_utils" / "exercises" / "__init__.py"
        lines = listing.read_text().splitlines(keepends=True)
        lines = [f'MODULES = {{"{NAME}": "sample"}}\n' if line.startswith("MODULES =") else line for line in lines]
        listing.write_text("".join(lines))
        files = {self.spec: SPEC, self.script: SCRIPT, self.known: KNOWN}
        for path, text in (files | {root / "data" / "numbers" / "numbers.txt": "1 2 3\n"}).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def copy_to(self, folder: Path) -> "SampleProject":
        """A copy of this project as it now is, in the new folder `folder`/sample."""
        shutil.copytree(self.root, folder / "sample")
        return SampleProject(folder / "sample")

    def python(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run this Python on the sample's package."""
        environment = dict(os.environ, PYTHONPATH=str(self.root), PYTHONDONTWRITEBYTECODE="1", COLUMNS="200")
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=cwd or self.root, env=environment, capture_output=True, text=True, timeout=120
        )

    def course(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `course` in the sample."""
        return self.python("-m", "course_utils", *arguments)

    def edit(self, path: Path, old: str, new: str) -> None:
        """Replace one passage of a file."""
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))
