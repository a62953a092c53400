"""What benchmarks/siamese.py wrote belongs to the notebook's code as it is, and says what the notebook claims."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from course_utils import data, metrics

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("siamese_faces", "siamese_emoji", "siamese_mining")


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("siamese_benchmark", ROOT / "benchmarks" / "siamese.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_results_are_of_the_code_as_it_is(benchmark, name):
    assert data.results(name)["source_sha256"] == benchmark.source_hash()


def test_the_hash_ignores_prose_and_sees_code(benchmark, tmp_path):
    text = benchmark.SCRIPT.read_text(encoding="utf-8")
    prose, code = tmp_path / "prose.py", tmp_path / "code.py"
    prose.write_text(text.replace("The triplet loss of a batch:", "Of a batch, the loss:").replace("# (n, n)", ""))
    code.write_text(text.replace("farther = negative[a] & (D[a] > D[a, p][:, None])", "farther = negative[a]"))
    assert prose.read_text() != text != code.read_text()
    assert benchmark.source_hash(prose) == benchmark.source_hash() != benchmark.source_hash(code)


def test_pixels_measure_the_same_today(benchmark):
    """Cheap enough to do again: the first split of the faces, without a network."""
    images, people = data.faces()
    _, test = data.split_identities(people, benchmark.HELD_OUT_PEOPLE, np.random.default_rng(0))
    found = benchmark.verification(images[test].reshape(len(test), -1) / 255.0, people[test])
    (stored,) = [run for run in data.results("siamese_faces")["runs"] if run["method"] == "pixels" and run["seed"] == 0]
    assert found == pytest.approx({key: stored[key] for key in found})


def test_verification_of_a_constant_embedding_is_chance(benchmark):
    measured = benchmark.verification(np.zeros((20, 3)), np.repeat(np.arange(5), 4))
    assert measured == {"eer": 0.5, "auc": 0.5, "tar_at_1": 0.0}


def test_retrieval_of_a_constant_embedding_is_nothing_and_of_a_perfect_one_all(benchmark):
    base, lineage = np.repeat(np.arange(25), 4), np.tile(np.arange(4), 25)
    assert set(benchmark.retrieval(np.zeros((100, 3)), base, base, lineage).values()) == {0.0}
    assert set(benchmark.retrieval(10.0 * np.eye(25)[base], base, base, lineage).values()) == {1.0}


def test_every_seed_and_method_is_there(benchmark):
    def found(name):
        return sorted((run["seed"], run["method"]) for run in data.results(name)["runs"])

    def expected(seeds, methods):
        return sorted((seed, method) for seed in range(seeds) for method in methods)

    assert found("siamese_faces") == expected(10, benchmark.FACES_METHODS)
    assert found("siamese_emoji") == expected(5, ("pixels", "untrained", "semi-hard"))
    assert found("siamese_mining") == expected(5, ("random", "semi-hard", "batch-hard", "batch-all"))


def test_the_measure_is_the_course_s(benchmark):
    E, base, lineage = np.random.default_rng(0).normal(size=(80, 4)), np.arange(80) // 4, np.arange(80) % 4
    D = ((E[:, None] - E[None]) ** 2).sum(2)
    assert benchmark.retrieval(E, base, base, lineage)["recall_at_1"] == metrics.recall_at_k(D, base, 1, lineage)
