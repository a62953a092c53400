"""The author's half of notebook 04, part B: known mistakes, and other right answers."""

import numpy as np
import torch
from torch import nn

from course_utils.authoring import KnownAnswers

known = KnownAnswers("04_siamese_triplet")
S = known.solution


# ---------------------------------------------------------------- embedding-net


def forward_with(last):
    """An EmbeddingNet whose forward is last(net, features)."""

    class Net(S.EmbeddingNet):
        def forward(self, x):
            return last(self, self.features(x))

    return Net


@known.mistake(
    "embedding-net",
    "always of unit length",
    "You divide by the length always; with unit=False the linear layer's output is asked for.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        return nn.functional.normalize(self.linear(self.features(x).flatten(1)))


@known.mistake(
    "embedding-net",
    "never of unit length",
    "With unit=True each embedding must be divided by its length; `unit` is not used.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        return self.linear(self.features(x).flatten(1))


@known.mistake(
    "embedding-net",
    "normalised over the batch",
    "You divide each column by its length over the batch, so a picture's embedding depends on the others; divide each row (dim=1).",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1))
        return nn.functional.normalize(z, dim=0) if self.unit else z


@known.mistake(
    "embedding-net",
    "ReLU after the embedding",
    "A ReLU cuts off the embedding's negative entries; the last linear layer is the end, but for the division by the length.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1)).relu()
        return nn.functional.normalize(z) if self.unit else z


@known.mistake(
    "embedding-net",
    "sum of absolute values",
    "You divide by the sum of absolute values; the Euclidean length is the root of the sum of squares.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1))
        return nn.functional.normalize(z, p=1) if self.unit else z


class Replaced(S.EmbeddingNet):
    """An EmbeddingNet with some layers of its features replaced."""

    def replacement(self, layer):
        return layer

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.features = nn.Sequential(*[self.replacement(layer) for layer in self.features])


@known.mistake(
    "embedding-net",
    "average pooling",
    "You average over the 2 × 2 pixels; MaxPool2d(2), the largest of them, is asked for.",
)
class _(Replaced):
    def replacement(self, layer):
        return nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer


@known.mistake(
    "embedding-net",
    "no ReLU",
    "Without ReLU all layers together are nearly one linear map: put it at the end of each block.",
)
class _(Replaced):
    def replacement(self, layer):
        return nn.Identity() if isinstance(layer, nn.ReLU) else layer


@known.mistake(
    "embedding-net",
    "flattened pixel by pixel",
    "You flatten pixel by pixel; channel by channel is asked for, which is what `.flatten(1)` does.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).permute(0, 2, 3, 1).flatten(1))
        return nn.functional.normalize(z) if self.unit else z


@known.mistake(
    "embedding-net",
    "not of unit length by default",
    "Made without `unit` your embeddings are not divided by their length: the default is unit=True.",
)
class _(S.EmbeddingNet):
    def __init__(self, channels, height, width, d=128, widths=(32, 64, 128), unit=False):
        super().__init__(channels, height, width, d, widths, unit)


@known.mistake(
    "embedding-net",
    "other widths by default",
    "Made without `widths` and `d` your network has other sizes: the defaults are widths=(32, 64, 128) and d=128.",
)
class _(S.EmbeddingNet):
    def __init__(self, channels, height, width, d=64, widths=(16, 32, 64), unit=True):
        super().__init__(channels, height, width, d, widths, unit)


@known.mistake(
    "embedding-net",
    "an argument renamed",
    "`unit` has another name in your `__init__`; the notebook calls it by its name, so it must keep it.",
)
class _(S.EmbeddingNet):
    def __init__(self, channels, height, width, d=128, widths=(32, 64, 128), norm=True):
        super().__init__(channels, height, width, d, widths, norm)


@known.mistake(
    "embedding-net",
    "ReLU before BatchNorm",
    "BatchNorm comes right after the pooling, and ReLU at the end of the block: Conv2d, MaxPool2d, BatchNorm2d, ReLU.",
)
class _(S.EmbeddingNet):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        old = list(self.features)
        self.features = nn.Sequential(*[old[4 * (i // 4) + (0, 1, 3, 2)[i % 4]] for i in range(len(old))])


@known.mistake(
    "embedding-net",
    "view",
    "`view` needs one order of memory: use `flatten(1)` or `reshape`.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).view(len(x), -1))
        return nn.functional.normalize(z) if self.unit else z


@known.mistake(
    "embedding-net",
    "squeezed",
    "`squeeze` takes away the batch's axis where the batch is a single picture: the output is (b, d), always.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        return super().forward(x).squeeze()


@known.mistake(
    "embedding-net",
    "divided by the squared length",
    "You divide by the squared length; the length is the root of the sum of squares.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1))
        return z / (z**2).sum(1, keepdim=True) if self.unit else z


@known.mistake(
    "embedding-net",
    "divided by the whole batch's length",
    "You divide by the length of the whole batch; each row has a length of its own: `norm(dim=1, keepdim=True)`.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1))
        return z / z.norm() if self.unit else z


@known.mistake(
    "embedding-net",
    "length detached",
    "The embeddings are right, but the length you divide by is cut off from the gradient: it depends on the weights too.",
)
class _(S.EmbeddingNet):
    def forward(self, x):
        z = self.linear(self.features(x).flatten(1))
        return z / z.detach().norm(dim=1, keepdim=True) if self.unit else z


@known.alternative("embedding-net", "sizes by a trial on the meta device")
class _(nn.Module):
    def __init__(self, channels, height, width, *, d=128, widths=(32, 64, 128), unit=True):
        super().__init__()
        with torch.device("meta"):
            left = self.blocks(channels, widths)(torch.empty(2, channels, height, width))[0].numel()
        self.features = self.blocks(channels, widths)
        self.linear = nn.Linear(in_features=left, out_features=d, bias=True)
        self.last = self.divide if unit else nn.Identity()

    @staticmethod
    def blocks(channels, widths):
        found = nn.Sequential()
        for w in widths:
            found.extend(
                [nn.Conv2d(channels, w, (3, 3), 1, 1), nn.MaxPool2d(2), nn.BatchNorm2d(w), nn.ReLU(inplace=True)]
            )
            channels = w
        return found

    @staticmethod
    def divide(z):
        return z * torch.rsqrt((z * z).sum(1, keepdim=True))

    def forward(self, x):
        return self.last(self.linear(self.features(x).flatten(-3)))


@known.alternative("embedding-net", "modules added by name, shapes by a trial")
class _(nn.Module):
    def __init__(self, channels, height, width, d=128, widths=(32, 64, 128), unit=True):
        super().__init__()
        self.features = nn.Sequential()
        for i, (a, b) in enumerate(zip((channels, *widths), widths, strict=False)):
            for k, layer in enumerate(
                (nn.Conv2d(a, b, 3, padding="same"), nn.MaxPool2d(2, 2), nn.BatchNorm2d(b), nn.ReLU())
            ):
                self.features.add_module(str(4 * i + k), layer)
        with torch.no_grad():
            size = self.features.eval()(torch.zeros(1, channels, height, width)).numel()
        self.train()
        self.linear = nn.Linear(size, d)
        self.unit = unit

    def forward(self, x):
        z = self.linear(torch.flatten(self.features(x), start_dim=1))
        if not self.unit:
            return z
        return z / (z * z).sum(1, keepdim=True).sqrt()


@known.alternative("embedding-net", "written out in forward")
class _(S.EmbeddingNet):
    def forward(self, x):
        for layer in self.features:
            x = torch.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
        z = x.reshape(len(x), -1) @ self.linear.weight.T + self.linear.bias
        return z / torch.linalg.vector_norm(z, dim=1)[:, None] if self.unit else z


# ---------------------------------------------------------------- siamese-head


def head_with(score):
    """A head whose scores are score(self, E1, E2)."""

    class Head(S.SiameseHead):
        def forward(self, E1, E2):
            return score(self, E1, E2)

    return Head


known.mistake(
    "siamese-head",
    "no absolute value",
    "You use E1 - E2, so the score changes when the pictures are exchanged: take absolute values.",
)(head_with(lambda self, E1, E2: self.linear(E1 - E2)[:, 0]))
known.mistake("siamese-head", "squared", "You use (E1 - E2)²; |E1 - E2| is asked for.")(
    head_with(lambda self, E1, E2: self.linear((E1 - E2) ** 2)[:, 0])
)
known.mistake(
    "siamese-head",
    "probability",
    "These are probabilities; return the score before the sigmoid, as the loss takes logits.",
)(head_with(lambda self, E1, E2: self.linear((E1 - E2).abs())[:, 0].sigmoid()))
known.mistake(
    "siamese-head",
    "logit of same",
    "This is the logit of *same*: y = 1 means different here, so the sign is the other one.",
)(head_with(lambda self, E1, E2: -self.linear((E1 - E2).abs())[:, 0]))
known.mistake(
    "siamese-head",
    "(b, 1)",
    "Your scores have shape (b, 1); one score for each pair, (b,), is asked for: take `[:, 0]`.",
)(head_with(lambda self, E1, E2: self.linear((E1 - E2).abs())))
known.mistake("siamese-head", "sum for difference", "You use |E1 + E2|; the difference says how unlike the two are.")(
    head_with(lambda self, E1, E2: self.linear((E1 + E2).abs())[:, 0])
)


known.mistake(
    "siamese-head",
    "squeezed",
    "`squeeze()` takes away the batch's axis too where there is a single pair: take `[:, 0]`, or `squeeze(1)`.",
)(head_with(lambda self, E1, E2: self.linear((E1 - E2).abs()).squeeze()))
known.mistake(
    "siamese-head",
    "root of the square",
    "The root of a square has no slope at 0, so equal entries give nan as gradient: `.abs()` has none of that trouble.",
)(head_with(lambda self, E1, E2: self.linear(((E1 - E2) ** 2).sqrt())[:, 0]))
known.mistake(
    "siamese-head",
    "absolute value at the end",
    "You take the absolute value of the score; |E1 - E2| is taken entry by entry, before the linear map.",
)(head_with(lambda self, E1, E2: (self.linear(E1) - self.linear(E2)).abs()[:, 0]))


@known.alternative("siamese-head", "squeeze, maximum minus minimum")
class _(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.linear = nn.Linear(d, 1)

    def forward(self, E1, E2):
        return self.linear(torch.maximum(E1, E2) - torch.minimum(E1, E2)).squeeze(1)


@known.alternative("siamese-head", "product written out")
class _(S.SiameseHead):
    def forward(self, E1, E2):
        return (torch.abs(E2 - E1) * self.linear.weight).sum(1) + self.linear.bias


known.equivalent("siamese-head", "line 16: `E1 - E2` -> `E2 - E1`", "Absolute values do not tell the two apart.")


# ---------------------------------------------------------------- contrastive-loss


def contrastive(E1, E2, y, margin, *, near=None, far=None, divisor=None, sign=-1.0):
    """Loss and gradients from the two kinds' (loss, derivative by d) as functions of d."""
    d = S.pair_distances(E1, E2)
    near = near or (lambda d: (d**2 / 2, d))
    far = far or (lambda d: (np.maximum(margin - d, 0) ** 2 / 2, -np.maximum(margin - d, 0)))
    losses = (1 - y) * near(d)[0] + y * far(d)[0]
    slopes = (1 - y) * near(d)[1] + y * far(d)[1]
    b = divisor or len(y)
    dE1 = (slopes / np.where(d > 0, d, 1))[:, None] * (E1 - E2) / b
    return losses.sum() / b, dE1, sign * dE1


@known.mistake(
    "contrastive-loss",
    "labels flipped",
    "Same pairs are pushed apart and different ones pulled together: here y = 0 is same and y = 1 is different.",
)
def _(E1, E2, y, margin):
    return S.contrastive_loss(E1, E2, 1 - y, margin)


@known.mistake(
    "contrastive-loss",
    "0 / 0",
    "At distance 0 you divide 0 by 0: there the direction counts as 0, so divide by np.where(d > 0, d, 1).",
)
def _(E1, E2, y, margin):
    loss, _, _ = S.contrastive_loss(E1, E2, y, margin)
    d, difference = S.pair_distances(E1, E2), E1 - E2
    with np.errstate(all="ignore"):
        direction = difference / d[:, None]
    dE1 = ((1 - y)[:, None] * difference - (y * np.maximum(margin - d, 0))[:, None] * direction) / len(y)
    return loss, dE1, -dE1


@known.mistake("contrastive-loss", "½ missing", "Both terms have a factor ½, in the loss and in the gradients.")
def _(E1, E2, y, margin):
    return tuple(2 * part for part in S.contrastive_loss(E1, E2, y, margin))


@known.mistake(
    "contrastive-loss", "sum for mean", "You sum over the pairs; the loss is their mean, so all three are divided by b."
)
def _(E1, E2, y, margin):
    return tuple(len(y) * part for part in S.contrastive_loss(E1, E2, y, margin))


@known.mistake(
    "contrastive-loss",
    "gradient not divided by b",
    "The loss is a mean but the gradients are those of the sum: divide them by b too.",
)
def _(E1, E2, y, margin):
    loss, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    return loss, len(y) * dE1, len(y) * dE2


@known.mistake(
    "contrastive-loss",
    "no maximum",
    "Different pairs beyond the margin are pulled back to it: max(margin - d, 0) leaves them alone.",
)
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin, far=lambda d: ((margin - d) ** 2 / 2, d - margin))


@known.mistake(
    "contrastive-loss",
    "margin minus squared distance",
    "You compare the margin with d²; in this loss it is compared with d, and the square comes afterwards.",
)
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin, far=lambda d: (np.maximum(margin - d**2, 0) / 2, -d * (d**2 < margin)))


@known.mistake(
    "contrastive-loss",
    "margin term not squared",
    "max(margin - d, 0) must be squared, or the push does not fade at the margin.",
)
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin, far=lambda d: (np.maximum(margin - d, 0) / 2, -0.5 * (d < margin)))


@known.mistake(
    "contrastive-loss",
    "both gradients alike",
    "dE1 and dE2 are the same; the loss depends on E1 - E2, so they are opposite.",
)
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin, sign=1.0)


@known.mistake(
    "contrastive-loss",
    "distance squared twice",
    "The gradient of the different pairs lacks the division by d: its direction has length 1.",
)
def _(E1, E2, y, margin):
    loss, _, _ = S.contrastive_loss(E1, E2, y, margin)
    difference, short = E1 - E2, np.maximum(margin - S.pair_distances(E1, E2), 0)
    dE1 = ((1 - y) - y * short)[:, None] * difference / len(y)
    return loss, dE1, -dE1


@known.mistake(
    "contrastive-loss",
    "push with the wrong sign",
    "The loss is right but the gradient of the different pairs has the wrong sign: downhill, it pulls them together.",
)
def _(E1, E2, y, margin):
    loss, _, _ = S.contrastive_loss(E1, E2, y, margin)
    pulled = contrastive(E1, E2, y, margin, far=lambda d: (0 * d, np.maximum(margin - d, 0)))
    return loss, pulled[1], pulled[2]


@known.mistake(
    "contrastive-loss",
    "margin squared minus squared distance",
    "You compare margin² with d²; the loss squares the difference, max(margin - d, 0)², which is something else.",
)
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin, far=lambda d: (np.maximum(margin**2 - d**2, 0) / 2, -d * (d < margin)))


@known.mistake(
    "contrastive-loss",
    "mean of each kind apart",
    "You average the same and the different pairs apart; the loss is one mean over all b pairs.",
)
def _(E1, E2, y, margin):
    counts = np.bincount(y, minlength=2)[y]
    same, different = (y == 0) / counts, (y == 1) / counts
    d = S.pair_distances(E1, E2)
    short = np.maximum(margin - d, 0)
    dE1 = (same - different * short / np.where(d > 0, d, 1))[:, None] * (E1 - E2)
    return (same * d**2 + different * short**2).sum() / 2, dE1, -dE1


@known.mistake(
    "contrastive-loss",
    "mean over the active pairs",
    "You average over the pairs that still pull or push; the mean goes over all b pairs.",
)
def _(E1, E2, y, margin):
    loss, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    d = S.pair_distances(E1, E2)
    factor = len(y) / max((np.where(y == 1, np.maximum(margin - d, 0), d) > 0).sum(), 1)
    return factor * loss, factor * dE1, factor * dE2


@known.mistake(
    "contrastive-loss",
    "pairs at distance 0 left out",
    "Pairs at distance 0 are left out, and the gradient is divided by the number of the others; they count in b too.",
)
def _(E1, E2, y, margin):
    loss, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    factor = len(y) / max((S.pair_distances(E1, E2) > 0).sum(), 1)
    return loss, factor * dE1, factor * dE2


@known.mistake(
    "contrastive-loss",
    "small number under the root",
    "The 0.000001 that you add under the root moves distance 0 by a thousandth; where d = 0, divide by 1 instead.",
)
def _(E1, E2, y, margin):
    d = np.sqrt(((E1 - E2) ** 2).sum(1) + 1e-6)
    short = np.maximum(margin - d, 0)
    dE1 = ((1 - y) - y * short / d)[:, None] * (E1 - E2) / len(y)
    return ((1 - y) * d**2 + y * short**2).mean() / 2, dE1, -dE1


@known.mistake(
    "contrastive-loss",
    "square missing in the loss",
    "The gradients are right, but in the loss max(margin - d, 0) is not squared.",
)
def _(E1, E2, y, margin):
    _, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    d = S.pair_distances(E1, E2)
    return ((1 - y) * d**2 + y * np.maximum(margin - d, 0)).mean() / 2, dE1, dE2


@known.mistake(
    "contrastive-loss",
    "d for d²",
    "The gradients are right, but in the loss of the same pairs d is not squared.",
)
def _(E1, E2, y, margin):
    _, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    d = S.pair_distances(E1, E2)
    return ((1 - y) * d + y * np.maximum(margin - d, 0) ** 2).mean() / 2, dE1, dE2


@known.mistake(
    "contrastive-loss",
    "margin fixed at 1",
    "The argument margin is not used: yours is always 1.",
)
def _(E1, E2, y, margin):
    return S.contrastive_loss(E1, E2, y, 1.0)


@known.mistake(
    "contrastive-loss",
    "gradient without ½",
    "The gradient of d²/2 is the difference itself; yours is twice that for the same pairs.",
)
def _(E1, E2, y, margin):
    loss, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    return loss, (2 - y)[:, None] * dE1, (2 - y)[:, None] * dE2


@known.mistake(
    "contrastive-loss",
    "½ missing in the loss",
    "The gradients are right, but the loss lacks the factor ½.",
)
def _(E1, E2, y, margin):
    loss, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    return 2 * loss, dE1, dE2


@known.mistake(
    "contrastive-loss",
    "margin squared minus squared distance, in the loss",
    "The gradients are right, but in the loss margin² is compared with d²; it has the square of the difference, max(margin - d, 0)².",
)
def _(E1, E2, y, margin):
    _, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    d = S.pair_distances(E1, E2)
    return ((1 - y) * d**2 + y * np.maximum(margin**2 - d**2, 0)).mean() / 2, dE1, dE2


@known.mistake(
    "contrastive-loss",
    "margin minus squared distance, in the loss",
    "The gradients are right, but in the loss the margin is compared with d²; it has max(margin - d, 0), squared afterwards.",
)
def _(E1, E2, y, margin):
    _, dE1, dE2 = S.contrastive_loss(E1, E2, y, margin)
    d = S.pair_distances(E1, E2)
    return ((1 - y) * d**2 + y * np.maximum(margin - d**2, 0)).mean() / 2, dE1, dE2


@known.alternative("contrastive-loss", "a tiny number under the root")
def _(E1, E2, y, margin):
    difference = E1 - E2
    d = np.sqrt((difference**2).sum(1) + 1e-12)
    short = np.maximum(margin - d, 0)
    dE1 = ((1 - y) - y * short / d)[:, None] * difference / len(y)
    return ((1 - y) * d**2 + y * short**2).mean() / 2, dE1, -dE1


@known.alternative("contrastive-loss", "loop over the pairs")
def _(E1, E2, y, margin):
    loss, dE1 = 0.0, np.zeros_like(E1)
    for i in range(len(y)):
        difference = E1[i] - E2[i]
        d = np.linalg.norm(difference)
        if y[i] == 0:
            loss += d * d / 2
            dE1[i] = difference
        elif 0 < d < margin:
            loss += (margin - d) ** 2 / 2
            dE1[i] = -(margin - d) / d * difference
        elif d == 0:
            loss += margin**2 / 2
    return loss / len(y), dE1 / len(y), -dE1 / len(y)


@known.alternative("contrastive-loss", "torch's own gradients and norm")
def _(E1, E2, y, margin):
    a, b, y = torch.tensor(E1, requires_grad=True), torch.tensor(E2, requires_grad=True), torch.tensor(y)
    d = (a - b).norm(dim=1)  # torch defines its gradient at 0 as 0
    loss = torch.where(y == 0, d**2, (margin - d).clamp(min=0) ** 2).mean() / 2
    loss.backward()
    return loss.item(), a.grad.numpy(), b.grad.numpy()


@known.alternative("contrastive-loss", "one slope for both kinds")
def _(E1, E2, y, margin):
    return contrastive(E1, E2, y, margin)


known.equivalent(
    "contrastive-loss",
    "line 14: `1` -> `2`",
    "It stands only where d = 0, where the difference is 0, and 0 / 2 is 0 as well.",
)


known.equivalent(
    "contrastive-loss",
    "line 11: `pair_distances(E1, E2)` -> `pair_distances(E2, E1)`",
    "A distance is symmetric.",
)


# ---------------------------------------------------------------- contrastive-module


def criterion(compute):
    """A loss module with compute(f1, f2, y, margin)."""

    class Loss(nn.Module):
        def __init__(self, margin=1.0):
            super().__init__()
            self.margin = margin

        def forward(self, f1, f2, y):
            return compute(f1, f2, y, self.margin)

    return Loss


def distance(f1, f2):
    """The distance, with gradient 0 at 0."""
    return (f1 - f2).norm(dim=1)


def kinds(squares, d, y, margin):
    """Twice the loss of each pair from its squared distance, for the same ones, and its distance, for the others."""
    return (1 - y) * squares + y * (margin - d).clamp(min=0) ** 2


def losses(f1, f2, y, margin):
    """The loss of each pair."""
    return kinds(distance(f1, f2) ** 2, distance(f1, f2), y, margin) / 2


known.mistake(
    "contrastive-module",
    "nan at distance 0",
    "At distance 0 the square root has an infinite slope, and infinity times 0 is nan: the root must not see the 0.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * ((f1 - f2) ** 2).sum(1) + y * (margin - ((f1 - f2) ** 2).sum(1).sqrt()).clamp(min=0) ** 2).mean()
            / 2
        )
    )
)
known.mistake(
    "contrastive-module",
    "pairwise_distance",
    "torch's pairwise_distance adds 0.000001 to every difference, so at distance 0 it has a direction; write the distance yourself.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            (
                (1 - y) * ((f1 - f2) ** 2).sum(1)
                + y * (margin - nn.functional.pairwise_distance(f1, f2)).clamp(min=0) ** 2
            ).mean()
            / 2
        )
    )
)
known.mistake(
    "contrastive-module",
    "labels flipped",
    "Same pairs are pushed apart and different ones pulled together: here y = 0 is same and y = 1 is different.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            (y * distance(f1, f2) ** 2 + (1 - y) * (margin - distance(f1, f2)).clamp(min=0) ** 2).mean() / 2
        )
    )
)
known.mistake("contrastive-module", "sum for mean", "You sum over the pairs; the loss is their mean.")(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2)).clamp(min=0) ** 2).sum() / 2
        )
    )
)
known.mistake("contrastive-module", "½ missing", "Both terms have a factor ½.")(
    criterion(
        lambda f1, f2, y, margin: (
            (1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2)).clamp(min=0) ** 2
        ).mean()
    )
)
known.mistake(
    "contrastive-module",
    "margin minus squared distance",
    "You compare the margin with d²; in this loss it is compared with d, and the square comes afterwards.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2) ** 2).clamp(min=0) ** 2).mean() / 2
        )
    )
)
known.mistake(
    "contrastive-module",
    "no maximum",
    "Different pairs beyond the margin are pulled back to it: `.clamp(min=0)` leaves them alone.",
)(
    criterion(
        lambda f1, f2, y, margin: ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2)) ** 2).mean() / 2
    )
)
known.mistake(
    "contrastive-module",
    "margin fixed at 1",
    "The margin given to __init__ is not used: keep it in `self.margin`.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (1 - distance(f1, f2)).clamp(min=0) ** 2).mean() / 2
        )
    )
)


known.mistake(
    "contrastive-module",
    "float32",
    "You convert to float32, which loses digits where the embeddings have more: compute in the dtype that they have.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            (
                (1 - y) * ((f1.float() - f2.float()) ** 2).sum(1)
                + y * (margin - distance(f1.float(), f2.float())).clamp(min=0) ** 2
            ).mean()
            / 2
        )
    )
)


@known.mistake(
    "contrastive-module",
    "margin as a parameter",
    "Your margin is an nn.Parameter, so an optimiser would change it, and shrink it for a smaller loss: keep it as a plain number.",
)
class _(S.ContrastiveLoss):
    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = nn.Parameter(torch.tensor(float(margin)))


known.mistake(
    "contrastive-module",
    "margin term not squared",
    "max(margin - d, 0) must be squared, or the push does not fade at the margin.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2)).clamp(min=0)).mean() / 2
        )
    )
)


known.mistake(
    "contrastive-module",
    "margin squared minus squared distance",
    "You compare margin² with d²; the loss squares the difference, max(margin - d, 0)², which is something else.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin**2 - distance(f1, f2) ** 2).clamp(min=0)).mean() / 2
        )
    )
)
known.mistake(
    "contrastive-module",
    "mean of each kind apart",
    "You average the same and the different pairs apart (nan where one kind is missing); the loss is one mean over all b pairs.",
)(criterion(lambda f1, f2, y, margin: sum(losses(f1, f2, y, margin)[y == kind].mean() for kind in (0, 1))))
known.mistake(
    "contrastive-module",
    "mean over the active pairs",
    "You average over the pairs that still pull or push; the mean goes over all b pairs.",
)(
    criterion(
        lambda f1, f2, y, margin: losses(f1, f2, y, margin).sum() / (losses(f1, f2, y, margin) > 0).sum().clamp(min=1)
    )
)
known.mistake(
    "contrastive-module",
    "a millionth under the root",
    "The 0.000001 that you add under the root moves distance 0 by a thousandth: add less, or let the root not see the 0.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            kinds(((f1 - f2) ** 2).sum(1), (((f1 - f2) ** 2).sum(1) + 1e-6).sqrt(), y, margin).mean() / 2
        )
    )
)
known.mistake(
    "contrastive-module",
    "d for d²",
    "In the loss of the same pairs d is not squared.",
)(criterion(lambda f1, f2, y, margin: kinds(distance(f1, f2), distance(f1, f2), y, margin).mean() / 2))


@known.mistake(
    "contrastive-module",
    "another margin by default",
    "Made without an argument, your margin is not 1: write `margin=1.0` in `__init__`, as it was given.",
)
class _(S.ContrastiveLoss):
    def __init__(self, margin=0.5):
        super().__init__(margin)


@known.mistake(
    "contrastive-module",
    "summed from call to call",
    "Your module adds each loss to those of earlier calls; forget them, or the gradient is that of all batches so far.",
)
class _(S.ContrastiveLoss):
    total = 0.0

    def forward(self, f1, f2, y):
        self.total = self.total + super().forward(f1, f2, y)
        return self.total


class ByHand(torch.autograd.Function):
    """The contrastive loss with the gradient of contrastive_loss."""

    @staticmethod
    def forward(ctx, f1, f2, y, margin):
        difference = f1 - f2
        d = difference.norm(dim=1)
        short = (margin - d).clamp(min=0)
        ctx.save_for_backward(((1 - y) - y * short / torch.where(d > 0, d, 1))[:, None] * difference / len(y))
        return ((1 - y) * d**2 + y * short**2).mean() / 2

    @staticmethod
    def backward(ctx, outer):
        (gradient,) = ctx.saved_tensors
        return outer * gradient, -outer * gradient, None, None


known.mistake(
    "contrastive-module",
    "margin minus squared distance, not squared",
    "You compare the margin with d²; in this loss it is compared with d, and the square comes afterwards.",
)(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2) ** 2).clamp(min=0)).mean() / 2
        )
    )
)


known.alternative("contrastive-module", "its gradient written by hand")(criterion(ByHand.apply))


known.alternative("contrastive-module", "torch's norm, whose gradient at 0 is 0")(
    criterion(
        lambda f1, f2, y, margin: (
            ((1 - y) * distance(f1, f2) ** 2 + y * (margin - distance(f1, f2)).clamp(min=0) ** 2).mean() / 2
        )
    )
)


known.alternative("contrastive-module", "a small number under the root")(
    criterion(
        lambda f1, f2, y, margin: (
            torch.where(
                y == 0,
                ((f1 - f2) ** 2).sum(1),
                (margin - (((f1 - f2) ** 2).sum(1) + 1e-12).sqrt()).clamp(min=0) ** 2,
            ).mean()
            / 2
        )
    )
)


@known.alternative("contrastive-module", "only the pairs of each kind")
class _(nn.Module):
    def __init__(self, margin=1.0):
        super().__init__()
        self.alpha = margin

    def forward(self, f1, f2, y):
        D = torch.linalg.vecdot(f1 - f2, f1 - f2)
        apart = (y == 1) & (D > 0)
        together = (y == 1) & (D == 0)
        far = torch.relu(self.alpha - torch.sqrt(D[apart])).square().sum() + together.sum() * self.alpha**2
        return 0.5 * (D[y == 0].sum() + far) / len(y)


known.equivalent("contrastive-module", "line 17: `f1 - f2` -> `f2 - f1`", "The square of the negative is the same.")
for other in "20":
    known.equivalent(
        "contrastive-module",
        f"line 19: `1` -> `{other}`",
        "The outer `where` discards the value there, and the inner one the gradient, whatever constant it puts in.",
    )
