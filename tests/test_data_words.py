"""The data of the word2vec notebook: the toy world, the docstrings as a corpus, word lists, analogy questions."""

import hashlib
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from course_utils import data
from course_utils.data import catalogue, corpora, sentences, text_task, toy, word_lists
from course_utils.data.catalogue import DataFile
from course_utils.data.corpus import Corpus, Questions
from course_utils.errors import CourseError

# --- the toy world ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    return data.toy_world(0)


def same(one, other):
    return np.array_equal(one.tokens, other.tokens) and np.array_equal(one.starts, other.starts)


def test_a_seed_makes_one_world(world):
    assert same(world.corpus, data.toy_world(0).corpus)
    assert world.things == data.toy_world(0).things
    other = data.toy_world(1)
    assert not np.array_equal(world.corpus.tokens[:1000], other.corpus.tokens[:1000])
    assert world.things != other.things
    assert world.corpus.words == other.corpus.words


def test_the_words_are_distinct_and_zipf_distributed(world):
    corpus = world.corpus
    assert len(corpus.words) == len(set(corpus.words)) == 397
    assert np.array_equal(corpus.counts, np.bincount(corpus.tokens, minlength=397))
    assert corpus.counts.min() >= 10
    ranked = np.sort(corpus.counts)[::-1]
    assert ranked[:20].sum() > 0.3 * ranked.sum()
    assert ranked[0] > 20 * np.median(ranked)


def test_sentences_are_pieces_of_the_tokens(world):
    corpus = world.corpus
    assert len(corpus.sentences) == 24_000
    assert np.array_equal(np.concatenate(corpus.sentences), corpus.tokens)
    assert corpus.text(5).split() == [corpus.words[w] for w in corpus.sentences[5]]
    assert {len(sentence) for sentence in corpus.sentences} == {8, 9, 10}


def test_the_opposite_is_in_the_company_and_nothing_else_tells(world):
    """Males meet females (0.75 of their company), singles meet many; things and function words know neither."""
    corpus = world.corpus
    people = np.array([[corpus.index[w] for w in row.split()] for row in toy.PEOPLE.split(",")])
    form = np.full(397, -1)
    form[people] = np.arange(4)
    met = np.zeros((4, 4))
    for sentence in corpus.sentences:
        forms = form[sentence][form[sentence] >= 0]
        if len(forms) == 2:
            met[forms[0], forms[1]] += 1
            met[forms[1], forms[0]] += 1
    share = met / met.sum(1, keepdims=True)
    # Opposite in gender with probability 1/2 (number at random), else opposite in number (gender at random).
    expected = np.array([[0, 0.25, 0.25, 0.5], [0.25, 0, 0.5, 0.25], [0.25, 0.5, 0, 0.25], [0.5, 0.25, 0.25, 0]])
    np.testing.assert_allclose(share, expected, atol=0.03)


def test_the_questions_of_the_world_are_all_known_and_true(world):
    families, missing = world.questions.known(world.corpus.words)
    assert missing == 0
    assert {name: len(rows) for name, rows in families.items()} == {
        "gender": 1560,
        "plural": 1560,
        "capital": 552,
        "comparative": 380,
        "superlative": 380,
    }
    texts = {name: {tuple(row) for row in rows.tolist()} for name, rows in world.questions.families.items()}
    assert ("man", "woman", "king", "queen") in texts["gender"]
    assert ("queen", "queens", "lion", "lions") in texts["plural"]
    assert ("france", "paris", "chile", "santiago") in texts["capital"]
    assert ("big", "biggest", "old", "oldest") in texts["superlative"]
    assert all(len(set(row)) == 4 for rows in texts.values() for row in rows)


def test_things_are_about_their_concept(world):
    """A concept's own things are in most of its sentences, and other things seldom."""
    corpus = world.corpus
    king, own = corpus.index["king"], {corpus.index[thing] for thing in world.things["king"]}
    with_king = [set(s.tolist()) for s in corpus.sentences if king in s]
    without = [set(s.tolist()) for s in corpus.sentences[:4000] if king not in s]
    assert np.mean([bool(own & s) for s in with_king]) > 0.9
    assert np.mean([bool(own & s) for s in without]) < 0.5


def test_a_small_world_and_an_impossible_one():
    assert len(data.toy_world(3, n_sentences=7).corpus.sentences) == 7
    with pytest.raises(CourseError, match="asked for 0 sentences, but it needs at least 1"):
        data.toy_world(0, n_sentences=0)


# --- questions ----------------------------------------------------------------------------------------------


def test_questions_without_one_clear_answer_are_left_out():
    questions = Questions.from_pairs({"f": [("a", "b"), ("c", "d"), ("c", "e"), ("b", "g")]})
    rows = {tuple(row) for row in questions.families["f"].tolist()}
    assert ("c", "d", "a", "b") in rows
    assert not any(row[2] == "c" for row in rows)  # d and e both answer it
    assert ("a", "b", "b", "g") not in rows  # b twice
    assert len(questions) == len(rows)


def test_unknown_words_are_counted():
    questions = Questions.from_pairs({"f": [("a", "b"), ("c", "d"), ("x", "y")], "g": [("p", "q"), ("r", "s")]})
    found, missing = questions.known(["d", "c", "b", "a"])
    assert {tuple(row) for row in found["f"].tolist()} == {(3, 2, 1, 0), (1, 0, 3, 2)}
    assert found["g"].shape == (0, 4)
    assert missing == len(questions) - 2 == 6


def test_google_questions():
    questions = data.analogies()
    assert len(questions) == 19_544
    assert len(questions.families) == 14
    assert questions.families["capital-common-countries"][0].tolist() == ["athens", "greece", "baghdad", "iraq"]
    assert sum(len(rows) for name, rows in questions.families.items() if name.startswith("gram")) == 10_675
    assert all(word == word.lower() for rows in questions.families.values() for word in rows.ravel().tolist())


def test_programming_questions():
    questions = data.programming_analogies()
    assert len(questions) > 5000
    rows = {tuple(row) for rows in questions.families.values() for row in rows.tolist()}
    assert ("row", "rows", "column", "columns") in rows
    assert ("min", "max", "argmin", "argmax") in rows
    assert ("left", "right", "top", "bottom") in rows
    assert all(len(rows) >= 30 for rows in questions.families.values())
    for pairs in word_lists.PROGRAMMING_PAIRS.values():
        assert len(pairs.split()) == len(set(pairs.split()))
    assert set(word_lists.GRAMMAR) < set(questions.families)


# --- word lists ---------------------------------------------------------------------------------------------


def test_judged_pairs():
    wordsim, simlex = data.wordsim(), data.simlex()
    assert len(wordsim.first) == len(wordsim.second) == len(wordsim.scores) == 353
    assert len(simlex.first) == len(simlex.second) == len(simlex.scores) == 999
    score = dict(zip(zip(wordsim.first, wordsim.second, strict=True), wordsim.scores, strict=True))
    assert score["cup", "coffee"] == 6.58
    assert score["tiger", "tiger"] == 10
    assert (simlex.first[0], simlex.second[0], simlex.scores[0]) == ("old", "new", 1.58)
    for pairs in (wordsim, simlex):
        assert pairs.scores.min() >= 0
        assert pairs.scores.max() <= 10
        assert all(word == word.lower() for word in pairs.first + pairs.second)


# --- docstrings as a corpus ---------------------------------------------------------------------------------


def test_words_and_sentences_of_a_text():
    text = "Return the Rows.  See n_samples, x1; int64\nvalues:\n\nNo_name_ __init__ don't 3rd 42"
    assert sentences.sentences_of(text) == [
        ["return", "the", "rows"],
        ["see", "n_samples", "x1"],
        ["int64", "values"],
        ["no_name", "init", "don", "t", "rd"],
    ]


def test_corpus_counts_and_leaves_out_rare_words():
    texts = ["a b c. b a", "a b. rare b. a rare c a b"]
    corpus = sentences.corpus_of(texts, min_count=2)
    assert corpus.words == ["a", "b", "c", "rare"]
    assert corpus.counts.tolist() == [5, 5, 2, 2]
    assert [corpus.text(i) for i in range(4)] == ["a b c", "b a", "a b", "rare b"]
    fewer = sentences.corpus_of([*texts, "c a. c. rare"], min_count=5)
    assert fewer.words == ["a", "b"]
    assert [fewer.text(i) for i in range(len(fewer.sentences))] == ["a b", "b a", "a b", "b", "a a b", "a"]
    assert fewer.counts.tolist() == np.bincount(fewer.tokens).tolist() == [6, 5]


def test_corpus_is_the_same_however_the_texts_are_divided(monkeypatch):
    texts = [f"word{i % 7} and word{i % 3} in text. see word{i % 5}" for i in range(50)]
    whole = sentences.corpus_of(texts, 1)
    monkeypatch.setattr(sentences, "TEXTS_PER_TASK", 3)
    parts = sentences.corpus_of(texts, 1)
    assert whole.words == parts.words
    assert same(whole, parts)


def test_corpus_of_nothing():
    corpus = sentences.corpus_of(["", "..."], 1)
    assert (corpus.words, len(corpus.tokens), corpus.starts.tolist()) == ([], 0, [0])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """One installed package with two docstrings, and an empty cache."""
    folder = tmp_path / "site"
    (folder / "alpha").mkdir(parents=True)
    (folder / "alpha" / "__init__.py").write_text('"""Rows and columns of rows. ' + "rows and columns. " * 5 + '"""\n')
    monkeypatch.setattr(corpora, "site_packages", lambda: [folder])
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    monkeypatch.setattr(catalogue, "DATA", tmp_path / "data")
    (tmp_path / "data").mkdir()
    return folder


def test_docstring_corpus_is_read_once(site, monkeypatch):
    first = data.docstring_corpus()
    assert first.words == ["rows", "and", "columns"]
    assert first.counts.tolist() == [7, 6, 6]
    monkeypatch.setattr(sentences, "corpus_of", lambda texts: pytest.fail("it was made again"))
    again = data.docstring_corpus()
    assert again.words == first.words
    assert same(again, first)


def test_damaged_corpus_is_made_again(site):
    first = data.docstring_corpus()
    (kept,) = catalogue.find("docstrings").folder.glob("*.npz")
    for damage in (b"", b"PK broken", kept.read_bytes()[:200]):
        kept.write_bytes(damage)
        assert same(data.docstring_corpus(), first)


def test_corpus_follows_what_is_installed(site):
    data.docstring_corpus()
    (site / "beta.py").write_text('"""' + "tables and rows. " * 5 + '"""\n')
    info = site / "beta-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beta\nVersion: 1.0\n")
    assert "tables" in data.docstring_corpus().words
    assert len(list(catalogue.find("docstrings").folder.glob("*.npz"))) == 1


# --- text8 --------------------------------------------------------------------------------------------------


def test_text8_says_how_to_get_it(site):
    with pytest.raises(CourseError, match=r"text8\.zip is missing; run `course data fetch text8` once"):
        next(data.text8())


def test_text8_is_read_in_pieces(site, monkeypatch):
    words = [f"w{chr(97 + i % 26)}" for i in range(2500)]
    data_set = catalogue.find("text8")
    data_set.folder.mkdir(parents=True)
    path = data_set.folder / "text8.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("text8", " " + " ".join(words))
    content = path.read_bytes()
    small = replace(data_set, files=(DataFile("text8.zip", len(content), hashlib.sha256(content).hexdigest()),))
    monkeypatch.setattr(sentences, "find", lambda name: small)
    read = list(data.text8())
    assert [len(piece) for piece in read] == [1000, 1000, 500]
    assert [word for piece in read for word in piece] == words


def test_pieces_do_not_depend_on_where_the_blocks_end():
    class Slow(io.StringIO):
        def read(self, size=-1):
            return super().read(3)

    assert list(sentences.pieces(Slow(" alpha be  gamma d"), 2)) == [["alpha", "be"], ["gamma", "d"]]


def test_corpus_of_given_sentences():
    corpus = Corpus.of([np.array([0, 1]), np.array([2, 0, 0])], ["x", "y", "z"])
    assert corpus.starts.tolist() == [0, 2, 5]
    assert corpus.counts.tolist() == [3, 1, 1]
    assert corpus.index == {"x": 0, "y": 1, "z": 2}


# --- a corpus, asked --------------------------------------------------------------------------------------------


def test_the_words_around_a_word_stay_in_its_sentences():
    corpus = Corpus.of([np.array([1, 0, 2, 3]), np.array([4]), np.array([0, 0, 1])], list("abcde"))
    assert corpus.around(0, 1).tolist() == [1, 2, 0, 0, 1]
    assert corpus.around(0, 2).tolist() == [1, 2, 3, 0, 1, 0, 1]
    assert corpus.around(4, 5).tolist() == []


def test_a_concordance_has_the_word_in_the_middle():
    corpus = Corpus.of([np.array([1, 0, 2]), np.array([2, 0])], ["mid", "left", "right"])
    assert corpus.concordance("mid", 5, width=6) == ["  left  mid  right", " right  mid  "]
    assert len(corpus.concordance("right", 1)) == 1


def test_the_task_masks_the_packages_and_keeps_its_test_texts(monkeypatch):
    packages = [name for name in text_task.PACKAGES for _ in range(4)]
    texts = [f"{name} {'x' * 200 if i % 4 else ''}" for i, name in enumerate(packages)]  # one in four is too short
    monkeypatch.setattr(text_task, "docstrings", lambda: corpora.Documents(texts, packages, packages))
    task = data.package_task(["row", "numpy", "np", "from_numpy", "ipython"], np.random.default_rng(0), each=3)
    assert task.words == ["row"]
    assert [text.split()[0] for text in task.texts] == [task.classes[i] for i in task.label]
    train, test = task.split(1, seed=0, n_test=2)
    assert task.label[train].tolist() == list(range(8))
    assert not set(train) & set(test)
    assert np.array_equal(test, task.split(1, seed=0, n_test=2)[1])
    assert not np.array_equal(test, task.split(1, seed=1, n_test=2)[1])
