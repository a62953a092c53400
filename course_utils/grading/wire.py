"""Messages between grader and worker: one value a frame, as `values.flatten` splits it; never pickled or evaluated.

A frame is the lengths of a JSON header and of the arrays' bytes behind it (two little-endian unsigned 32-bit
numbers), then both. The header holds the tree and each array's dtype and shape; arrays follow each other without
gaps, little-endian, in C order. Whoever reads a frame trusts nothing in it.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np

from course_utils import values

LENGTHS = struct.Struct("<II")
HEADER = 4 << 20  # bytes, at most
PAYLOAD = 64 << 20  # bytes, at most
ARRAYS = 10_000


class WireError(ValueError):
    """A frame that no honest worker sends."""


def encode(value: Any, foreign: values.Describe | None = None) -> bytes:
    """The frame of a value. Raises TypeError or ValueError for one that does not cross (see `values.flatten`)."""
    tree, arrays = values.flatten(value, foreign)
    payload = sum(array.nbytes for array in arrays)
    if payload > PAYLOAD:  # before any copy: a broadcast view of one number can claim to have terabytes
        raise ValueError(f"a value of more than {PAYLOAD >> 20} MiB does not cross")
    if len(arrays) > ARRAYS or any(size > PAYLOAD for array in arrays for size in array.shape):
        raise ValueError(f"more than {ARRAYS} arrays, or an array of no size, do not cross")
    plain = [np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for array in arrays]
    shapes = [[array.dtype.kind + str(array.dtype.itemsize), list(array.shape)] for array in arrays]
    header = json.dumps({"tree": tree, "arrays": shapes}).encode()
    if len(header) > HEADER:
        raise ValueError(f"a value with more than {HEADER >> 20} MiB of text and numbers does not cross")
    return b"".join([LENGTHS.pack(len(header), payload), header, *(array.tobytes() for array in plain)])


def frame_size(start: bytes) -> int:
    """How long the frame is whose first LENGTHS.size bytes these are. Raises WireError for one beyond the bounds."""
    header, payload = LENGTHS.unpack(start)
    if header > HEADER or payload > PAYLOAD:
        raise WireError("a frame beyond the bounds")
    return LENGTHS.size + header + payload


def decode(frame: bytes) -> Any:
    """The value of a whole frame. Raises WireError for anything that `encode` does not make."""
    try:
        header, payload = LENGTHS.unpack_from(frame)
        if len(frame) != LENGTHS.size + header + payload:
            raise WireError("a frame of another length than it says")
        content = json.loads(bytes(frame[LENGTHS.size : LENGTHS.size + header]))
        if type(content) is not dict or set(content) != {"tree", "arrays"}:
            raise WireError("a header without tree and arrays")
        arrays = read_arrays(content["arrays"], memoryview(frame)[LENGTHS.size + header :])
        return values.rebuild(content["tree"], arrays)
    except WireError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, struct.error) as error:
        raise WireError(f"{type(error).__name__}: {str(error)[:200]}") from error


def read_arrays(shapes: Any, payload: memoryview) -> list[np.ndarray]:
    """The arrays that a header describes, over the payload's bytes. Raises WireError where they do not fill it."""
    if type(shapes) is not list or len(shapes) > ARRAYS:
        raise WireError("too many arrays")
    arrays, offset = [], 0
    for entry in shapes:
        if type(entry) is not list or len(entry) != 2:
            raise WireError("an array without dtype and shape")
        dtype, shape = entry
        if type(dtype) is not str or dtype not in values.DTYPES:
            raise WireError("an unknown dtype")
        if type(shape) is not list or len(shape) > values.MAX_DIMENSIONS:
            raise WireError("a shape of too many dimensions")
        if not all(type(size) is int and 0 <= size <= PAYLOAD for size in shape):
            raise WireError("a shape with a size that cannot be")
        kind = np.dtype(f"<{dtype}")
        length = math.prod(shape) * kind.itemsize
        if length > len(payload) - offset:
            raise WireError("an array longer than its frame")
        flat = np.frombuffer(payload, kind, math.prod(shape), offset) if length else np.empty(0, kind)
        if dtype == "b1" and length and flat.view(np.uint8).max() > 1:
            raise WireError("a truth value that is neither 0 nor 1")
        arrays.append(flat.reshape(shape))
        offset += length
    if offset != len(payload):
        raise WireError("bytes left over")
    return arrays
