"""The clinic of notebook 04: what is broken in its patients, where the notebook must not show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

Mined = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def choose_2(D: torch.Tensor, identity: torch.Tensor, generator: torch.Generator | None = None) -> Mined:
    """Batch-hard without the mask of the negatives: the nearest may be anybody, the anchor itself included."""
    rows = torch.arange(len(D), device=D.device)
    positive = (identity[:, None] == identity) & (rows[:, None] != rows)
    return rows, D.masked_fill(~positive, -torch.inf).argmax(1), D.argmin(1)


def choose_3(D: torch.Tensor, identity: torch.Tensor, generator: torch.Generator | None = None) -> Mined:
    """Semi-hard, but a picture is also its own positive: a == p is allowed."""
    same = identity[:, None] == identity
    a, p = same.nonzero(as_tuple=True)
    farther = ~same[a] & (D[a] > D[a, p][:, None])
    nearest = D[a].masked_fill(~farther, torch.inf).argmin(1)
    farthest = D[a].masked_fill(same[a], -torch.inf).argmax(1)
    return a, p, torch.where(farther.any(1), nearest, farthest)


def batch_4(identity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """32 rows at random, whoever is on them."""
    return rng.choice(len(identity), 32, replace=False)


def loss_5(D: torch.Tensor, identity: torch.Tensor, margin: float) -> torch.Tensor:
    """The mean loss of all valid triplets, also of those that lose nothing."""
    same, rows = identity[:, None] == identity, torch.arange(len(D), device=D.device)
    a, p = torch.where(same & (rows[:, None] != rows))
    losses = (D[a, p][:, None] - D[a] + margin).clamp(min=0)  # (pairs, n): every picture as the negative of each pair
    return losses[~same[a]].mean()


class Network6(nn.Module):
    """Two networks that `make` makes, one for each half of the batch; in evaluation mode `side` says which is used."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.sides = nn.ModuleList([make(), make()])
        self.side = 0

    def forward(self, x: torch.Tensor) -> Any:
        """Embeddings of a batch, the first pictures of all pairs before the second ones."""
        if self.training:
            return torch.cat([side(part) for side, part in zip(self.sides, x.chunk(2), strict=True)])
        return self.sides[self.side](x)
