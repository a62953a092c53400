"""The exercises of notebook 04, part B, one network and two inputs: inputs, how outputs are judged, and hints."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from course_utils.errors import Misfit
from course_utils.exercises import modules
from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "04_siamese_triplet"
Args = tuple[Any, ...]
DEFAULTS = {"d": 128, "widths": (32, 64, 128), "unit": True}  # of EmbeddingNet


# ---------------------------------------------------------------- inputs


def embedded_pairs(rng: np.random.Generator, b: int, d: int, size: float = 0.5) -> tuple[np.ndarray, ...]:
    """Embeddings E1, E2 (b, d) and labels (b,) of both kinds."""
    y = rng.permutation(np.arange(b) % 2)
    return size * rng.normal(size=(b, d)), size * rng.normal(size=(b, d)), y


def contrastive_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, inside and outside the margin, distance 0 with both labels, several margins."""
    near, far, y = embedded_pairs(rng, 8, 4)
    equal = rng.normal(size=(4, 3))
    some, other = rng.normal(size=(2, 6, 3))
    other[[1, 4]] = some[[1, 4]]
    other[2] = some[2] + 0.004 * (other[2] / np.linalg.norm(other[2]))
    other[3] = some[3] + 0.4 * (other[3] / np.linalg.norm(other[3]))
    hand = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([[0.6, 0.8], [0.3, 0.4]])
    return [
        Case("(0, 0) and (0.6, 0.8) same, (0, 0) and (0.3, 0.4) different, margin 1", (*hand, np.array([0, 1]), 1.0)),
        Case("eight pairs, margin 1", (near, far, y, 1.0)),
        Case("all different, some beyond the margin", (near, far, np.ones(8, dtype=int), 1.2)),
        Case("equal embeddings, with both labels", (equal, equal.copy(), np.array([0, 1, 1, 0]), 0.7)),
        Case("six pairs, two of them equal and one nearly", (some, other, np.array([0, 1, 1, 1, 0, 0]), 1.3)),
        Case("as many pairs as dimensions, margin 2", (*embedded_pairs(rng, 5, 5, 0.7), 2.0)),
    ]


def tensor(array: Any) -> Any:
    """A float64 tensor; torch is imported only when it is needed."""
    import torch

    return torch.tensor(array, dtype=torch.float64)


def net_state(rng: np.random.Generator, channels: int, rest: int, d: int, widths: tuple[int, ...]) -> dict[str, Any]:
    """Weights of an EmbeddingNet by name; `rest` pixels are left. BatchNorm's scales have both signs, for then it
    does not commute with pooling.
    """
    state, before = {}, channels
    for i, w in enumerate(widths):
        state[f"features.{4 * i}.weight"] = tensor(rng.normal(size=(w, before, 3, 3)) / np.sqrt(9 * before))
        state[f"features.{4 * i}.bias"] = tensor(0.3 * rng.normal(size=w))
        state[f"features.{4 * i + 2}.weight"] = tensor(rng.choice([-1, 1], size=w) * rng.uniform(0.5, 1.5, size=w))
        state[f"features.{4 * i + 2}.bias"] = tensor(0.3 + 0.2 * rng.random(size=w))
        state[f"features.{4 * i + 2}.running_mean"] = tensor(0.3 * rng.normal(size=w))
        state[f"features.{4 * i + 2}.running_var"] = tensor(rng.uniform(0.5, 2.0, size=w))
        before = w
    state["linear.weight"] = tensor(rng.normal(size=(d, before * rest)) / np.sqrt(before * rest))
    state["linear.bias"] = tensor(0.2 * rng.normal(size=d))
    return state


def net_cases(rng: np.random.Generator) -> list[Case]:
    """One block and several, grey and colour, odd sizes, with and without unit length, one picture, all by default."""

    def one(label: str, b: int, size: tuple[int, int, int], d: int, widths: tuple[int, ...], unit: bool) -> Case:
        channels, height, width = size
        shrink = 2 ** len(widths)
        state = net_state(rng, channels, (height // shrink) * (width // shrink), d, widths)
        x = tensor(rng.normal(size=(b, *size)))
        return Case(label, (*size, d, widths, unit, state, x.float() if label.startswith("float32") else x))

    return [
        one("one block, grey, 4 × 4, not of unit length", 3, (1, 4, 4), 2, (2,), False),
        one("two blocks, colour, 8 × 4", 4, (3, 8, 4), 3, (3, 5), True),
        one("two blocks, odd sizes: 9 × 7", 5, (1, 9, 7), 5, (4, 3), True),
        one("three blocks, 8 × 11, not of unit length", 2, (2, 8, 11), 4, (3, 2, 4), False),
        one("float32: a single picture", 1, (1, 8, 8), 3, (2,), True),
        one("made with three arguments only, 8 × 9", 3, (1, 8, 9), *DEFAULTS.values()),
    ]


def embed_and_differentiate(
    Net: type,
    channels: int,
    height: int,
    width: int,
    d: int,
    widths: tuple[int, ...],
    unit: bool,
    state: dict[str, Any],
    x: Any,
) -> tuple[Any, ...]:
    """Embeddings in evaluation mode, twice, and in training mode; for the first the gradient of the sum of their cubes.

    d, widths and unit are given by name, as the notebook does; where all have their defaults they are left out. Colour
    pictures lie in memory as `permute` leaves them, the channels last.
    """
    import torch

    options = {"d": d, "widths": widths, "unit": unit}
    options = {} if options == DEFAULTS else options
    net = modules.build(Net, channels, height, width, dtype=x.dtype, **options).eval()
    refuse_layers(net)
    try:
        modules.load(net, state)
    except Misfit as misfit:
        order = " The order is Conv2d, MaxPool2d, BatchNorm2d, ReLU for each width, all side by side in one Sequential."
        raise Misfit(
            f"{misfit}{order if re.match('has (no .*`features.* instead|a .*`features)', str(misfit)) else ''}"
        ) from None
    if channels > 1:
        x = x.contiguous(memory_format=torch.channels_last)
    E = modules.output(net, x, shape=(len(x), d))
    gradients = modules.gradients((E**3).sum(), modules.parameters(net))
    again = modules.output(net, x, shape=(len(x), d))
    return E, again, modules.output(net.train(), x, shape=(len(x), d)), gradients["features.0.weight"]


def refuse_layers(net: Any) -> None:
    """Raise Misfit where a new EmbeddingNet has a layer without a size, or one that has seen pictures already."""
    import torch

    for name, layer in torch.nn.Module.named_modules(net):
        if isinstance(layer, torch.nn.modules.lazy.LazyModuleMixin):
            raise Misfit(f"makes a lazy layer, `{name}`; compute its size from height and width.")
        if isinstance(layer, torch.nn.modules.dropout._DropoutNd):
            raise Misfit(f"has a dropout layer, `{name}`, which is not asked for: leave it out.")
    for name, buffer in torch.nn.Module.named_buffers(net):
        if name.endswith("running_mean") and buffer.any():
            raise Misfit(
                f"has taught `{name}` something before any picture: run a trial in `__init__` in evaluation mode, or "
                "compute the sizes."
            )


def head_cases(rng: np.random.Generator) -> list[Case]:
    """By hand, random, as many pairs as dimensions, equal inputs."""

    def state(d: int) -> dict[str, Any]:
        return {"linear.weight": tensor(rng.normal(size=(1, d))), "linear.bias": tensor(rng.normal(size=1))}

    hand = {"linear.weight": tensor([[1.0, 1.0]]), "linear.bias": tensor([-2.0])}
    E1, E2 = rng.normal(size=(2, 6, 3))
    return [
        Case("(1, 0) and (0, 2), w = (1, 1), b = -2", (2, hand, tensor([[1.0, 0.0]]), tensor([[0.0, 2.0]]))),
        Case("six pairs", (3, state(3), tensor(E1), tensor(E2))),
        Case("as many pairs as dimensions", (4, state(4), *(tensor(one) for one in rng.normal(size=(2, 4, 4))))),
        Case("equal embeddings", (3, state(3), tensor(E1), tensor(E1))),
    ]


def score_both_ways(Head: type, d: int, state: dict[str, Any], E1: Any, E2: Any) -> tuple[Any, ...]:
    """Scores, those of the exchanged pairs, those in training mode, and the gradients of the sum of squared scores."""
    head = modules.build(Head, d, dtype=E1.dtype).eval()
    modules.load(head, state)
    E1, E2 = E1.clone().requires_grad_(), E2.clone().requires_grad_()
    scores = modules.output(head, E1, E2, shape=(len(E1),))
    gradients = modules.gradients((scores**2).sum(), {"E1": E1, "E2": E2})
    exchanged = modules.output(head, E2, E1, shape=(len(E1),))
    return scores, exchanged, modules.output(head.train(), E1, E2, shape=(len(E1),)), *gradients.values()


def module_cases(rng: np.random.Generator) -> list[Case]:
    """The cases of the NumPy version as tensors, one in float32, and pairs far from 0, where float32 is seen."""
    cases = contrastive_cases(rng)
    single = (array.float() for array in map(tensor, embedded_pairs(rng, 6, 3)))
    near, also, y = embedded_pairs(rng, 8, 3, 0.3)
    far = Case("eight pairs far from 0", (1e4 + near, 1e4 + also, y, 1.0))
    return [Case(c.label, (c.args[3], *(tensor(one) for one in c.args[:3]))) for c in (*cases, far)] + [
        Case("float32: six pairs, margin 1", (1.0, *single))
    ]


def loss_and_gradients(Loss: type, margin: float, f1: Any, f2: Any, y: Any) -> tuple[Any, ...]:
    """The loss, its gradients, and the loss of a second call in evaluation mode; a margin of 1 is left out, by default.

    Raises Misfit where the module has parameters.
    """
    criterion = modules.build(Loss, *([] if margin == 1 else [margin]))
    if modules.all_parameters(criterion):
        raise Misfit("must have no parameters, or training would change them: keep the margin as a plain number.")
    f1, f2 = f1.clone().requires_grad_(), f2.clone().requires_grad_()
    loss = modules.output(criterion, f1, f2, y, shape=())
    gradients = modules.gradients(loss, {"f1": f1, "f2": f2})
    return loss, modules.output(criterion.eval(), f1, f2, y, shape=()), gradients["f1"], gradients["f2"]


# ---------------------------------------------------------------- properties


def unit_length(args: Args, got: Any, expected: Any) -> str | None:
    """Where it is asked for."""
    lengths = np.linalg.norm(got[0], axis=1)
    if args[5] and np.abs(lengths - 1).max() > 1e-5:
        return (
            f"With unit=True every embedding has length 1; yours have lengths from {lengths.min():.3g} to "
            f"{lengths.max():.3g}."
        )
    return None


def symmetric(args: Args, got: Any, expected: Any) -> str | None:
    """The order of the pictures does not matter."""
    if np.abs(got[0] - got[1]).max() > 1e-6 * max(1.0, np.abs(got[0]).max()):
        return "The score must not change when the two pictures are exchanged; yours does."
    return None


def opposite(args: Args, got: Any, expected: Any) -> str | None:
    """The loss depends on E1 - E2 only."""
    _, dE1, dE2 = got
    if np.abs(dE1 + dE2).max() > 1e-5 * max(np.abs(expected[1]).max(), 1e-12):
        return "The loss depends on E1 - E2 only, so dE2 = -dE1; yours differ."
    return None


def loss_not_negative(args: Args, got: Any, expected: Any) -> str | None:
    """A mean of squares."""
    return "The loss is a mean of squares and cannot be negative." if got[0] < -1e-12 else None


EXERCISES = (
    Exercise(
        id="embedding-net",
        notebook=NOTEBOOK,
        name="EmbeddingNet",
        title="A small network",
        points=3,
        difficulty=3,
        minutes=25,
        cases=net_cases,
        use=embed_and_differentiate,
        takes=("channels", "height", "width", "d", "widths", "unit", "state", "x"),
        returns=("E", "E of a second call", "E in training mode", "The gradient for the first convolution"),
        time_limit=20.0,
        properties=(unit_length,),
        hints=(
            "Collect the layers in a list, four for each width, and keep the number of channels that the last "
            "one gave: "
            "`nn.Conv2d(before, w, 3, padding=1)`. At the end `nn.Sequential(*layers)`.",
            "Each pooling leaves `height // 2` and `width // 2`; the linear layer takes `before * height * "
            "width` numbers.",
            "`self.features(x).flatten(1)` flattens all but the batch; `nn.functional.normalize(z)` divides by "
            "lengths.",
        ),
    ),
    Exercise(
        id="siamese-head",
        notebook=NOTEBOOK,
        name="SiameseHead",
        title="Same or different?",
        points=1,
        difficulty=1,
        minutes=8,
        cases=head_cases,
        use=score_both_ways,
        takes=("d", "state", "E1", "E2"),
        returns=("scores", "scores of the exchanged pairs", "scores in training mode", "dC_dE1", "dC_dE2"),
        time_limit=20.0,
        properties=(symmetric,),
        hints=(
            "`nn.Linear(d, 1)` of `(E1 - E2).abs()` gives (b, 1).",
            "`[:, 0]` makes (b,) of (b, 1).",
        ),
    ),
    Exercise(
        id="contrastive-loss",
        notebook=NOTEBOOK,
        name="contrastive_loss",
        title="The contrastive loss and its gradients",
        points=3,
        difficulty=3,
        minutes=20,
        cases=contrastive_cases,
        takes=("E1", "E2", "y", "margin"),
        returns=("loss", "dE1", "dE2"),
        condition=1e11,  # as below, in torch
        properties=(loss_not_negative, opposite),
        requires=("pair-distances",),
        hints=(
            "Give names to three things: difference = E1 - E2 (b, d), d (b,), and short = max(margin - d, 0), by "
            "how much "
            "a pair falls short of the margin.",
            "For a same pair, d(d²/2) = difference. For a different one, -short times the direction difference / d.",
            "`difference / np.where(d > 0, d, 1)[:, None]` is the direction, and 0 where d is 0. Divide all by b.",
        ),
    ),
    Exercise(
        id="contrastive-module",
        notebook=NOTEBOOK,
        name="ContrastiveLoss",
        title="The contrastive loss in torch",
        points=2,
        difficulty=3,
        minutes=15,
        cases=module_cases,
        use=loss_and_gradients,
        takes=("margin", "f1", "f2", "y"),
        returns=("loss", "loss of a second call", "dL_df1", "dL_df2"),
        time_limit=20.0,
        condition=1e11,  # sqrt(D + 1e-12) is a right way to write it, and moves d = 0 by a millionth
        hints=(
            "The squares need no root: `D = ((f1 - f2) ** 2).sum(1)` serves the same pairs, and the root of it "
            "the others.",
            "`torch.where(zero, 1, D).sqrt()` has finite gradients; a second `torch.where` around it puts the 0 back.",
        ),
    ),
)
