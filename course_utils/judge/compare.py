"""Compare what a learner's function returned with what the solution returns, and say where and how they differ."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from course_utils.judge import patterns
from course_utils.values import Foreign

MOST_EXCHANGED = 4  # outputs that are tried in every order
LARGEST = int(np.finfo(np.float64).max)
HUGE = 1e6  # times the solution's largest number: beyond it no free output is looked at
SHOWN = 8  # rows and columns of an array that a message shows


@dataclass(frozen=True)
class Difference:
    """What is wrong with one output.

    `kind` is type, shape, dtype, nan, values, near (values that nearly agree), property, memory, changed, error, time.
    """

    kind: str
    message: str
    expected: str = ""
    got: str = ""


def as_plain(value: Any) -> Any:
    """A value without behaviour of its own: tensors and NumPy scalars become arrays and numbers.

    Subclasses are stripped with NumPy's own base-class view, so an object's claims about itself are never asked.
    Raises TypeError for anything that is no number, array, tensor, string, None, or tuple, list or dict of these.
    """
    kind = type(value)
    if kind is int and abs(value) > LARGEST:
        raise TypeError("an integer beyond the range of float64")
    if value is None or kind in (bool, int, float, str):
        return value
    if isinstance_exact(value, np.generic):
        if value.dtype.kind not in "biufcU":
            raise TypeError(f"a NumPy scalar of dtype {value.dtype}")
        item = np.generic.item(value)
        return float(item) if isinstance_exact(item, np.longdouble) else item  # which has no Python type
    if isinstance_exact(value, np.ndarray):
        plain = np.ndarray.view(value, np.ndarray)
        if plain.dtype.kind not in "biufc":
            raise TypeError(f"a NumPy array of dtype {plain.dtype}")
        return plain
    if kind in (list, tuple):
        return kind(as_plain(item) for item in value)
    if kind is dict:
        return {str(key): as_plain(item) for key, item in value.items()}
    torch = sys.modules.get("torch")
    if torch is not None and isinstance_exact(value, torch.Tensor):
        return torch.Tensor.numpy(torch.Tensor.cpu(torch.Tensor.detach(value)))
    raise TypeError(f"a {kind_name(value)}")


def isinstance_exact(value: Any, kind: type) -> bool:
    """Whether the real type of `value` is or derives from `kind`, whatever its `__class__` claims."""
    return issubclass(type(value), kind)


def kind_name(value: Any) -> str:
    """The name of a value's type for a message, bounded, even where the type lies about its name."""
    name = type.__dict__["__name__"].__get__(type(value))
    return name[:60]


def describe(value: Any) -> str:
    """What a value is, in words: "a list", "an array of shape (3, 3)", "None"."""
    if value is None:
        return "None (is a return missing?)"
    if type(value) is Foreign:
        return value.description
    if type(value) is int and abs(value) > LARGEST:
        return "an integer beyond the range of float64"
    if isinstance_exact(value, np.ndarray):
        plain = np.ndarray.view(value, np.ndarray)
        return f"an array of shape {plain.shape}" + ("" if plain.dtype.kind in "biufc" else f" and dtype {plain.dtype}")
    if isinstance_exact(value, np.generic):
        return f"a single number, {kind_name(value)}"
    if type(value) in (list, tuple):
        return f"a {kind_name(value)}"
    torch = sys.modules.get("torch")
    if torch is not None and isinstance_exact(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    name = kind_name(value)
    if getattr(sys.modules["builtins"], name, None) is not type(value):
        return f"an object of type {name}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def show(value: Any) -> str:
    """A small rendering of a plain value, at most SHOWN rows and columns, four significant digits."""
    if isinstance_exact(value, np.ndarray):
        with np.printoptions(precision=4, suppress=False, threshold=SHOWN * SHOWN, edgeitems=SHOWN // 2, linewidth=88):
            text = str(value)
            return text if value.size <= 1 or value.ndim == 0 else f"{text}   shape {value.shape}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return "\n".join(show(item) for item in value)
    if type(value) is dict and any(isinstance_exact(item, np.ndarray) for item in value.values()):
        return "\n".join(f"{name}: {describe(item)}" for name, item in value.items())  # such as a network's weights
    return str(value)[:400]


def in_float32(value: Any) -> bool:
    """Whether this is an array, tensor or NumPy number in float32, or a tuple or list that has one among its items."""
    items = as_tuple(value)
    torch = sys.modules.get("torch")
    for one in (value,) if items is None else items:  # not deeper: a list can hold itself
        if torch is not None and isinstance_exact(one, torch.Tensor):
            if one.dtype == torch.float32:
                return True
        elif isinstance_exact(one, np.ndarray | np.generic) and one.dtype == np.float32:
            return True
    return False


def allowed(condition: float, single: bool) -> float:
    """The relative tolerance: `condition` times the eps of float32 if `single`, else of float64, within [1e-6, 1e-3].

    An answer that holds anything in float32 is judged as float32, the plain numbers beside it too. The lower bound
    leaves room for the guards against zeros that are right ways of writing a formula, such as log(p + 1e-10), which
    change n terms by 1e-10 each; the upper one keeps an ill-conditioned spec from accepting everything.
    """
    return min(max(condition * float(np.finfo(np.float32 if single else np.float64).eps), 1e-6), 1e-3)


def as_tuple(value: Any) -> tuple[Any, ...] | None:
    """The items of a tuple, a list or a named tuple, read past whatever its class defines; None for anything else."""
    for kind in (tuple, list):
        if isinstance_exact(value, kind):
            return tuple(kind.__getitem__(value, index) for index in range(kind.__len__(value)))
    return None


def compare(
    got: Any, expected: Any, names: tuple[str, ...], condition: float, skip: tuple[str, ...], single: bool = False
) -> Difference | None:
    """The first difference between an output and the solution's, or None where there is none that rounding explains.

    Tuples are compared item by item, named by `names`; items named in `skip` are held to type, shape and dtype only.
    `single`: something beside it was computed in float32.
    """
    single = single or in_float32(got) or in_float32(expected)
    if isinstance(expected, tuple):
        items = as_tuple(got)
        if items is None or len(items) != len(expected):
            wanted = f"a tuple of {len(expected)}: ({', '.join(names)})"
            count = "" if items is None else f" of {len(items)}"
            return Difference("type", f"Return {wanted}; yours returned {describe(got)}{count}.")
        pairs = zip(names, items, expected, strict=True)
        differences = {name: compare(a, b, (name,), condition, skip, single) for name, a, b in pairs}
        wrong = [name for name, difference in differences.items() if difference is not None]
        if not wrong:
            return None
        exchanged = _exchanged(items, expected, names, condition)
        if exchanged is not None:
            return exchanged
        # A wrong type or shape comes first: properties are asked only where all items have the right form.
        structural = [name for name in wrong if differences[name].kind in ("type", "shape", "dtype", "nan")]
        first_wrong = (structural or wrong)[0]
        first = differences[first_wrong]
        assert first is not None
        others = [name for name in wrong if name != first_wrong]
        also = f" Wrong too: {', '.join(others)}." if others else ""
        return replace(first, message=first.message + also)
    name = names[0]
    return (
        _type_difference(name, got, expected)
        or _shape_difference(name, as_plain(got), as_plain(expected))
        or _value_difference(name, as_plain(got), as_plain(expected), None if name in skip else condition, single)
    )


def _exchanged(
    items: tuple[Any, ...], expected: tuple[Any, ...], names: tuple[str, ...], condition: float
) -> Difference | None:
    """That the outputs come in another order: each fits another place, and some do not fit their own.

    Forms tell that; where all have the form of their own place, the numbers do.
    """
    if len(items) > MOST_EXCHANGED:
        return None
    in_form = all(_fits(*pair) for pair in zip(items, expected, strict=True))

    def fits(item: Any, place: int) -> bool:
        return agree(item, expected[place], condition) if in_form else _fits(item, expected[place])

    for order in itertools.permutations(range(len(items))):  # items[i] fits the place order[i]
        if all(fits(item, place) for item, place in zip(items, order, strict=True)):
            theirs = ", ".join(names[place] for place in order)
            return Difference("type", f"The outputs are exchanged: return ({', '.join(names)}), not ({theirs}).")
    return None


def _fits(got: Any, expected: Any) -> bool:
    """Whether an output has the type, dtype and shape that are expected."""
    return _type_difference("", got, expected) is None and not _shape_difference("", as_plain(got), as_plain(expected))


def _type_difference(name: str, got: Any, expected: Any) -> Difference | None:
    torch = sys.modules.get("torch")
    if isinstance(expected, np.generic):
        expected = as_plain(expected)
    if torch is not None and isinstance(expected, torch.Tensor):
        if not isinstance_exact(got, torch.Tensor):
            return Difference("type", f"{name} must be a torch tensor; yours is {describe(got)}.")
        if got.dtype != expected.dtype:
            return Difference("dtype", f"{name} must have dtype {expected.dtype}; yours has {got.dtype}.")
        return None
    try:
        plain = as_plain(got)
    except Exception:  # also what nests without end, and tensors without numbers
        return Difference("type", f"{name} must be {_wanted(expected)}; yours is {describe(got)}.")
    if isinstance(expected, np.ndarray):
        if not isinstance(plain, np.ndarray):
            advice = " (np.array makes one of it)" if isinstance(plain, list) else ""
            return Difference("type", f"{name} must be {_wanted(expected)}; yours is {describe(got)}{advice}.")
        if (
            plain.dtype.kind == "c"
            or (plain.dtype.kind == "b") != (expected.dtype.kind == "b")
            or plain.dtype == np.float16
        ):
            return Difference("dtype", f"{name} must hold {expected.dtype} numbers; yours has dtype {plain.dtype}.")
        if expected.dtype.kind in "iu" and plain.dtype.kind not in "iu":
            return Difference("dtype", f"{name} must hold integers; yours has dtype {plain.dtype}.")
    elif isinstance(expected, float | int) and not isinstance(expected, bool):
        number = plain.item() if isinstance(plain, np.ndarray) and plain.ndim == 0 else plain
        if type(number) not in (int, float):
            return Difference("type", f"{name} must be one number; yours is {describe(got)}.")
    elif type(plain) is not type(expected):
        return Difference("type", f"{name} must be {_wanted(expected)}; yours is {describe(got)}.")
    return None


def _wanted(expected: Any) -> str:
    return f"a NumPy array of shape {expected.shape}" if isinstance(expected, np.ndarray) else describe(expected)


def _shape_difference(name: str, got: Any, expected: Any) -> Difference | None:
    if not isinstance(expected, np.ndarray) or np.shape(got) == expected.shape:
        return None
    hint = patterns.of_shape(got.shape, expected.shape)
    return Difference("shape", f"{name} must have shape {expected.shape}; yours has shape {got.shape}{hint}.")


def _value_difference(name: str, got: Any, expected: Any, condition: float | None, single: bool) -> Difference | None:
    """What differs in the numbers; with no `condition` they are free, but for NaN."""
    if isinstance(expected, str | bool) or expected is None:
        if got == expected or condition is None:
            return None
        return Difference("values", f"{name} must be {expected!r}.", show(expected), show(got))
    wanted = np.asarray(expected, dtype=np.float64)
    given = np.asarray(got, dtype=np.float64)
    unexpected_nan = np.isnan(given) & ~np.isnan(wanted)
    if unexpected_nan.any():
        return Difference("nan", f"{name} {patterns.nan_place(unexpected_nan)}.", show(expected), show(got))
    if condition is None:
        return _beyond(name, given, wanted)
    tolerance = allowed(condition, single)
    wrong = differs(given, wanted, tolerance)
    if not wrong.any():
        return None
    if isinstance(expected, np.ndarray) and expected.dtype.kind in "iu":
        what = patterns.explain_integers(given, wanted, wrong)
        return Difference("values", f"{name} {what}.", show(expected), show(got))
    kind = "near" if wanted.ndim and patterns.is_near(given, wanted) else "values"
    return Difference(kind, f"{name} {patterns.explain(given, wanted, wrong, tolerance)}.", show(expected), show(got))


def _beyond(name: str, given: np.ndarray, wanted: np.ndarray) -> Difference | None:
    """That free numbers are infinite or absurdly large, so that a property would compute NaN, which passes unseen."""
    finite = np.isfinite(wanted)
    scale = np.abs(wanted[finite]).max(initial=0.0) or 1.0
    if (np.abs(given[finite]) <= HUGE * scale).all():
        return None
    return Difference("nan", f"{name} holds numbers that are infinite or far too large: does something overflow?")


def differs(got: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Where two float64 arrays of one shape differ by more than `tolerance` times the largest |expected|.

    The allowance is relative to the array's largest entry because that is how rounding in a sum or a matrix
    product is bounded (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Where all that is expected
    is 0 it is absolute. Infinities must match.
    """
    finite = np.isfinite(expected)
    scale = np.abs(expected[finite]).max(initial=0.0) or 1.0
    with np.errstate(invalid="ignore"):
        close = np.abs(got - expected) <= tolerance * scale
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return ~(close & finite | same)


def agree(got: Any, expected: Any, condition: float, single: bool = False) -> bool:
    """Whether two plain outputs are the same up to rounding; used to recognise a known mistake."""
    single = single or in_float32(got) or in_float32(expected)
    if isinstance(expected, tuple | list):
        got = as_tuple(got)
        if got is None or len(got) != len(expected):
            return False
        return all(agree(a, b, condition, single) for a, b in zip(got, expected, strict=True))
    try:
        got, expected = as_plain(got), as_plain(expected)
    except Exception:
        return False
    if isinstance(expected, str) or expected is None or isinstance(got, str) or got is None:
        return type(got) is type(expected) and got == expected
    if isinstance(got, dict | tuple | list) or isinstance(expected, dict):
        return False
    if np.shape(got) != np.shape(expected) or np.iscomplexobj(got) != np.iscomplexobj(expected):
        return False
    if np.iscomplexobj(got):
        return bool(np.allclose(got, expected))
    tolerance = allowed(condition, single)
    return not differs(np.asarray(got, np.float64), np.asarray(expected, np.float64), tolerance).any()
