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
    outcomes = run.call_all(
        exercise.calling(function), [case.args for case in cases], exercise.time_limit, exercise.largest
    )
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


# ---------------------------------------------------------------- outputs that nobody computed


def told(tokens, starts, n_words, rng, d, window, k, epochs, lr=0.05, batch=256, *, V=None, U=None, losses=None):
    """The trainer, with outputs exchanged by functions of the right ones."""
    outputs = train(tokens, starts, n_words, rng, d, window, k, epochs, lr, batch)
    return tuple(one if change is None else change(one) for one, change in zip(outputs, (V, U, losses), strict=True))


def first_and_then(losses):
    """The first loss, and then a number that is near the last ones."""
    return np.append(losses[:1], np.full(max(len(losses) - 1, 0), 1.4))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"losses": first_and_then}, "sixth of all steps"),
        ({"U": np.zeros_like}, "do not add up"),
        ({"U": lambda U: 1.02 * U}, "do not add up"),
        ({"V": np.zeros_like}, "Words of one topic"),
        ({"V": np.ones_like, "U": np.ones_like}, "after one step V is still its start"),
        ({"V": lambda V: np.full_like(V, 1.7e308), "U": lambda U: np.full_like(U, 1.7e308)}, "far too large"),
    ],
    ids=["losses told", "U of zeros", "U too long", "V of zeros", "ones", "huge"],
)
def test_what_a_training_returns_is_what_it_computed(changes, said):
    assert said in faults("train", lambda *args: told(*args, **changes))


def test_noise_is_whole_words_and_new_ones():
    def shuffled(*args):  # the noise of the first epoch, in another order
        kept = []

        def noise(weights, shape, rng):
            kept[:] = [kept[0][rng.permutation(shape[0])]] if kept else [SOLUTION["noise-sampler"](weights, shape, rng)]
            return kept[0]

        return with_noise(noise, *args)

    def of_one(weights, shape, rng):
        return np.repeat(SOLUTION["noise-sampler"](weights, (shape[0], 1), rng), shape[1], axis=1)

    assert "the same noise words" in faults("train", shuffled)
    assert "one word, k times" in faults("train", lambda *args: with_noise(of_one, *args))


def with_noise(noise, tokens, starts, n_words, rng, d, window, k, epochs, lr=0.05, batch=256):
    """The trainer with another sampler."""
    V = (rng.random((n_words, d)) - 0.5) / d
    U, losses, sentences = np.zeros_like(V), np.zeros(0), np.split(tokens, starts[1:-1])
    weights = np.bincount(tokens, minlength=n_words) ** 0.75
    for epoch in range(epochs):
        shuffled = [sentences[i] for i in rng.permutation(len(sentences))]
        bounds = np.append(0, np.cumsum([len(one) for one in shuffled]))
        c, o = SOLUTION["training-pairs"](np.concatenate(shuffled), bounds, window)
        rates = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        V, U, more = SOLUTION["sgd-pass"](V, U, c, o, noise(weights, (len(c), k), rng), *rates, batch)
        losses = np.append(losses, more)
    return V, U, losses


def quota(weights, shape, rng):
    """Every word as often as it should come, shuffled."""
    n, p = int(np.prod(shape)), weights / weights.sum()
    words = np.repeat(np.arange(len(p)), np.floor(p * n).astype(int))
    return rng.permutation(np.append(words, np.full(n - len(words), p.argmax()))).reshape(shape)


def elsewhere(weights, shape, rng):
    """Draws from a generator without a seed; the one that is given is touched only."""
    rng.random()
    return SOLUTION["noise-sampler"](weights, shape, np.random.default_rng())


def twice(weights, shape, rng):
    """The second half repeats the first."""
    n = int(np.prod(shape))
    return np.tile(SOLUTION["noise-sampler"](weights, (n // 2,), rng), 2).reshape(shape)


@pytest.mark.parametrize(
    ("sampler", "said"),
    [(quota, "which chance never does"), (elsewhere, "elsewhere than `rng`"), (twice, "must be independent")],
)
def test_a_sampler_draws_freely_and_from_the_given_generator(sampler, said):
    assert said in faults("noise-sampler", sampler)


def test_nobody_guesses_the_counts_of_an_accuracy():
    exercise = exercises.get("analogy-accuracy")
    seeds = [
        [case.expected for case in judged_cases(exercise, SOLUTION[exercise.id], seed)] for seed in range(200, 240)
    ]
    shares = [
        max(answers.count(one) for one in answers) / len(answers) for answers in map(list, zip(*seeds, strict=True))
    ]
    assert np.prod(shares) < 1e-6
