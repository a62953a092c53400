"""The course's data sets: what notebooks import, `course data list` shows and `course data fetch` gets.

Everything that a notebook needs works without a network. Each set has a data card, data/<name>/README.md.
"""

from course_utils.data.bundled import GameStates, game_states, game_thumbnail, glove, mnist, mnist_70k
from course_utils.data.catalogue import DataFile, DataSet, available, cache_folder, verify
from course_utils.data.corpora import Documents, docstrings
from course_utils.data.fetching import fetch
from course_utils.data.measured import results

__all__ = [
    "DataFile",
    "DataSet",
    "Documents",
    "GameStates",
    "available",
    "cache_folder",
    "docstrings",
    "fetch",
    "game_states",
    "game_thumbnail",
    "glove",
    "mnist",
    "mnist_70k",
    "results",
    "verify",
]
