"""A task for word vectors: from which package does a docstring come?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from course_utils.data.corpora import docstrings

PACKAGES = ("torch", "sympy", "scipy", "numpy", "matplotlib", "sklearn", "networkx", "IPython")
SHORT_NAMES = frozenset(["np", "plt", "nx", "pd", "mpl"])
SHORTEST = 200  # characters of a text


@dataclass(frozen=True)
class TextTask:
    """Texts of several classes, equally many of each, class by class.

    texts    the texts
    label    (n,) int64: the class of each
    classes  the names of the classes
    words    the words that may be used: those that were offered, without the names of the classes
    """

    texts: list[str]
    label: np.ndarray
    classes: list[str]
    words: list[str]

    def split(self, n: int, seed: int, n_test: int = 100) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of n training texts and n_test test texts of each class, the test texts the same for every n."""
        each = len(self.texts) // len(self.classes)
        rng = np.random.default_rng(seed)
        order = np.stack([each * i + rng.permutation(each) for i in range(len(self.classes))])  # (classes, each)
        return order[:, :n].ravel(), order[:, each - n_test :].ravel()


def package_task(words: Sequence[str], rng: np.random.Generator, each: int = 300) -> TextTask:
    """`each` docstrings of each of eight packages, drawn by `rng`; the packages' names are masked.

    Of the `words` those that hold a package's name, or are a usual short name of one, are left out.
    """
    documents = docstrings()
    of = np.array(documents.packages)
    long = np.array([len(text) >= SHORTEST for text in documents.texts])
    rows = np.concatenate([rng.choice(np.flatnonzero(long & (of == name)), each, replace=False) for name in PACKAGES])
    names = [name.lower() for name in PACKAGES]
    known = [word for word in words if word not in SHORT_NAMES and not any(name in word for name in names)]
    label = np.repeat(np.arange(len(PACKAGES)), each)
    return TextTask([documents.texts[i] for i in rows], label, list(PACKAGES), known)
