"""Wrong answers to notebook 02 that cannot be known mistakes, as no two runs repeat them: foreign random numbers."""

import numpy as np
import pytest

from course_utils import authoring, exercises, run
from course_utils.build import judged_cases
from course_utils.judge import judge

SOLUTION = authoring.load_solution("02_word2vec").functions
START = "drew nothing from `rng`"  # in the case of no epochs, where nothing else is to be drawn
ORDER = "not taken in the order of `rng.permutation"
NOISE = "nothing was drawn from `rng`"


def train(
    tokens, starts, n_words, rng, d, window, k, epochs, lr=0.05, batch=256, *, start=None, order=None, noise=None
):
    """The trainer, with other generators for some of its random numbers."""
    V = ((start or rng).random((n_words, d)) - 0.5) / d
    U, losses = np.zeros_like(V), np.zeros(0)
    weights = SOLUTION["noise-distribution"](np.bincount(tokens, minlength=n_words))
    sentences = np.split(tokens, starts[1:-1])
    for epoch in range(epochs):
        shuffled = [sentences[i] for i in (order or rng).permutation(len(sentences))]
        bounds = np.append(0, np.cumsum([len(one) for one in shuffled]))
        c, o = SOLUTION["training-pairs"](np.concatenate(shuffled), bounds, window)
        words = SOLUTION["noise-sampler"](weights, (len(c), k), noise or rng)
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, more = SOLUTION["sgd-pass"](V, U, c, o, words, *rates, batch)
        losses = np.append(losses, more)
    return V, U, losses


def faults(exercise_id, function):
    """What is said about a function, case by case, on fresh inputs."""
    exercise = exercises.get(exercise_id)
    cases = judged_cases(exercise, SOLUTION[exercise_id], 17)
    outcomes = run.call_all(function, [case.args for case in cases], exercise.time_limit, exercise.largest)
    verdict = judge(exercise, cases, outcomes)
    return " ".join(case.difference.message for case in verdict.cases if case.difference is not None)


def test_the_trainer_itself_is_right():
    assert faults("train", train) == ""


@pytest.mark.parametrize(("part", "said"), [("start", START), ("order", ORDER), ("noise", NOISE)])
@pytest.mark.parametrize(
    "foreign", [np.random.default_rng(), np.random], ids=["a fresh generator", "NumPy's global one"]
)
def test_every_random_number_of_a_training_comes_from_the_given_generator(part, said, foreign):
    assert said in faults("train", lambda *args: train(*args, **{part: foreign}))


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_a_sampler_has_no_seed_of_its_own(make):
    said = faults("noise-sampler", lambda weights, shape, rng: SOLUTION["noise-sampler"](weights, shape, make(42)))
    assert "drew nothing from `rng`" in said


@pytest.mark.parametrize("place", [0, 1, 2])
def test_numbers_that_are_none_fail_in_every_output(place):
    def spoiled(*args):
        outputs = list(train(*args))
        outputs[place] = outputs[place] * np.nan
        return tuple(outputs)

    assert "NaN" in faults("train", spoiled)
