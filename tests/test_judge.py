"""What the judge says of an output: type, shape, dtype, NaN, and in which pattern values differ."""

import numpy as np
import pytest
import torch

from course_utils.exercises import Case, Exercise
from course_utils.judge import JudgedCase, Outcome, agree, compare, judge
from course_utils.judge.verdict import difference_of
from course_utils.values import SeededGenerator

RIGHT = np.arange(1.0, 10).reshape(3, 3) ** 1.5


def words(got, expected=RIGHT, condition=1e3):
    difference = compare(got, expected, ("P",), condition, ())
    return "" if difference is None else f"{difference.kind}: {difference.message}"


@pytest.mark.parametrize(
    "got",
    [
        RIGHT.copy(),
        RIGHT.astype(np.float32),
        torch.from_numpy(RIGHT),
        torch.tensor(RIGHT, dtype=torch.float32, requires_grad=True),
        RIGHT * (1 + 1e-12),
        RIGHT.T.copy().T,
        np.asmatrix(RIGHT),
        np.ma.array(RIGHT),
    ],
)
def test_right_answers_in_any_form_pass(got):
    assert words(got) == ""


def diagonal_wrong():
    P = RIGHT.copy()
    P[np.diag_indices(3)] = 7
    return P


def row_wrong():
    P = RIGHT.copy()
    P[1] = [5, 6, 9]
    return P


@pytest.mark.parametrize(
    ("got", "part"),
    [
        (None, "type: P must be a NumPy array of shape (3, 3); yours is None"),
        ([[1.0]], "yours is a list"),
        (object(), "yours is an object"),
        ("text", "yours is a str"),
        (RIGHT[0], "shape: P must have shape (3, 3); yours has shape (3,), so an axis was lost"),
        (np.ones(7), "must have shape (3, 3); yours has shape (7,)."),
        (RIGHT[:, :, None], "an axis of length 1 too many"),
        (RIGHT.astype(complex), "dtype: P must hold float64"),
        (RIGHT > 3, "dtype"),
        (RIGHT.astype(np.float16), "dtype"),
        (np.where(np.eye(3), np.nan, RIGHT), "nan: P has NaN on the diagonal"),
        (RIGHT * np.nan, "NaN everywhere"),
        (0 * RIGHT, "zero everywhere"),
        (-RIGHT, "sign is flipped"),
        (RIGHT / 4, "a factor 4 is missing"),
        (RIGHT * 1.7, "1.7 times"),
        (RIGHT / np.log(2), "base 2"),
        (RIGHT.T, "transpose"),
        (diagonal_wrong(), "except on the diagonal"),
        (row_wrong(), "row 1"),
        (row_wrong().T + RIGHT - RIGHT.T, "column 1"),
        (RIGHT + 0.3, "too large by the same amount everywhere, 0.3"),
        (RIGHT / RIGHT.sum(1, keepdims=True), "each row is off by a ratio of its own"),
        (RIGHT / RIGHT.sum(0), "each column is off"),
        (np.sqrt(RIGHT), "square root"),
        (RIGHT**2, "is the square of"),
        (
            RIGHT * (1 + 1e-5 * np.arange(1, 4)),
            "near: P is nearly right, but off by more than rounding explains (round",
        ),
        (
            RIGHT * (1 + 1e-3 * np.eye(3)[0]),
            "nearly right, but differs in 3 of 9 entries by more than rounding explains: all",
        ),
    ],
)
def test_differences_are_named(got, part):
    assert part in words(got)


def test_what_was_normalised_is_said_where_the_numbers_show_it():
    by_row, whole = RIGHT / RIGHT.sum(1, keepdims=True), RIGHT / RIGHT.sum()
    assert "each row is off by a ratio of its own (each row should sum to 1; of yours the whole" in words(whole, by_row)
    assert "the whole should sum to 1; of yours each row does" in words(by_row, whole)
    assert words(RIGHT, by_row).endswith("each row is off by a ratio of its own.")
    assert "sum to 1" not in words(by_row, RIGHT)


def test_transposed_shape_is_named():
    assert "transpose" in words(np.ones((2, 3)), np.ones((3, 2)))


def test_numbers():
    assert (
        words(np.float64(2.0), 2.0) == words(2, 2.0) == words(np.array(2.0), 2.0) == words(torch.tensor(2.0), 2.0) == ""
    )
    assert "one number" in words(np.ones(2), 2.0)
    assert "one number" in words(True, 2.0)
    assert "expected 2" in words(3.0, 2.0)
    assert words(np.nan, 2.0) == "nan: P is NaN."
    assert words(0.83, 5 / 6) == "values: P is 0.83, expected 0.833333."
    assert words(2.0000045, 2.0000001) == "values: P is 2.0000045, expected 2.0000001."


def test_zero_is_compared_absolutely():
    assert words(np.full(3, 1e-12), np.zeros(3)) == ""
    assert words(np.full(3, 1e-3), np.zeros(3)) != ""


def test_tensors_are_held_to_type_and_dtype():
    expected = torch.ones(2, dtype=torch.float32)
    assert "torch tensor" in words(np.ones(2), expected)
    assert "float32" in words(torch.ones(2, dtype=torch.float64), expected)
    assert words(torch.ones(2), expected) == ""


def test_tuples_are_compared_item_by_item():
    expected = (np.ones(2), 3.0)
    assert compare((np.ones(2), 3.0), expected, ("Q", "Z"), 1e3, ()) is None
    assert "a tuple of 2: (Q, Z)" in compare(np.ones(2), expected, ("Q", "Z"), 1e3, ()).message
    assert compare((np.ones(2), 4.0), expected, ("Q", "Z"), 1e3, ()).message.startswith("Z")
    assert compare((np.ones(2), 4.0), expected, ("Q", "Z"), 1e3, ("Z",)) is None


def exchanged(*outputs):
    expected = (torch.ones(4, 2), torch.ones(4, 2, dtype=torch.int64), 3.0)
    difference = compare(outputs, expected, ("D", "J", "Z"), 1e3, ())
    return difference.message if difference else ""


def test_outputs_in_another_order_are_told_so_whatever_their_values():
    D, J = 2 * torch.ones(4, 2), 5 * torch.ones(4, 2, dtype=torch.int64)
    assert exchanged(J, D, 1.0) == "The outputs are exchanged: return (D, J, Z), not (J, D, Z)."
    assert exchanged(1.0, D, J) == "The outputs are exchanged: return (D, J, Z), not (Z, D, J)."
    assert exchanged(D, J, 1.0).startswith("D differs")
    assert exchanged(D, D, 1.0).startswith("J ")  # its dtype is wrong, which comes before a wrong number
    assert "exchanged" not in exchanged(J, J, 1.0)
    assert "exchanged" not in exchanged(None, D, object())


def test_a_wrong_form_of_a_later_item_is_said_before_a_wrong_number_of_an_earlier_one():
    difference = compare((2 * np.ones(2), np.ones(3)), (np.ones(2), 3.0), ("Q", "Z"), 1e3, ())
    assert difference.kind == "type"
    assert difference.message.startswith("Z")
    assert "Wrong too: Q." in difference.message


def test_what_no_float64_can_hold_is_a_wrong_type_and_no_known_mistake():
    for value in (10**400, -(10**400), np.datetime64("2020-01-01"), np.timedelta64(1, "s")):
        assert compare(value, 1.0, ("C",), 1e3, ()).kind == "type"
        assert not agree(value, 1.0, 1e3)
    told = compare(10**400, 1.0, ("C",), 1e3, ()).message
    assert told == "C must be a float; yours is an integer beyond the range of float64."


def test_numbers_that_are_free_must_still_be_numbers():
    expected = (np.ones(3), 2.0)
    assert compare((5 * np.ones(3), 7.0), expected, ("Y", "C"), 1e3, ("Y", "C")) is None
    told = compare((np.array([1.0, np.nan, 1.0]), 7.0), expected, ("Y", "C"), 1e3, ("Y", "C"))
    assert told.kind == "nan"
    assert told.message.startswith("Y has NaN")
    assert compare((np.ones(3), np.nan), expected, ("Y", "C"), 1e3, ("Y", "C")).kind == "nan"


def test_integers_are_told_by_place_and_not_by_ratio():
    expected = np.array([3, 6, 9])
    assert "too large by the same amount everywhere, 1" in compare(expected + 1, expected, ("ids",), 1e3, ()).message
    assert "differs in 3 of 3 entries" in compare(2 * expected, expected, ("ids",), 1e3, ()).message
    assert "differs in 1 of 1 entries" in compare(np.array([4]), np.array([3]), ("ids",), 1e3, ()).message


def test_a_column_is_called_flipped_only_where_it_is():
    expected = np.array([[0.0, 0.0], [0.2877, -np.inf]])
    assert "flipped" not in compare(np.array([[0.0, 0.0], [0.415, -np.inf]]), expected, ("S",), 1e3, ()).message
    plain = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert "sign of column 1 flipped" in compare(plain * [1, -1], plain, ("S",), 1e3, ()).message


def drawing(numbers):
    """The difference of a right value whose call drew so many numbers from its argument `rng`."""
    generator = SeededGenerator(0)
    generator.random(numbers)
    made = exercise(takes=("n", "rng"), draws_from=("rng",), returns=("x",))
    case = JudgedCase("one", (3, 0), 1.0, {})
    return difference_of(made, case, Outcome(value=1.0, generators=((1, generator),)))


def test_random_numbers_must_come_from_the_generator_that_is_given():
    assert drawing(1) is None
    assert "drew nothing from `rng`" in drawing(0).message


class Liar:
    """Claims to be an array, equal to everything, and breaks whoever looks."""

    __class__ = np.ndarray
    shape = (3, 3)

    def __eq__(self, other):
        return True

    def __array__(self, *args, **kwargs):
        return RIGHT

    def __repr__(self):
        raise SystemExit


class LyingArray(np.ndarray):
    """An array that answers every operation with the right result."""

    def __array_ufunc__(self, *args, **kwargs):
        return False

    def __array_function__(self, *args, **kwargs):
        return True

    def __sub__(self, other):
        return np.zeros(3)


def test_objects_that_lie_are_not_asked():
    assert "type" in words(Liar())
    assert words((RIGHT + 1).view(LyingArray)) != ""
    assert not agree((RIGHT + 1).view(LyingArray), RIGHT, 1e3)


def exercise(**fields):
    base = {
        "id": "double", "notebook": "x", "name": "double", "title": "Double", "points": 2, "difficulty": 1,
        "minutes": 1,
        "cases": lambda rng: [Case("one", (1.0,))], "takes": ("x",), "returns": ("y",), "hints": ("twice",),
    }  # fmt: skip
    return Exercise(**(base | fields))


CASES = [
    JudgedCase("zero", (0.0,), 0.0, {"tripled": Outcome(value=0.0), "squared": Outcome(value=0.0)}),
    JudgedCase("one", (1.0,), 2.0, {"tripled": Outcome(value=3.0), "squared": Outcome(value=1.0)}),
    JudgedCase("three", (3.0,), 6.0, {"tripled": Outcome(value=9.0), "squared": Outcome(value=9.0)}),
]


def test_all_cases_or_no_points():
    assert judge(exercise(), CASES, [Outcome(value=v) for v in (0.0, 2.0, 6.0)]).points == 2
    verdict = judge(exercise(), CASES, [Outcome(value=v) for v in (0.0, 2.0, 7.0)])
    assert verdict.points == 0
    assert verdict.first_failure == 2
    assert verdict.mistake is None


def test_a_mistake_is_named_when_all_outputs_are_its():
    assert judge(exercise(), CASES, [Outcome(value=v) for v in (0.0, 3.0, 9.0)]).mistake == "tripled"
    assert judge(exercise(), CASES, [Outcome(value=v) for v in (0.0, 1.0, 9.0)]).mistake == "squared"


def test_cases_after_a_timeout_do_not_pass():
    verdict = judge(exercise(), CASES, [Outcome(value=0.0), Outcome(timed_out=5.0)])
    assert [case.passed for case in verdict.cases] == [True, False, False]
    assert "stopped after 5 s" in verdict.cases[1].difference.message


def test_changed_arguments_cost_the_case():
    verdict = judge(exercise(), CASES[:1], [Outcome(value=0.0, changed=(0,))])
    assert "changed its argument x in place" in verdict.cases[0].difference.message


def test_properties_explain_and_judge():
    def even(args, got, expected):
        return None if got % 2 == 0 else "The result must be even."

    verdict = judge(exercise(properties=(even,)), CASES[:2], [Outcome(value=0.0), Outcome(value=3.0)])
    assert verdict.cases[1].difference.message.startswith("The result must be even. y is 3")
    nearly = exercise(properties=(lambda args, got, expected: "That is rounded.",))
    case = JudgedCase("two", (1.0,), np.array([2.0, 4.0]), {})
    rounded = judge(nearly, [case], [Outcome(value=np.array([2.001, 4.001]))])
    assert rounded.cases[0].difference.message == "That is rounded."
    by_property = exercise(properties=(even,), by_property=("y",))
    assert judge(by_property, CASES[:2], [Outcome(value=4.0), Outcome(value=8.0)]).passed
    assert not judge(by_property, CASES[:2], [Outcome(value=4.0), Outcome(value=7.0)]).passed


@pytest.mark.parametrize(
    ("got", "expected", "says"),
    [
        (1 / 3, 2 / 3, "x is 0.333333, expected 0.666667."),  # two shares have a simple ratio by chance
        (np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.0, 0.0]), "x differs in 1 of 3 entries: the first at index 0."),
        (-0.7, 0.7, "x is -0.7, expected 0.7: yours is -1 times what is expected (its sign is flipped)."),
        (2 * np.log(2), 2.0, "(natural logarithms and base 2 are mixed up)."),
        (np.array([1, 0, 3, 2]), np.array([0, 1, 2, 3]), "x differs in 4 of 4 entries: the first at index 0."),
        (np.array([1, 2, 3, 4]), np.array([0, 1, 2, 3]), "x is too large by the same amount everywhere, 1."),
    ],
)
def test_a_pattern_is_named_only_where_chance_does_not_make_it(got, expected, says):
    assert compare(got, expected, ("x",), 1e3, ()).message.endswith(says)


def test_outputs_of_one_form_are_exchanged_where_their_numbers_say_so():
    told = compare((1.0, 2.0), (2.0, 1.0), ("a", "b"), 1e3, ())
    assert told.message == "The outputs are exchanged: return (a, b), not (b, a)."
    assert "exchanged" not in compare((1.0, 1.0), (2.0, 1.0), ("a", "b"), 1e3, ()).message


def test_a_number_that_is_expected_in_float32_may_be_of_any_float_type():
    for right in (0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)):
        assert compare(right, np.float32(0.5), ("x",), 1e3, ()) is None
    assert compare(1.0, np.float32(0.5), ("x",), 1e3, ()).message == "x is 1, expected 0.5."


def test_what_stands_beside_float32_was_computed_in_it():
    loss, row = 0.0739802, np.array([1.0, 2.0])
    near = loss * (1 + 3e-6)
    assert compare((near, row), (loss, row), ("loss", "row"), 1e3, ()).message.startswith("loss is")
    assert compare((near, row.astype(np.float32)), (loss, row), ("loss", "row"), 1e3, ()) is None
    assert compare(np.float32(near), loss, ("loss",), 1e3, ()) is None
    endless = []
    endless.append(endless)
    assert compare(endless, loss, ("loss",), 1e3, ()).kind == "type"
