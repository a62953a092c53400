"""Faces and emoji: right shapes and meaning, fair splits, and one clear sentence where LFW is not here."""

import json
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import _lfw

from course_utils import data
from course_utils.data import catalogue, pictures
from course_utils.errors import CourseError


@pytest.fixture(scope="module")
def emoji():
    return data.emoji()


def nearest_is_the_same(X, identity, allowed):
    """The share of rows whose nearest other row, among the `allowed` (n, n) ones, has their identity."""
    X = X.reshape(len(X), -1).astype(np.float32)
    norms = (X * X).sum(1)
    D = norms[:, None] + norms[None, :] - 2 * X @ X.T
    return (identity[np.where(allowed, D, np.inf).argmin(1)] == identity).mean()


# --- faces --------------------------------------------------------------------------------------------------


def test_faces_shapes_and_values():
    images, people = data.faces()
    assert images.shape == (400, 56, 46)
    assert images.dtype == np.uint8
    assert people.dtype == np.int64
    assert np.array_equal(people, np.repeat(np.arange(40), 10))
    assert images.min() < 10
    assert images.max() > 220
    assert len(np.unique(images.reshape(400, -1), axis=0)) == 400


def test_faces_belong_to_the_people():
    images, people = data.faces()
    others = ~np.eye(400, dtype=bool)
    assert nearest_is_the_same(images, people, others) > 0.95
    mixed = np.random.default_rng(0).permutation(people)
    assert nearest_is_the_same(images, mixed, others) < 0.2


# --- emoji --------------------------------------------------------------------------------------------------


def test_emoji_shapes(emoji):
    n, m = len(emoji.sign), len(emoji.names)
    assert (n, m) == (10_425, 1_624)
    assert emoji.images.shape == (n, 32, 32, 3)
    assert emoji.images.dtype == np.uint8
    for rows in (emoji.team, emoji.lineage, emoji.sign):
        assert rows.shape == (n,)
        assert rows.dtype == np.int64
    for column in (emoji.keywords, emoji.groups, emoji.subgroups, emoji.characters, emoji.base):
        assert len(column) == m
    assert (np.diff(emoji.sign) >= 0).all()
    assert emoji.base.min() == 0
    assert len(np.unique(emoji.base)) == emoji.base.max() + 1 == 1_403


def test_every_sign_has_four_drawings_by_different_teams_of_three_lineages(emoji):
    pairs = np.stack([emoji.sign, emoji.team], 1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert np.bincount(emoji.sign).min() == 4
    assert np.bincount(emoji.sign).max() == 8
    lineages = [len(np.unique(emoji.lineage[emoji.sign == sign])) for sign in range(len(emoji.names))]
    assert min(lineages) == 3
    assert max(lineages) == 6
    assert len(emoji.lineages) == 6
    of_team = {(emoji.teams[t], emoji.lineages[line]) for t, line in zip(emoji.team, emoji.lineage, strict=True)}
    assert len(of_team) == 8
    assert {("noto", "Noto"), ("noto-v1", "Noto"), ("emojione", "EmojiOne"), ("emojione-v1", "EmojiOne")} < of_team


def test_card_states_the_pictures_of_each_team(emoji):
    card = (catalogue.DATA / "emoji" / "README.md").read_text(encoding="utf-8")
    for number, team in enumerate(emoji.teams):
        row = next(line for line in card.splitlines() if line.startswith(f"| {number} {team} |"))
        assert f"| {emoji.lineages[pictures.LINEAGE_OF_TEAM[number]]} | {(emoji.team == number).sum():,} |" in row


def test_emoji_pictures_are_drawings_on_white(emoji):
    corners = emoji.images[:, [0, 0, -1, -1], [0, -1, 0, -1]]  # (n, 4, 3)
    assert ((corners > 240).all(-1).mean(1) >= 0.75).mean() > 0.8
    blank = (emoji.images > 250).all((1, 2, 3))
    assert not blank.any()


def test_emoji_names_belong_to_the_pictures(emoji):
    """Hearts and circles of a colour have that colour: the order of rows and of names agree in every team."""
    for name, strongest in {
        "red heart": 0,
        "green heart": 1,
        "blue heart": 2,
        "red circle": 0,
        "blue circle": 2,
    }.items():
        sign = emoji.names.index(name)
        drawn = emoji.images[emoji.sign == sign]  # (k, 32, 32, 3)
        ink = drawn.astype(int).max(-1) - drawn.min(-1) > 60
        for picture, coloured in zip(drawn, ink, strict=True):
            if coloured.any():
                assert picture[coloured].mean(0).argmax() == strongest, name


def test_drawings_of_one_sign_are_alike(emoji):
    """Raw pixels find the same sign in another lineage far above chance, and not with the signs mixed up."""
    _, rows = data.split_identities(emoji.base[emoji.sign], 330, np.random.default_rng(0))
    sign, lineage = emoji.sign[rows], emoji.lineage[rows]
    other_lineage = lineage[:, None] != lineage
    assert nearest_is_the_same(emoji.images[rows], sign, other_lineage) > 0.3
    mixed = np.random.default_rng(0).permutation(sign)
    assert nearest_is_the_same(emoji.images[rows], mixed, other_lineage) < 0.05


def test_emoji_descriptions(emoji):
    grin = emoji.characters.index("😀")
    assert emoji.names[grin] == "grinning face"
    assert emoji.groups[grin] == "smileys-emotion"
    assert "happy" in emoji.keywords[grin]
    assert all(emoji.keywords)
    assert len(set(emoji.characters)) == len(set(emoji.names)) == len(emoji.names)
    assert set(emoji.groups) == {
        *("smileys-emotion", "people-body", "animals-nature", "food-drink"),
        *("travel-places", "activities", "objects", "symbols"),
    }


def test_no_skin_tones_and_no_flags(emoji):
    tones = {chr(code) for code in range(0x1F3FB, 0x1F400)}
    letters = {chr(code) for code in range(0x1F1E6, 0x1F200)}
    assert not any((tones | letters) & set(character) for character in emoji.characters)


@pytest.mark.parametrize(
    "variants",
    [
        ["person running", "man running", "woman running", "woman running: facing right"],
        ["man: red hair", "woman: bald", "person"],
        ["family: man, woman, boy", "family: woman, woman, girl, boy"],
        ["prince", "princess", "person with crown"],
        ["couple with heart: man, man", "couple with heart"],
    ],
)
def test_variants_share_a_base_sign(emoji, variants):
    assert len({int(emoji.base[emoji.names.index(name)]) for name in variants}) == 1


@pytest.mark.parametrize(
    "different",
    [["cook", "cooking"], ["astronaut", "rocket"], ["couple with heart", "red heart"], ["dog", "dog face"]],
)
def test_other_signs_do_not_share_a_base_sign(emoji, different):
    assert len({int(emoji.base[emoji.names.index(name)]) for name in different}) == len(different)


# --- splits -------------------------------------------------------------------------------------------------


def test_split_keeps_identities_apart():
    identity = np.random.default_rng(0).integers(0, 50, 400) * 3
    train, test = data.split_identities(identity, 10, np.random.default_rng(1))
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(400))
    assert not set(identity[train]) & set(identity[test])
    assert len(set(identity[test])) == 10
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()


def test_split_follows_the_generator():
    identity = np.arange(40).repeat(10)
    first, again, other = (data.split_identities(identity, 10, np.random.default_rng(seed))[1] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("n_test", [0, -1, 40, 41])
def test_split_says_how_many_are_possible(n_test):
    with pytest.raises(CourseError, match="choose a number from 1 to 39"):
        data.split_identities(np.arange(40).repeat(10), n_test, np.random.default_rng(0))


# --- speed and damage ---------------------------------------------------------------------------------------


def test_both_sets_are_small_and_load_fast():
    assert catalogue.find("faces").size < 2_000_000
    assert catalogue.find("emoji").size < 8_000_000
    code = (
        "import time; from course_utils import data; start = time.process_time(); data.faces(); data.emoji(); "
        "print(time.process_time() - start)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=catalogue.ROOT, check=True)
    assert float(run.stdout) < 2  # seconds of processor time, so that a busy machine changes nothing


def test_a_damaged_second_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "data" / "emoji").mkdir(parents=True)
    source = catalogue.DATA / "emoji" / "pictures.webp"
    (tmp_path / "data" / "emoji" / "pictures.webp").write_bytes(source.read_bytes())
    (tmp_path / "data" / "emoji" / "signs.json").write_text("[]", encoding="utf-8")
    monkeypatch.setattr(catalogue, "DATA", tmp_path / "data")
    with pytest.raises(CourseError, match=r"data/emoji/signs\.json is damaged; get it back with"):
        data.emoji()


def test_signs_file_has_one_sign_a_line():
    text = (catalogue.DATA / "emoji" / "signs.json").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) == len(json.loads(text)) + 2  # and the brackets


# --- LFW ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder that is empty at first."""
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_lfw_that_is_not_here_is_said_in_one_sentence(cache):
    with pytest.raises(CourseError) as problem:
        data.lfw()
    assert str(problem.value) == "lfw is not on this computer yet; run `course data fetch lfw` once (about 230 MB)."
    assert not catalogue.find("lfw").present


def test_fetching_lfw_without_a_network_is_said_in_one_sentence(cache, monkeypatch):
    def no_network(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(_lfw, "_fetch_remote", no_network)
    with pytest.raises(CourseError, match=r"^lfw could not be downloaded or unpacked; check the network .*again"):
        data.fetch("lfw")


def test_lfw_is_read_once_it_is_there(cache):
    home = cache / "lfw" / "lfw_home"
    for person, pictures_of in (("Ada_Lovelace", 11), ("Emmy_Noether", 10), ("Mary_Once", 1)):
        folder = home / "lfw_funneled" / person
        folder.mkdir(parents=True)
        for number in range(pictures_of):
            noise = np.random.default_rng(number).integers(0, 256, (250, 250, 3)).astype(np.uint8)
            Image.fromarray(noise).save(folder / f"{person}_{number:04}.jpg")
    for target in _lfw.TARGETS:
        (home / target.filename).touch()
    images, people, names = data.lfw()
    assert images.shape == (21, 62, 47)
    assert images.dtype == np.uint8
    assert sorted(names) == ["Ada Lovelace", "Emmy Noether"]
    assert sorted(np.bincount(people)) == [10, 11]
    assert images.max() > 100
    assert catalogue.find("lfw").present
    assert data.fetch("lfw") == cache / "lfw"
    with pytest.raises(CourseError, match="Nobody in lfw has 12 pictures"):
        data.lfw(min_pictures=12)
