"""The form of an attack: cells of a notebook that answer `perplexity`, by default, with anything but an answer."""

from dataclasses import dataclass
from textwrap import dedent

from course_utils.grading.intake import Cell, Submission

NOTEBOOK = "01_sne_to_tsne"
MARK = "left_by_an_attack"  # what attacks that leave something name it, so that a test can look for it
SETUP = "import numpy as np\nimport torch\n"
WRONG_BYSTANDER = "def kl_divergence(P, Q):\n    return 0.0\n"


@dataclass(frozen=True)
class Attack:
    """Cells as (source, exercise that the cell answers), in order; `says` is part of what the student is told."""

    cells: tuple[tuple[str, str | None], ...]
    says: str = ""

    def submission(self, name: str) -> Submission:
        """The attack as it is handed in, with a wrong answer to another exercise that deserves nothing either."""
        cells = [Cell(SETUP), *(Cell(source, exercise) for source, exercise in self.cells)]
        return submission(name, *cells, Cell(WRONG_BYSTANDER, "kl-divergence"))


def submission(student: str, *cells: Cell) -> Submission:
    """A submission of these cells."""
    return Submission(student, "x.ipynb", "0" * 64, None, NOTEBOOK, tuple(cells))


def attack(source: str, says: str = "", exercise: str | None = "perplexity", before: str = "") -> Attack:
    """An attack in one cell; `before` is a cell above it that answers nothing."""
    above = ((dedent(before), None),) if before else ()
    return Attack((*above, (dedent(source).lstrip("\n").replace("MARK", MARK), exercise)), says)


def returns(expression: str, says: str = "", before: str = "") -> Attack:
    """An attack that only returns something."""
    return attack(f"{dedent(before)}\ndef perplexity(P):\n    return {expression}\n", says)
