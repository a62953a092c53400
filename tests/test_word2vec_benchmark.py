"""What benchmarks/word2vec.py wrote belongs to the notebook's code as it is."""

import importlib.util
from pathlib import Path

import pytest

from course_utils import data

ROOT = Path(__file__).resolve().parents[1]
PIECES = {
    "word2vec_toy": "TOY_PIECES",
    "word2vec_more_text": "MORE_TEXT_PIECES",
    "word2vec_benchmark": "TORCH_PIECES",
}


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("word2vec_benchmark", ROOT / "benchmarks" / "word2vec.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PIECES)
def test_results_are_of_the_code_as_it_is(benchmark, name):
    assert data.results(name)["source_sha256"] == benchmark.source_hash(getattr(benchmark, PIECES[name]))


def test_every_trainer_has_every_seed(benchmark):
    trainers = data.results("word2vec_toy")["trainers"]
    assert set(trainers) == set(benchmark.TRAINERS)
    assert all([run["seed"] for run in runs] == [0, 1, 2, 3, 4] for runs in trainers.values())
    assert [one["seed"] for one in data.results("word2vec_more_text")["seeds"]] == [0, 1, 2, 3, 4]
