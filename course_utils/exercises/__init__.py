"""The public specification of every graded exercise, one module a notebook."""

from __future__ import annotations

import difflib
import functools
import importlib

from course_utils.errors import CourseError
from course_utils.exercises.spec import Case, Exercise, Property

MODULES = {"01_sne_to_tsne": "sne_to_tsne", "02_word2vec": "word2vec", "04_siamese_triplet": "siamese"}
"""Notebook name to the module here that specifies its exercises."""


def of(notebook: str) -> tuple[Exercise, ...]:
    """The exercises of a notebook, in its order. Raises CourseError for a notebook that has none."""
    if notebook not in MODULES:
        raise CourseError(f"There is no notebook {notebook!r}; the course has {', '.join(MODULES)}.")
    return importlib.import_module(f"{__name__}.{MODULES[notebook]}").EXERCISES


@functools.cache
def all_by_id() -> dict[str, Exercise]:
    """Every exercise of the course, by its id."""
    return {exercise.id: exercise for notebook in MODULES for exercise in of(notebook)}


def get(exercise_id: str) -> Exercise:
    """The exercise with this id. Raises CourseError, with the nearest id, for an unknown one."""
    known = all_by_id()
    if isinstance(exercise_id, str) and exercise_id in known:
        return known[exercise_id]
    if not isinstance(exercise_id, str) or not exercise_id:
        raise CourseError(f'Give the id of an exercise as text, such as check("{next(iter(known))}").')
    near = difflib.get_close_matches(str(exercise_id), known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else f"the ids are {', '.join(known)}."
    raise CourseError(f"There is no exercise {exercise_id!r}; {advice}")


__all__ = ["MODULES", "Case", "Exercise", "Property", "all_by_id", "get", "of"]
