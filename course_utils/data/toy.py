"""A small made-up world whose sentences hold relations between words that are known to the last pair.

What a corpus says about its words is otherwise a matter of opinion. Here it is not: who is female, whose capital is
where, and which word is the plural of which is planted by the grammar below, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from course_utils.data.corpus import Corpus, Questions
from course_utils.errors import CourseError

# Forms in the order male, female, male plural, female plural.
PEOPLE = """
man woman men women, king queen kings queens, prince princess princes princesses, boy girl boys girls,
father mother fathers mothers, brother sister brothers sisters, son daughter sons daughters, uncle aunt uncles aunts,
nephew niece nephews nieces, actor actress actors actresses, waiter waitress waiters waitresses,
duke duchess dukes duchesses, hero heroine heroes heroines, host hostess hosts hostesses,
wizard witch wizards witches, monk nun monks nuns, lion lioness lions lionesses, tiger tigress tigers tigresses,
rooster hen roosters hens, stallion mare stallions mares"""
# Country, capital.
PLACES = """
france paris, italy rome, spain madrid, germany berlin, austria vienna, greece athens, portugal lisbon,
poland warsaw, norway oslo, sweden stockholm, finland helsinki, denmark copenhagen, ireland dublin, hungary budapest,
russia moscow, turkey ankara, egypt cairo, kenya nairobi, japan tokyo, china beijing, cuba havana, peru lima,
canada ottawa, chile santiago"""
# Positive, comparative, superlative.
QUALITIES = """
big bigger biggest, small smaller smallest, old older oldest, young younger youngest, tall taller tallest,
short shorter shortest, strong stronger strongest, weak weaker weakest, fast faster fastest, slow slower slowest,
warm warmer warmest, cold colder coldest, bright brighter brightest, dark darker darkest, rich richer richest,
poor poorer poorest, loud louder loudest, quiet quieter quietest, sweet sweeter sweetest, kind kinder kindest"""
THING_NAMES = """
anchor apple arrow basket bell bench blanket boat book bottle bread bridge bucket butter button cabin candle carpet
castle chain chair cheese cherry chimney clock cloud coat coin copper cradle crown curtain dagger desk diamond door
dragon drum dust engine feather fence field fire flag flour flower flute forest fork fountain garden gate ghost glass
glove gold grain grass hammer harbour hat hill honey horn house ice ink iron island jewel jug key kitchen knife ladder
lake lamp leaf leather lemon letter lock map marble market meadow medal milk mill mirror moon mountain mud needle nest
oak ocean oil olive orange oven paint paper pearl pepper pillow pipe plate plum pocket poem pot powder prayer rain
ribbon rice ring river road roof root rope rose saddle sail salt sand scarf school shadow shell ship shirt shoe silk
silver smoke snow soap song soup spear spoon stable stage star stone storm sugar sword table tail tea temple tent
thread throne thunder ticket torch tower town tree trumpet tunnel umbrella valley vase violin wagon wall water wave
wax well wheat wheel whistle wind window wine wing winter wolf wood wool yard"""
THINGS = THING_NAMES.split()
FUNCTION_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "that",
    "with",
    "was",
    "for",
    "on",
    "by",
    "at",
    "from",
    "it",
    "as",
    "but",
    "not",
    "had",
    "this",
]

SENTENCES = 24_000
THINGS_EACH = 4  # the things that go with one concept, drawn by lot, so that one thing goes with several concepts
SHARES = (0.40, 0.25, 0.35)  # of the sentences, about people, places, qualities
CHATTER = 0.2  # of the sentences: words thrown together that say nothing
CHATTER_LENGTH = 9


@dataclass(frozen=True)
class ToyWorld:
    """The world's sentences, all that can be asked about it, and what belongs to what.

    corpus     the sentences as word numbers, the words and how often each occurs
    questions  five families of analogies (gender, plural, capital, comparative, superlative) with their answers
    things     for the first form of each concept ("king") the things that its sentences are about
    """

    corpus: Corpus
    questions: Questions
    things: dict[str, tuple[str, ...]]


def toy_world(seed: int = 0, n_sentences: int = SENTENCES) -> ToyWorld:
    """Sentences about people, places and qualities, and the analogies that are true of them.

    A sentence brings two concepts of one class together, each with one or two things of its own. Forms meet
    their opposites: where the one is male, the other is female, or where the one is one, the other is many; a
    capital meets a foreign country; a positive meets a comparative or a superlative. So a relation between two
    forms is in the company both keep, and in nothing else: no word like "she" gives it away. Concepts, things
    and function words are as unequally frequent as Zipf has it; every fifth sentence or so means nothing.
    About 9 words a sentence; the same seed gives the same world, another one also other facts.
    Raises CourseError for fewer than 1 sentence.
    """
    if n_sentences < 1:
        raise CourseError(f"toy_world was asked for {n_sentences} sentences, but it needs at least 1.")
    rng = np.random.default_rng(seed)
    classes = [[concept.split() for concept in text.split(",")] for text in (PEOPLE, PLACES, QUALITIES)]
    words = FUNCTION_WORDS + [word for concepts in classes for forms in concepts for word in forms] + THINGS
    number = {word: i for i, word in enumerate(words)}
    forms = [np.array([[number[word] for word in concept] for concept in concepts]) for concepts in classes]
    n_chatter = rng.binomial(n_sentences, CHATTER)
    sizes = rng.multinomial(n_sentences - n_chatter, SHARES)
    sentences = chatter(n_chatter, number, forms, rng)
    things = {}
    for table, size in zip(forms, sizes, strict=True):
        own = np.stack([rng.choice(len(THINGS), THINGS_EACH, replace=False) for _ in table]) + number[THINGS[0]]
        sentences += meetings(size, table, own, rng)
        things |= {words[row[0]]: tuple(words[i] for i in lot) for row, lot in zip(table, own, strict=True)}
    shuffled = [sentences[i] for i in rng.permutation(n_sentences)]
    return ToyWorld(Corpus.of(shuffled, words), truths(classes), things)


def meetings(n: int, table: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """n sentences, each with two concepts of one class in opposite forms.

    `table` (concepts, forms) numbers the words, `own` (concepts, THINGS_EACH) the things of each concept.
    """
    frequent = rng.permutation(zipf(len(table), offset=4.0))
    one = rng.choice(len(table), n, p=frequent)
    other = rng.choice(len(table), n, p=frequent)
    other = np.where(one == other, (one + 1) % len(table), other)  # nobody meets himself
    form = rng.integers(table.shape[1], size=n)
    A, B = table[one, form], table[other, opposite(form, table.shape[1], rng)]  # (n,)
    a1, a2 = (own[one, rng.integers(THINGS_EACH, size=n)] for _ in range(2))
    b1, b2 = (own[other, rng.integers(THINGS_EACH, size=n)] for _ in range(2))
    f = rng.choice(len(FUNCTION_WORDS), (4, n), p=zipf(len(FUNCTION_WORDS)))
    long = np.stack([f[0], a1, A, a2, f[1], f[2], B, b1, f[3], b2], axis=1)  # (n, 10)
    short = np.stack([f[0], a1, A, f[1], B, b1, f[2], a2], axis=1)  # (n, 8)
    is_long = rng.random(n) < 0.5
    return [long[i] if is_long[i] else short[i] for i in range(n)]


def opposite(form: np.ndarray, n_forms: int, rng: np.random.Generator) -> np.ndarray:
    """For each form the one it meets, (n,): any other, or, of four, one of opposite gender or opposite number."""
    if n_forms < 4:
        return (form + rng.integers(1, n_forms, size=len(form))) % n_forms
    gender, plural = form % 2, form // 2
    flip_gender, at_random = rng.random(len(form)) < 0.5, rng.integers(2, size=len(form))
    return np.where(flip_gender, 1 - gender, at_random) + 2 * np.where(flip_gender, at_random, 1 - plural)


def chatter(n: int, number: dict[str, int], forms: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """n sentences of function words and things at random, half of them with any one form of any concept."""
    shape = (n, CHATTER_LENGTH)
    thing = number[THINGS[0]] + rng.choice(len(THINGS), shape, p=zipf(len(THINGS)))
    function = rng.choice(len(FUNCTION_WORDS), shape, p=zipf(len(FUNCTION_WORDS)))
    sentences = np.where(rng.random(shape) < 0.45, function, thing)
    named = np.flatnonzero(rng.random(n) < 0.5)
    anyone = rng.choice(np.concatenate([table.ravel() for table in forms]), len(named))
    sentences[named, rng.integers(CHATTER_LENGTH, size=len(named))] = anyone
    return list(sentences)


def zipf(n: int, offset: float = 2.7) -> np.ndarray:
    """Probabilities (n,) that fall with the rank r as 1/(r + offset). Source: Zipf's law in Mandelbrot's form."""
    frequencies = 1 / (np.arange(n) + offset)
    return frequencies / frequencies.sum()


def truths(classes: list[list[list[str]]]) -> Questions:
    """All analogies that hold: every ordered pair of two pairs that stand in one relation."""
    people, places, qualities = classes
    return Questions.from_pairs(
        {
            "gender": [pair for m, f, ms, fs in people for pair in ((m, f), (ms, fs))],
            "plural": [pair for m, f, ms, fs in people for pair in ((m, ms), (f, fs))],
            "capital": [(country, city) for country, city in places],
            "comparative": [(positive, comparative) for positive, comparative, _ in qualities],
            "superlative": [(positive, superlative) for positive, _, superlative in qualities],
        }
    )
