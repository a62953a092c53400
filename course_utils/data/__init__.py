"""The course's data sets: what notebooks import, `course data list` shows and `course data fetch` gets.

Everything that a notebook needs works without a network. Each set has a data card, data/<name>/README.md.
"""

from course_utils.data.bundled import GameStates, game_states, game_thumbnail, glove, mnist, mnist_70k
from course_utils.data.catalogue import DataFile, DataSet, available, cache_folder, verify
from course_utils.data.corpora import Documents, docstrings
from course_utils.data.corpus import Corpus, Questions
from course_utils.data.fetching import fetch
from course_utils.data.measured import results
from course_utils.data.pictures import Emoji, emoji, faces, lfw, split_identities
from course_utils.data.sentences import corpus_of, docstring_corpus, sentences_of, text8
from course_utils.data.text_task import TextTask, package_task
from course_utils.data.toy import ToyWorld, toy_world
from course_utils.data.word_lists import WordPairs, analogies, programming_analogies, simlex, wordsim

__all__ = [
    "Corpus",
    "DataFile",
    "DataSet",
    "Documents",
    "Emoji",
    "GameStates",
    "Questions",
    "TextTask",
    "ToyWorld",
    "WordPairs",
    "analogies",
    "available",
    "cache_folder",
    "corpus_of",
    "docstring_corpus",
    "docstrings",
    "emoji",
    "faces",
    "fetch",
    "game_states",
    "game_thumbnail",
    "glove",
    "lfw",
    "mnist",
    "mnist_70k",
    "package_task",
    "programming_analogies",
    "results",
    "sentences_of",
    "simlex",
    "split_identities",
    "text8",
    "toy_world",
    "verify",
    "wordsim",
]
