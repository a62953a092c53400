"""`course release`: notebooks without their solutions."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from course_utils import notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

BEGIN = "### BEGIN SOLUTION"
END = "### END SOLUTION"
REGION = re.compile(rf"^([ \t]*){BEGIN}.*?^[ \t]*{END}[ \t]*$", re.M | re.S)


# ---------------------------------------------------------------- one notebook


def released(plan: NotebookNode) -> NotebookNode:
    """A full notebook as learners get it: stubs for solutions, no outputs, none of the author's metadata."""
    student = copy.deepcopy(plan)
    for cell in student.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            exercise_id = notebook.exercise_of(cell)
            if exercise_id:
                cell.source = stub(cell.source, exercise_id)
        cell.metadata.pop("tags", None)
    student.metadata.pop("course", None)
    return student


def stub(source: str, exercise_id: str) -> str:
    """An answer cell with its solution replaced by one line that raises, at the same indentation."""
    line = f'raise NotImplementedError("{exercise_id}: replace this line by your solution")'
    return REGION.sub(lambda region: region[1] + line, source)
