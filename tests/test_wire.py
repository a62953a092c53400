"""Frames between grader and worker: exact there and back, and nothing but WireError for what is no frame."""

import math
import random
import struct

import numpy as np
import pytest
import torch

from course_utils.grading import wire
from course_utils.values import MAX_NODES, Foreign, SeededGenerator

VALUE = {
    "numbers": [0, -1, 10**30, 0.1, -0.0, math.inf, 5e-324],
    "texts": ("", "é\ud800", None, True),
    "matrix": np.arange(12.0).reshape(3, 4)[:, ::2],
    "ints": np.array([[1, 2], [3, 4]], dtype=">i4"),
    "empty": np.empty((0, 3), dtype=np.float32),
    "truth": np.array([True, False]),
    "tensor": torch.tensor([1.5, 2.5]),
}


def same(one, other) -> bool:
    """Whether two values are the same, types and bits included."""
    if isinstance(one, np.ndarray):
        kinds = one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
        return kinds and one.shape == other.shape and one.astype(other.dtype).tobytes() == other.tobytes()
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return type(other) is float and struct.pack("<d", one) == struct.pack("<d", other)
    return type(one) is type(other) and one == other


def test_a_value_comes_back_as_it_was_bit_for_bit():
    assert same(VALUE, wire.decode(wire.encode(VALUE)))


def test_nan_keeps_its_place():
    (back,) = wire.decode(wire.encode((np.array([1.0, np.nan]),)))
    assert np.isnan(back).tolist() == [False, True]


@pytest.mark.parametrize("draws", [0, 1, 5])
def test_a_generator_goes_on_from_where_it_stands_on_the_other_side(draws):
    given = SeededGenerator(7)
    given.integers(9, size=draws, dtype=np.int32)  # an odd number of halves leaves one half to be used
    back = wire.decode(wire.encode(given))
    assert (back.untouched, back.seed) == (draws == 0, 7)
    assert back.integers(9, size=20, dtype=np.int32).tolist() == given.integers(9, size=20, dtype=np.int32).tolist()


def test_what_does_not_cross_is_refused_or_described():
    with pytest.raises(TypeError):
        wire.encode([object()])
    assert wire.decode(wire.encode([object()], lambda value: "an object")) == [Foreign("an object")]


def test_a_hundred_thousand_damaged_frames_raise_nothing_but_wire_error():
    rng = random.Random(11)
    small = {"re": 1, "outcome": {"value": (1.5, [np.arange(3.0), "text"]), "error": None}}
    frames = [wire.encode(VALUE), wire.encode(small)]
    survived = 0
    for _ in range(100_000):
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(frame))
            match rng.randrange(4):
                case 0:
                    frame[place] ^= 1 << rng.randrange(8)
                case 1:
                    frame[place] = rng.choice(b'{}[]",:0919-e.ntfai')
                case 2:
                    del frame[place : place + rng.randint(1, 8)]
                case 3:
                    frame[place:place] = rng.randbytes(rng.randint(1, 8))
            if not frame:
                break
        try:
            value = wire.decode(bytes(frame))
        except wire.WireError:
            continue
        survived += 1
        wire.encode(value)  # the grader sends a student's questions on to the solution
    assert 0 < survived < 50_000


@pytest.mark.parametrize(
    ("tree", "arrays", "payload"),
    [
        ({"array": 0}, [["f8", [-1]]], b""),
        ({"array": 0}, [["f8", [1 << 40]]], b""),
        ({"array": 0}, [["f8", [2, 2]]], b"\0" * 24),
        ({"array": 0}, [["f8", [1]]], b"\0" * 16),
        ({"array": 0}, [["O8", [1]]], b"\0" * 8),
        ({"array": 0}, [["f8", [1] * 9]], b"\0" * 8),
        ({"array": 0}, [["b1", [1]]], b"\7"),
        ({"array": 1}, [["f8", [1]]], b"\0" * 8),
        ({"list": [{"array": 0}] * 2}, [["f8", [1]]], b"\0" * 8),
        ({"array": 0}, [["f8", [1]]] * 2, b"\0" * 16),
        ({"tuple": [{"array": 1}, {"array": 0}]}, [["f8", [1]]] * 2, b"\0" * 16),
        ({"array": 0}, [["f8", [True]]], b"\0" * 8),
        ({"int": "9" * 4001}, [], b""),
        ({"foreign": "x" * 201}, [], b""),
        ({"list": [None] * MAX_NODES}, [], b""),
        ({"pickle": "gASV"}, [], b""),
        ({"int": "9" * 100_000}, [], b""),
        ({"generator": -1}, [], b""),
        ({"generator": True}, [], b""),
        ({"generator": []}, [], b""),
        ({"generator": [1, 2]}, [], b""),
        ({"generator": [1, 2, 0, 0, 0]}, [], b""),
        ({"generator": [1, 2**128, 0, 0]}, [], b""),
        ({"generator": [1, 5, 2, 0]}, [], b""),
        ({"generator": [1, 5, 1.0, 0]}, [], b""),
        ({"list": {"list": []}}, [], b""),
        ({"dict": [["a"]]}, [], b""),
        ({"list": [], "tuple": []}, [], b""),
    ],
)
def test_a_forged_header_is_refused(tree, arrays, payload):
    import json

    header = json.dumps({"tree": tree, "arrays": arrays}).encode()
    with pytest.raises(wire.WireError):
        wire.decode(wire.LENGTHS.pack(len(header), len(payload)) + header + payload)


def test_nesting_without_end_is_refused():
    header = b'{"tree": ' + b'{"list": [' * 5000 + b"]}" * 5000 + b', "arrays": []}'
    with pytest.raises(wire.WireError):
        wire.decode(wire.LENGTHS.pack(len(header), 0) + header)


def test_lengths_beyond_the_bounds_are_refused_before_anything_is_read():
    with pytest.raises(wire.WireError):
        wire.frame_size(wire.LENGTHS.pack(0xFFFFFFFF, 0))
    with pytest.raises(ValueError, match="does not cross"):
        wire.encode(np.zeros(wire.PAYLOAD // 8 + 1))


@pytest.mark.parametrize(
    "value",
    [
        np.broadcast_to(1.0, (10**9, 10**6)),
        np.zeros((10**9, 0)),
        [np.zeros(1)] * (wire.ARRAYS + 1),
        "x" * wire.HEADER,
        [[None] * (MAX_NODES - 9), *([None] * 9)],
    ],
    ids=["a view of petabytes", "no numbers, and a large size", "arrays", "text", "nodes"],
)
def test_what_the_reader_would_refuse_is_not_written(value):
    with pytest.raises(ValueError, match="not"):
        wire.encode(value)


@pytest.mark.parametrize(
    "value",
    [[None] * (MAX_NODES - 1), [np.zeros(1)] * wire.ARRAYS, 10**4000 - 1, np.zeros((1,) * 8)],
    ids=["nodes", "arrays", "int", "dimensions"],
)
def test_the_largest_of_everything_comes_back(value):
    assert same(wire.decode(wire.encode(value)), value)
