"""Readers of the picture sets for learning what is alike: faces and emoji, and how to split them by identity."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from course_utils.data.catalogue import bundled_file, find
from course_utils.errors import CourseError

EMOJI_SIZE = 32
TEAMS = ("noto", "noto-v1", "twemoji", "openmoji", "fluent-emoji-flat", "fxemoji", "emojione", "emojione-v1")
LINEAGES = ("Noto", "Twemoji", "OpenMoji", "Fluent", "FxEmoji", "EmojiOne")
LINEAGE_OF_TEAM = np.array([0, 0, 1, 2, 3, 4, 5, 5])  # (8,): a team's second edition is no fresh design


def faces() -> tuple[np.ndarray, np.ndarray]:
    """Faces: images (400, 56, 46) uint8 grey, and people (400,) int64 from 0 to 39, ten pictures of each in a row.

    Source: AT&T Laboratories Cambridge; see data/faces/README.md.
    """
    with np.load(bundled_file("faces")) as arrays:
        return arrays["images"], arrays["people"].astype(np.int64)


@dataclass(frozen=True)
class Emoji:
    """n pictures of m signs, each sign drawn by several teams.

    images   (n, 32, 32, 3) uint8: red, green, blue, on white
    sign     (n,) int64: which sign a picture shows, 0 ... m-1; the same as a row of the lists below
    team     (n,) int64: who drew it, a row of `teams`
    lineage  (n,) int64: the team's line of design, a row of `lineages` (noto and noto-v1 are one, and so are
             emojione and emojione-v1: a later edition keeps much of the earlier one)
    base     (m,) int64: signs that are variants of one sign (man, woman, hair, direction) have the same number
    names, groups, subgroups, characters  m strings each; keywords  m lists of strings
    """

    images: np.ndarray
    sign: np.ndarray
    team: np.ndarray
    lineage: np.ndarray
    base: np.ndarray
    names: list[str]
    keywords: list[list[str]]
    groups: list[str]
    subgroups: list[str]
    characters: list[str]
    teams: tuple[str, ...] = TEAMS
    lineages: tuple[str, ...] = LINEAGES


def emoji() -> Emoji:
    """About 10,000 pictures of about 1,600 signs, with each sign's name, keywords and group.

    The pictures of a sign follow each other; signs are in Unicode's order.
    Source: eight sets of drawings, and Unicode CLDR; see data/emoji/README.md.
    """
    from PIL import Image  # only here, so that importing the package stays light

    sheet_file = bundled_file("emoji")
    signs = json.loads((sheet_file.parent / "signs.json").read_text(encoding="utf-8"))
    with Image.open(sheet_file) as image:
        sheet = np.asarray(image.convert("RGB"))  # (rows * 32, columns * 32, 3)
    drawn_by = [entry["teams"] for entry in signs]
    team = np.concatenate(drawn_by).astype(np.int64)  # (n,)
    return Emoji(
        images=cut(sheet, EMOJI_SIZE)[: len(team)],
        sign=np.repeat(np.arange(len(signs)), [len(teams) for teams in drawn_by]),
        team=team,
        lineage=LINEAGE_OF_TEAM[team],
        base=np.array([entry["base"] for entry in signs]),
        names=[entry["name"] for entry in signs],
        keywords=[entry["keywords"] for entry in signs],
        groups=[entry["group"] for entry in signs],
        subgroups=[entry["subgroup"] for entry in signs],
        characters=[entry["sign"] for entry in signs],
    )


def cut(sheet: np.ndarray, size: int) -> np.ndarray:
    """The pictures (n, size, size, 3) of a sheet (rows * size, columns * size, 3), row by row."""
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    return sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)


def split_identities(identity: np.ndarray, n_test: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split pictures so that the test identities (persons, base signs) were never seen in training.

    identity (n,) whole numbers, one a picture; `n_test` of the different ones are drawn with `rng`. Returns the
    rows of the training pictures and the rows of the test pictures, both ascending; together they are 0 ... n-1.
    Raises CourseError unless at least one identity remains on either side.
    """
    different = np.unique(identity)
    if not 0 < n_test < len(different):
        raise CourseError(
            f"n_test is {n_test}, but of {len(different)} identities at least one must be left on either side; "
            f"choose a number from 1 to {len(different) - 1}."
        )
    chosen = rng.choice(different, n_test, replace=False)
    is_test = np.isin(identity, chosen)
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)


LFW_SCALE = 0.5  # of the 125 × 94 pixels that scikit-learn cuts out


def lfw(min_pictures: int = 10, download: bool = False) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Labeled Faces in the Wild: images (n, 62, 47) uint8 grey, people (n,) int64, and the people's names.

    Only people with at least `min_pictures` pictures. Read and cut by scikit-learn's own fetcher.
    Raises CourseError where it is not here (run `course data fetch lfw` once, about 230 MB), where `download` asks
    for it and it cannot be had, and where nobody has that many pictures.
    Source: Huang, Ramesh, Berg and Learned-Miller (2007), "Labeled Faces in the Wild", funneled version.
    """
    from sklearn.datasets import fetch_lfw_people

    try:
        people = fetch_lfw_people(
            data_home=find("lfw").folder,
            resize=LFW_SCALE,
            min_faces_per_person=min_pictures,
            download_if_missing=download,
            n_retries=1,
        )
    except OSError as error:  # no network, no such file, a damaged archive: scikit-learn's words differ
        if download:
            raise CourseError(
                "lfw could not be downloaded or unpacked; check the network and the free space on the disk, and run "
                "`course data fetch lfw` again (everything else works without it)."
            ) from error
        raise CourseError(
            "lfw is not on this computer yet; run `course data fetch lfw` once (about 230 MB)."
        ) from error
    except ValueError as error:
        raise CourseError(
            f"Nobody in lfw has {min_pictures} pictures; ask for fewer with a smaller min_pictures."
        ) from error
    images = np.rint(people.images * 255).astype(np.uint8)  # (n, 62, 47)
    return images, people.target.astype(np.int64), [str(name) for name in people.target_names]
