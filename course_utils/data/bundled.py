"""Readers of the data sets that come with the course (and of MNIST's full set, once it is fetched)."""

import gzip
from dataclasses import dataclass

import numpy as np

from course_utils.data.catalogue import bundled_file, file_problem, find
from course_utils.errors import CourseError


def mnist(n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits: images (n, 28, 28) uint8, 0 is paper and 255 is ink, and labels (n,) int64.

    The order is fixed and fair: each ten in a row hold every digit once (up to 8,630), so the first n are
    balanced whatever n is.
    Without `n`, all 10,000. Raises CourseError for an n outside 0 ... 10,000.
    Source: LeCun, Cortes and Burges, MNIST; see data/mnist/README.md.
    """
    with np.load(bundled_file("mnist")) as arrays:
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    if n is not None and not 0 <= n <= len(labels):
        raise CourseError(f"mnist({n}) was asked for, but n must lie between 0 and {len(labels):,}.")
    return images[:n], labels[:n]


def mnist_70k() -> tuple[np.ndarray, np.ndarray]:
    """All of MNIST: images (70000, 28, 28) uint8 and labels (70000,) int64, the 60,000 for training first.

    Raises CourseError until `course data fetch mnist-70k` was run once: it is no part of the course's folder.
    """
    data_set = find("mnist-70k")
    parts = []
    for file in data_set.files:
        path = data_set.folder / file.name
        if problem := file_problem(path, file):
            raise CourseError(
                f"mnist-70k cannot be read, because its file {file.name} is {problem}; "
                "run `course data fetch mnist-70k` once."
            )
        parts.append(read_idx(path))
    train_images, train_labels, test_images, test_labels = parts
    images = np.concatenate([train_images, test_images])
    return images, np.concatenate([train_labels, test_labels]).astype(np.int64)


def read_idx(path) -> np.ndarray:
    """One array of bytes in MNIST's gzipped IDX format: a magic number, the shape, the bytes."""
    with gzip.open(path) as file:
        content = file.read()
    n_axes = content[3]
    shape = np.frombuffer(content, ">u4", count=n_axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def glove() -> tuple[list[str], np.ndarray]:
    """Word vectors: words (n,), the most frequent first, and vectors (n, 50) float32.

    The vectors are Stanford's glove.6B.50d, stored here in half precision: the 20,000 most frequent words,
    and every word among the 20 nearest neighbours of the words that the course shows.
    Source: Pennington, Socher and Manning (2014), "GloVe"; see data/glove/README.md.
    """
    with np.load(bundled_file("glove")) as arrays:
        words = arrays["words"].tobytes().decode().split("\n")
        return words, arrays["vectors"].astype(np.float32)


@dataclass(frozen=True)
class GameStates:
    """n states of a game, and what a trained network makes of each.

    frames   (n, 10, 10, 4) bool: the screen; channels are paddle, ball, the ball's trail, bricks
    hidden   (n, 128) float32: the network's last hidden layer (after its ReLU)
    value    (n,) float32: the largest Q value, what the network expects to win from here (discount 0.99)
    returns  (n,) float32: what was in fact won from here, discounted in the same way
    episode, step  (n,) int64: which game, and how many frames into it
    """

    frames: np.ndarray
    hidden: np.ndarray
    value: np.ndarray
    returns: np.ndarray
    episode: np.ndarray
    step: np.ndarray


def game_states() -> GameStates:
    """States of MinAtar's Breakout, played by a DQN that was trained for this course.

    Source: data/game_states/make.py, described in data/game_states/README.md.
    """
    with np.load(bundled_file("game_states")) as arrays:
        packed = arrays["frames"]  # (n, 50)
        return GameStates(
            frames=np.unpackbits(packed, axis=1).reshape(-1, 10, 10, 4).astype(bool),
            hidden=arrays["hidden"].astype(np.float32),
            value=arrays["value"],
            returns=arrays["returns"],
            episode=arrays["episode"].astype(np.int64),
            step=arrays["step"].astype(np.int64),
        )


# Okabe and Ito's palette, which colour-blind people can tell apart, on black: paddle, ball, trail, bricks.
CHANNEL_COLOURS = np.array([[86, 180, 233], [255, 255, 255], [120, 120, 120], [230, 159, 0]], np.uint8)
DRAWING_ORDER = (3, 2, 1, 0)  # the ball is drawn over its own trail


def game_thumbnail(frame: np.ndarray) -> np.ndarray:
    """A picture (10, 10, 3) uint8 of one frame (10, 10, 4) bool: blue paddle, white ball, orange bricks."""
    picture = np.zeros((10, 10, 3), np.uint8)
    for channel in DRAWING_ORDER:
        picture[frame[:, :, channel]] = CHANNEL_COLOURS[channel]
    return picture
