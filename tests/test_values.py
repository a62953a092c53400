"""Values cross as JSON and raw arrays: what went in comes out, nothing else gets in."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils import values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
TREES = st.recursive(
    SCALARS | ARRAYS,
    lambda children: (
        st.lists(children, max_size=3)
        | st.tuples(children, children)
        | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)


def same(one, other):
    """Equal in type, structure and bits."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return one == other


@given(TREES)
def test_round_trip(value):
    assert same(values.rebuild(*values.flatten(value)), value)


def test_tensors_and_generators_cross():
    tensor, generator = values.rebuild(*values.flatten((torch.arange(3.0), values.SeededGenerator(5))))
    assert torch.equal(tensor, torch.arange(3.0))
    assert generator.random() == values.SeededGenerator(5).random()


@pytest.mark.parametrize("value", [object(), print, {1: 2}, np.array([None]), np.array(["a"]), 1j, b"x", {1, 2}])
def test_other_types_do_not_cross(value):
    with pytest.raises(TypeError):
        values.flatten(value)


def test_depth_is_bounded():
    value = []
    for _ in range(values.MAX_DEPTH + 2):
        value = [value]
    with pytest.raises(ValueError, match="nested"):
        values.flatten(value)


@pytest.mark.parametrize("tree", [{"pickle": "x"}, {"int": "1", "float": "2"}, 3, ["list"]])
def test_trees_that_flatten_cannot_make_are_refused(tree):
    with pytest.raises(ValueError, match=r"tree|known"):
        values.rebuild(tree, [])


def test_files_repeat_byte_by_byte(tmp_path):
    value = {"x": np.arange(4.0), "y": (1, "two")}
    values.save(tmp_path / "a.npz", value)
    values.save(tmp_path / "b.npz", value)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert same(values.load(tmp_path / "a.npz"), value)
