"""Which data sets there are, where their files live, and whether those files are what they should be."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"


@dataclass(frozen=True)
class DataFile:
    """One file of a data set: its name, its size in bytes and its SHA-256 in hexadecimal digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class DataSet:
    """One row of the catalogue.

    `kind` is "bundled" (part of the course), "made here" (by the course's own code, at each call), "fetchable" (one
    download away, never needed) or "read here" (made from what is installed on this computer). `mirrors` are base
    addresses that serve `files`, tried in this order. `marker` is what lies in the folder once another package's own
    fetcher was there.
    """

    name: str
    kind: str
    description: str
    licence: str
    files: tuple[DataFile, ...] = ()
    mirrors: tuple[str, ...] = ()
    marker: str = ""

    @cached_property
    def size(self) -> int | None:
        """Bytes of all files together; None where that depends on the computer."""
        return sum(file.size for file in self.files) or None

    def __str__(self) -> str:
        """One line for `course data list`."""
        size = "" if self.size is None else f", {self.size / 1e6:.1f} MB"
        state = "" if self.present else ", not here yet"
        return f"{self.name:12} {self.kind}{size}{state}: {self.description} ({self.licence})"

    @property
    def folder(self) -> Path:
        """Where the files are, or will be once they are fetched or read."""
        return DATA / self.name if self.kind in ("bundled", "made here") else cache_folder() / self.name

    @property
    def present(self) -> bool:
        """Whether it can be used now, without a download or a first reading (contents: see `verify`)."""
        if self.kind == "read here":
            return any(self.folder.glob("*.json"))
        if self.marker:
            return (self.folder / self.marker).exists()
        return all((self.folder / file.name).is_file() for file in self.files)


DATA_SETS = (
    DataSet(
        "mnist",
        "bundled",
        "10,000 handwritten digits, 28 × 28 grey values",
        "CC BY-SA 3.0",
        (DataFile("digits.npz", 1650504, "d4191f48bb4adc28af3daeb7aae6d227fa1ced54b39d97169d862c58cf6439be"),),
    ),
    DataSet(
        "glove",
        "bundled",
        "word vectors of Stanford's GloVe (6B tokens, 50 dimensions) for 20,302 English words",
        "PDDL 1.0",
        (DataFile("vectors.npz", 1954345, "146c8c1c34bc7b8a7c7f1de048286c43391dafbed8ee9b38d50be712f16f71e6"),),
    ),
    DataSet(
        "game_states",
        "bundled",
        "3,000 states of MinAtar Breakout with a trained DQN's last layer and values",
        "made for this course",
        (
            DataFile(
                "states.npz",
                192497,
                "27702bbe4269eeeabbe7650ac55c37997acba88bc462fd72d9c121f236d6603c",
            ),
        ),
    ),
    DataSet(
        "faces",
        "bundled",
        "400 photographs of 40 faces, 46 × 56 grey values (AT&T / ORL)",
        "credit AT&T Laboratories Cambridge",
        (DataFile("faces.npz", 921342, "71826e2c0f81e10245b3104570153332c371ccb4e8df5c1f44e9cd62a3f001cb"),),
    ),
    DataSet(
        "emoji",
        "bundled",
        "10,425 drawings of 1,624 signs by eight teams, 32 × 32 in colour, with names and keywords",
        "Apache-2.0, MIT, CC BY 4.0, CC BY-SA 4.0, each team's own",
        (
            DataFile("pictures.webp", 4900180, "f28319ee699a4660b067b4a1015ed8550a7ccc30ec18896af7da26ebf752faf4"),
            DataFile("signs.json", 344775, "ff14e66ab229724461648181f29d53efc43c7addfdda20a7df17854ff7cd1fe9"),
        ),
    ),
    DataSet(
        "word_lists",
        "bundled",
        "WordSim-353, SimLex-999 and Google's 19,544 analogy questions",
        "as stated in its card",
        (DataFile("lists.json.gz", 84412, "267a51ce3fc40ba63c31a15f7ebdd797e10f9f4d8b135094ac6bfd51331b9715"),),
    ),
    DataSet(
        "toy_world",
        "made here",
        "24,000 sentences of a grammar with 4,432 analogy questions, whose truth is known",
        "made for this course",
    ),
    DataSet(
        "docstrings",
        "read here",
        "the docstrings of the Python packages installed beside the course",
        "each package's own; nothing is redistributed",
    ),
    DataSet(
        "mnist-70k",
        "fetchable",
        "all 70,000 handwritten digits of MNIST",
        "CC BY-SA 3.0",
        (
            DataFile(
                "train-images-idx3-ubyte.gz",
                9912422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            DataFile(
                "train-labels-idx1-ubyte.gz",
                28881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            DataFile(
                "t10k-images-idx3-ubyte.gz",
                1648877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            DataFile(
                "t10k-labels-idx1-ubyte.gz",
                4542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
    DataSet(
        "text8",
        "fetchable",
        "17 million words of a cleaned English Wikipedia of 2006",
        "Wikipedia's: GFDL and CC BY-SA 3.0",
        (DataFile("text8.zip", 31344016, "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"),),
        ("https://mattmahoney.net/dc/", "http://mattmahoney.net/dc/"),
    ),
    DataSet(
        "lfw",
        "fetchable",
        "Labeled Faces in the Wild: 13,233 photographs of 5,749 people, through scikit-learn",
        "free for research, see vis-www.cs.umass.edu/lfw",
        marker="lfw_home/lfw_funneled",
    ),
)


def available() -> list[DataSet]:
    """Every data set of the course, bundled ones first."""
    return list(DATA_SETS)


def find(name: str) -> DataSet:
    """The data set of that name. Raises CourseError, listing the names there are, where there is none."""
    for data_set in DATA_SETS:
        if data_set.name == name:
            return data_set
    names = ", ".join(data_set.name for data_set in DATA_SETS)
    raise CourseError(f"There is no data set named {name!r}; choose one of: {names}.")


def cache_folder() -> Path:
    """Where fetched and read data are kept: `.course/cache` of the course, else the user's cache."""
    folder = ROOT / ".course" / "cache"
    if DATA.is_dir():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            pass  # a course folder that may only be read
        else:
            if os.access(folder, os.W_OK):
                return folder
    import pooch

    return pooch.os_cache("embedding-course")


def file_problem(path: Path, file: DataFile) -> str | None:
    """What is wrong with the file at `path`: "missing", "damaged", or None."""
    if not path.is_file():
        return "missing"
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return None if digest == file.sha256 else "damaged"


def bundled_problems(data_set: DataSet) -> Iterator[str]:
    """One sentence for each bundled file that is missing or damaged: which one, and what to do."""
    for file in data_set.files:
        path = data_set.folder / file.name
        if problem := file_problem(path, file):
            where = f"data/{data_set.name}/{file.name}"
            yield (
                f"The course's file {where} is {problem}; get it back with `git checkout -- {where}`, "
                "or download the course again."
            )


def bundled_file(name: str) -> Path:
    """The path of a bundled data set's file, checked. Raises CourseError where it is missing or damaged."""
    data_set = find(name)
    for problem in bundled_problems(data_set):
        raise CourseError(problem)
    return data_set.folder / data_set.files[0].name


def verify() -> list[tuple[str, bool, str]]:
    """Compare every bundled file with its checksum; return (data set, whether it is right, one sentence)."""
    rows = []
    for data_set in DATA_SETS:
        if data_set.kind == "bundled":
            problems = list(bundled_problems(data_set))
            rows.append((data_set.name, not problems, " ".join(problems) or data_set.description))
    return rows
