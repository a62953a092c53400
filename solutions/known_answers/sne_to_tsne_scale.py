"""The author's half of notebook 01, part D: known mistakes with what a teacher would say, and other right answers."""

import numpy as np
import torch
from scipy.interpolate import lagrange
from scipy.signal import convolve2d
from scipy.sparse import coo_matrix
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from course_utils.authoring import KnownAnswers

known = KnownAnswers("01_sne_to_tsne")
S = known.solution


def squared(A, B):
    """Squared distances (n, m) between the rows of A (n, d) and B (m, d), by differences: exactly 0 for equal rows."""
    return sum((a[:, None] - b) ** 2 for a, b in zip(A.T, B.T, strict=True))


# ---------------------------------------------------------------- tiled-repulsion


def repulsion(Y, tile, w=lambda D: 1 / (1 + D), leave_out=lambda W, start: W.diagonal(start).zero_()):
    """(F, Z) tile by tile, for a kernel `w` of the squared distances; `leave_out` drops pairs from W, in place."""
    F, Z = torch.zeros_like(Y), Y.new_zeros(())
    for start in range(0, len(Y), tile):
        rows = slice(start, start + tile)
        W = w(squared(Y[rows], Y))
        leave_out(W, start)
        Z += W.sum()
        F[rows] = (W**2).sum(1, keepdim=True) * Y[rows] - W**2 @ Y
    return F, Z


@known.mistake(
    "tiled-repulsion",
    "pairs (i, i) counted",
    "Your Z is n too large: each point meets itself once with w = 1, and these pairs do not count.",
)
def _(Y, tile):
    F, Z = S.tiled_repulsion(Y, tile)
    return F, Z + len(Y)


@known.mistake(
    "tiled-repulsion",
    "diagonal without the tile's offset",
    "You zero the diagonal of every tile from its corner; in a tile that begins at `start` the pairs (i, i) stand "
    "`start` columns further right.",
)
def _(Y, tile):
    return repulsion(Y, tile, leave_out=lambda W, start: W.diagonal().zero_())


@known.mistake(
    "tiled-repulsion",
    "left out by distance",
    "You leave out all pairs at distance 0; two points at the same place are a pair too, with w = 1. Leave out by position.",
)
def _(Y, tile):
    return repulsion(Y, tile, leave_out=lambda W, start: W.masked_fill_(W == 1, 0))


@known.mistake(
    "tiled-repulsion",
    "w for w²",
    "The repulsion has w_ij squared, once from q_ij = w_ij / Z and once from the gradient; you have only w_ij.",
)
def _(Y, tile):
    F = torch.zeros_like(Y)
    W = (1 / (1 + squared(Y, Y))).fill_diagonal_(0)
    return F + W.sum(1, keepdim=True) * Y - W @ Y, W.sum()


@known.mistake(
    "tiled-repulsion",
    "Z from w²",
    "Z is the sum of w_ij, not of w_ij²: add to Z before you square W.",
)
def _(Y, tile):
    W = (1 / (1 + squared(Y, Y))).fill_diagonal_(0)
    return S.tiled_repulsion(Y, tile)[0], (W**2).sum()


@known.mistake(
    "tiled-repulsion",
    "each pair counted once in Z",
    "Your Z is half as large as it should be: it runs over k ≠ l, so both (k, l) and (l, k) count.",
)
def _(Y, tile):
    F, Z = S.tiled_repulsion(Y, tile)
    return F, Z / 2


@known.mistake(
    "tiled-repulsion",
    "Z of the last tile only",
    "This is the Z of the last tile alone; every tile adds its share: `Z += W.sum()`.",
)
def _(Y, tile):
    last = range(0, len(Y), tile)[-1]
    W = 1 / (1 + squared(Y[last:], Y))
    W.diagonal(last).zero_()
    return S.tiled_repulsion(Y, tile)[0], W.sum()


@known.mistake(
    "tiled-repulsion",
    "last tile dropped",
    "The last tile is missing where it is shorter than the others: let `start` run over `range(0, n, tile)`, to the end.",
)
def _(Y, tile):
    return repulsion(Y, tile, leave_out=lambda W, start: (W if len(W) < tile else W.diagonal(start)).zero_())


@known.mistake(
    "tiled-repulsion",
    "only pairs within a tile",
    "You compare the points of a tile with each other only; its rows must meet all n points, so W is (rows, n).",
)
def _(Y, tile):
    parts = [S.tiled_repulsion(Y[start : start + tile], tile) for start in range(0, len(Y), tile)]
    return torch.cat([F for F, _ in parts]), sum(Z for _, Z in parts)


@known.mistake(
    "tiled-repulsion",
    "sign flipped",
    "Your F points the other way: it is w_ij² (y_i − y_j), away from the other point.",
)
def _(Y, tile):
    F, Z = S.tiled_repulsion(Y, tile)
    return -F, Z


@known.mistake(
    "tiled-repulsion",
    "divided by Z",
    "You divided F by Z already; F is asked without it, since Z is known only after the last tile.",
)
def _(Y, tile):
    F, Z = S.tiled_repulsion(Y, tile)
    return F / Z, Z


@known.mistake(
    "tiled-repulsion",
    "factor 4",
    "The factor 4 belongs to the whole gradient and comes later; F is the plain sum.",
)
def _(Y, tile):
    F, Z = S.tiled_repulsion(Y, tile)
    return 4 * F, Z


@known.mistake(
    "tiled-repulsion",
    "distances not squared",
    "w_ij is 1 / (1 + squared distance); you put the distance itself there.",
)
def _(Y, tile):
    return repulsion(Y, tile, w=lambda D: 1 / (1 + D.sqrt()))


@known.mistake(
    "tiled-repulsion",
    "Gaussian kernel",
    "This is the Gaussian kernel of SNE; t-SNE has w_ij = 1 / (1 + ‖y_i − y_j‖²).",
)
def _(Y, tile):
    return repulsion(Y, tile, w=lambda D: torch.exp(-D))


@known.mistake(
    "tiled-repulsion",
    "the row sum is missing",
    "Half of the difference is missing: the term with y_i is the row sum of w_ij² times y_i.",
)
def _(Y, tile):
    W = (1 / (1 + squared(Y, Y))).fill_diagonal_(0)
    return -(W**2) @ Y, W.sum()


@known.mistake("tiled-repulsion", "outputs exchanged", "The two outputs are exchanged: return F first, then Z.")
def _(Y, tile):
    return S.tiled_repulsion(Y, tile)[::-1]


@known.alternative("tiled-repulsion", "loops over pairs")
def _(Y, tile):
    F, Z = torch.zeros_like(Y), Y.new_zeros(())
    for i in range(len(Y)):
        for j in range(len(Y)):
            if i != j:
                w = 1 / (1 + ((Y[i] - Y[j]) ** 2).sum())
                F[i] += w**2 * (Y[i] - Y[j])
                Z += w
    return F, Z


@known.alternative("tiled-repulsion", "differences and einsum, one row at a time")
def _(Y, tile):
    F, Z = [], 0
    for i, row in enumerate(Y):
        difference = row - Y  # (n, 2)
        w = 1 / (1 + torch.einsum("jk,jk->j", difference, difference))
        w[i] = 0
        Z = Z + w.sum()
        F.append(torch.einsum("j,jk->k", w**2, difference))
    return torch.stack(F), Z


@known.alternative("tiled-repulsion", "the norms expanded, the diagonal subtracted at the end")
def _(Y, tile):
    norms, F, Z = (Y**2).sum(1), [], -len(Y)
    for start in range(0, len(Y), tile):
        part = Y[start : start + tile]
        W = 1 / (1 + (norms[start : start + tile, None] + norms - 2 * part @ Y.T).clamp(min=0))
        Z = Z + W.sum()
        F.append(part * W.square().sum(1)[:, None] - W.square() @ Y)
    return torch.cat(F), Z


@known.alternative("tiled-repulsion", "torch.cdist, tiles of columns")
def _(Y, tile):
    F, Z, n = torch.zeros_like(Y), torch.zeros((), dtype=Y.dtype), len(Y)
    for start in range(0, n, tile):
        stop = min(start + tile, n)
        W = (1 + torch.cdist(Y, Y[start:stop]).pow(2)).reciprocal()
        W[range(start, stop), range(stop - start)] = 0
        Z += W.sum()
        F += W.pow(2).sum(1, keepdim=True) * Y - W.pow(2) @ Y[start:stop]
    return F, Z


@known.alternative("tiled-repulsion", "NumPy in float64, cast back")
def _(Y, tile):
    points, F, Z = Y.numpy().astype(np.float64), [], 0.0
    for start in range(0, len(points), tile):
        part = points[start : start + tile]
        W = 1 / (1 + cdist(part, points, "sqeuclidean"))
        np.fill_diagonal(W[:, start:], 0)
        F.append((W**2).sum(1)[:, None] * part - W**2 @ points)
        Z += W.sum()
    return torch.from_numpy(np.concatenate(F)).to(Y.dtype), torch.tensor(Z, dtype=Y.dtype)


# ---------------------------------------------------------------- block-neighbours


def nearest(X, k, block, leave_out=lambda D, start: D.diagonal(start).fill_(torch.inf), largest=False):
    """(D, J) by blocks of rows; `leave_out` changes the distances of a block in place before the choice."""
    found = []
    for start in range(0, len(X), block):
        D = squared(X[start : start + block], X)
        leave_out(D, start)
        found.append(D.topk(k, dim=1, largest=largest))
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])


@known.mistake(
    "block-neighbours",
    "the point is its own neighbour",
    "Each point is its own nearest neighbour here: put infinity where it meets itself before you choose.",
)
def _(X, k, block):
    return nearest(X, k, block, leave_out=lambda D, start: None)


@known.mistake(
    "block-neighbours",
    "diagonal without the block's offset",
    "You take out the diagonal of every block from its corner; in a block that begins at `start` the points meet "
    "themselves `start` columns further right.",
)
def _(X, k, block):
    return nearest(X, k, block, leave_out=lambda D, start: D.diagonal().fill_(torch.inf))


@known.mistake(
    "block-neighbours",
    "left out by distance",
    "You leave out everything at distance 0, and lose the duplicates of a point, which are its neighbours: leave it out "
    "by its position.",
)
def _(X, k, block):
    return nearest(X, k, block, leave_out=lambda D, start: D.masked_fill_(D == 0, torch.inf))


@known.mistake(
    "block-neighbours",
    "the first of the list dropped",
    "You drop the first of k + 1 as the point itself; where two points are equal, the first may be the other one. Put "
    "infinity where the point meets itself instead.",
)
def _(X, k, block):
    D, J = squared(X, X).sort(dim=1, stable=True)
    return D[:, 1 : k + 1], J[:, 1 : k + 1]


@known.mistake(
    "block-neighbours",
    "distances not squared",
    "These are the distances themselves; D holds their squares, so leave the root out.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    return D.sqrt(), J


@known.mistake(
    "block-neighbours",
    "the farthest points",
    "These are the farthest points: `topk` takes the largest, unless you say `largest=False`.",
)
def _(X, k, block):
    return nearest(X, k, block, leave_out=lambda D, start: D.diagonal(start).fill_(-torch.inf), largest=True)


@known.mistake(
    "block-neighbours",
    "sign kept",
    "Your distances are negative: to take the largest of −D is one way to find the nearest, but turn the sign back.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    return -D, J


@known.mistake(
    "block-neighbours",
    "farthest of them first",
    "These are the right neighbours the wrong way round: each row must be ascending, the nearest first.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    return D.flip(1), J.flip(1)


@known.mistake(
    "block-neighbours",
    "start added to the indices",
    "You added `start` to the indices; the columns of a block are all n points already, so they need nothing added.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    return D, J + torch.arange(len(X))[:, None] // block * block


@known.mistake(
    "block-neighbours",
    "J counted from 1",
    "Your indices count from 1; Python's begin at 0.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    return D, J + 1


@known.mistake(
    "block-neighbours",
    "only within the block",
    "You look for neighbours among the points of the same block only; its rows must be compared with all n points.",
)
def _(X, k, block):
    parts = [S.nearest_neighbours(X[start : start + block], k, block) for start in range(0, len(X), block)]
    return torch.cat([D for D, _ in parts]), torch.cat([J for _, J in parts])


@known.mistake(
    "block-neighbours",
    "last block dropped",
    "The last block is missing where it is shorter than the others: let `start` run over `range(0, n, block)`, to the end.",
)
def _(X, k, block):
    whole = len(X) // block * block
    D, J = S.nearest_neighbours(X, k, block)
    return D[:whole], J[:whole]


@known.mistake(
    "block-neighbours",
    "factor 2 missing",
    "The cross term of the square counts twice: it is −2 x_iᵀx_j, not −x_iᵀx_j.",
)
def _(X, k, block):
    norms = (X * X).sum(1)
    D = (norms[:, None] + norms - X @ X.T).clamp(min=0).fill_diagonal_(torch.inf)
    return tuple(D.topk(k, dim=1, largest=False))


@known.mistake(
    "block-neighbours", "outputs exchanged", "The two outputs are exchanged: return the distances D first, then J."
)
def _(X, k, block):
    return S.nearest_neighbours(X, k, block)[::-1]


@known.mistake(
    "block-neighbours",
    "sorted by index",
    "Your rows are sorted by index; each must be ascending in its distances, the nearest first.",
)
def _(X, k, block):
    D, J = S.nearest_neighbours(X, k, block)
    J, order = J.sort(1)
    return D.gather(1, order), J


@known.alternative("block-neighbours", "loops and sorted")
def _(X, k, block):
    D, J = torch.empty((len(X), k), dtype=X.dtype), torch.empty((len(X), k), dtype=torch.int64)
    for i in range(len(X)):
        others = [(float(((X[i] - X[j]) ** 2).sum()), j) for j in range(len(X)) if j != i]
        D[i], J[i] = (torch.tensor(column) for column in zip(*sorted(others)[:k], strict=True))
    return D, J


@known.alternative("block-neighbours", "torch.cdist and argsort")
def _(X, k, block):
    D, J = [], []
    for rows in torch.arange(len(X)).split(block):
        distances = torch.cdist(X[rows], X) ** 2
        distances[torch.arange(len(rows)), rows] = torch.inf
        order = distances.argsort(dim=1)[:, :k]
        D.append(distances.gather(1, order))
        J.append(order)
    return torch.cat(D), torch.cat(J)


@known.alternative("block-neighbours", "the largest of −D, into arrays made before")
def _(X, k, block):
    n = len(X)
    D, J = X.new_empty(n, k), torch.empty(n, k, dtype=torch.long)
    for start in range(0, n, block):
        stop = min(start + block, n)
        distances = -sum((X[start:stop, None, axis] - X[:, axis]) ** 2 for axis in range(X.shape[1]))
        distances[range(stop - start), range(start, stop)] = -torch.inf
        D[start:stop], J[start:stop] = distances.topk(k)
    return -D, J


@known.alternative("block-neighbours", "k + 1 neighbours, then the point itself taken out by its index")
def _(X, k, block):
    D, J = nearest(X, k + 1, block, leave_out=lambda D, start: D.diagonal(start).fill_(-1))
    others = torch.arange(len(X))[:, None] != J
    return D[others].view(-1, k), J[others].view(-1, k)


@known.alternative("block-neighbours", "NumPy in float64, argpartition, cast back")
def _(X, k, block):
    points, D, J = X.numpy().astype(np.float64), [], []
    for start in range(0, len(points), block):
        distances = cdist(points[start : start + block], points, "sqeuclidean")
        np.fill_diagonal(distances[:, start:], np.inf)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.take_along_axis(distances, nearest, axis=1).argsort(1)
        J.append(np.take_along_axis(nearest, order, axis=1))
        D.append(np.take_along_axis(distances, J[-1], axis=1))
    return torch.from_numpy(np.concatenate(D)).to(X.dtype), torch.from_numpy(np.concatenate(J))


@known.alternative("block-neighbours", "a k-d tree")
def _(X, k, block):
    distance, index = KDTree(X.double().numpy()).query(X.double().numpy(), k=k + 1)
    own = index == np.arange(len(X))[:, None]
    own[~own.any(1), k] = True  # with more duplicates than neighbours, the point itself may not be among them
    D, J = (torch.tensor(array[~own].reshape(len(X), k)) for array in (distance**2, index))
    return D.to(X.dtype), J


# ---------------------------------------------------------------- sparse-attraction


def along(Y, i, j, weight):
    """The sum over edges of weight (m,) times (y_i - y_j), (n, 2)."""
    return torch.zeros_like(Y).index_add_(0, i, weight[:, None] * (Y[i] - Y[j]))


def kernel(Y, i, j):
    """w_ij along the edges, (m,)."""
    return 1 / (1 + ((Y[i] - Y[j]) ** 2).sum(1))


@known.mistake(
    "sparse-attraction",
    "lost updates",
    "`F[i] += ...` keeps only one of the values that go to the same row; `index_add_` adds them all.",
)
def _(Y, i, j, p):
    F = torch.zeros_like(Y)
    F[i] += (p * kernel(Y, i, j))[:, None] * (Y[i] - Y[j])
    return F


@known.mistake(
    "sparse-attraction",
    "added to the row of j",
    "You add the values to the rows of j; the edge (i, j) is felt by i.",
)
def _(Y, i, j, p):
    weight = p * kernel(Y, i, j)
    return torch.zeros_like(Y).index_add_(0, j, weight[:, None] * (Y[i] - Y[j]))


@known.mistake(
    "sparse-attraction",
    "i and j exchanged",
    "You took i for j everywhere, so that each edge is felt by its other end; the edge (i, j) is felt by i.",
)
def _(Y, i, j, p):
    return along(Y, j, i, p * kernel(Y, i, j))


@known.mistake(
    "sparse-attraction",
    "felt by both ends",
    "You let each edge pull on both of its ends; here the other direction is an edge of its own, so only i feels it.",
)
def _(Y, i, j, p):
    weight = p * kernel(Y, i, j)
    return along(Y, i, j, weight) + along(Y, j, i, weight)


@known.mistake(
    "sparse-attraction",
    "w missing",
    "The kernel w_ij is missing: without it the pull of a far point has no bound.",
)
def _(Y, i, j, p):
    return along(Y, i, j, p)


@known.mistake(
    "sparse-attraction",
    "w squared",
    "You have w_ij squared, as in the repulsion; the attraction has p_ij w_ij, with w_ij once.",
)
def _(Y, i, j, p):
    return along(Y, i, j, p * kernel(Y, i, j) ** 2)


@known.mistake(
    "sparse-attraction",
    "p missing",
    "The weights p_ij are missing: every edge pulls equally.",
)
def _(Y, i, j, p):
    return along(Y, i, j, kernel(Y, i, j))


@known.mistake(
    "sparse-attraction",
    "sign flipped",
    "Your F points the other way: the gradient has y_i − y_j, and the minus sign comes with the optimiser's step.",
)
def _(Y, i, j, p):
    return -S.sparse_attraction(Y, i, j, p)


@known.mistake(
    "sparse-attraction",
    "distances not squared",
    "w_ij is 1 / (1 + squared distance); you put the distance itself there.",
)
def _(Y, i, j, p):
    return along(Y, i, j, p / (1 + (Y[i] - Y[j]).norm(dim=1)))


@known.mistake(
    "sparse-attraction",
    "1 missing in the kernel",
    "The 1 is missing: w_ij is 1 / (1 + squared distance).",
)
def _(Y, i, j, p):
    return along(Y, i, j, p / ((Y[i] - Y[j]) ** 2).sum(1))


@known.mistake(
    "sparse-attraction",
    "factor 4",
    "The factor 4 belongs to the whole gradient and comes later; F is the plain sum.",
)
def _(Y, i, j, p):
    return 4 * S.sparse_attraction(Y, i, j, p)


@known.mistake(
    "sparse-attraction",
    "mean for sum",
    "You took the mean over the edges of each point; F is their sum.",
)
def _(Y, i, j, p):
    return S.sparse_attraction(Y, i, j, p) / torch.bincount(i, minlength=len(Y)).clamp(min=1)[:, None]


@known.mistake(
    "sparse-attraction",
    "rows without edges dropped",
    "F needs a row for every point, also where no edge begins: make `torch.zeros_like(Y)` first, then add to it.",
)
def _(Y, i, j, p):
    return S.sparse_attraction(Y, i, j, p)[: int(i.max()) + 1]


@known.mistake(
    "sparse-attraction",
    "half from each end",
    "You let half of each edge pull on i and half on j, which is right only where every edge has its twin with the same "
    "weight; p_ji need not be there, and only i feels the edge (i, j).",
)
def _(Y, i, j, p):
    weight = p * kernel(Y, i, j) / 2
    return along(Y, i, j, weight) + along(Y, j, i, weight)


@known.mistake(
    "sparse-attraction",
    "edges taken for sorted",
    "You take the edges of a point for neighbours in the list; they come in any order, so add each to its row: "
    "`index_add_`.",
)
def _(Y, i, j, p):
    values = (p * kernel(Y, i, j))[:, None] * (Y[i] - Y[j])
    rows, counts = torch.unique_consecutive(i, return_counts=True)
    F = torch.zeros_like(Y)
    for row, part in zip(rows, values.split(counts.tolist()), strict=True):
        F[row] = part.sum(0)  # a later run of the same point replaces the earlier
    return F


@known.alternative("sparse-attraction", "a loop over edges")
def _(Y, i, j, p):
    F = torch.zeros_like(Y)
    for a, b, weight in zip(i, j, p, strict=True):
        difference = Y[a] - Y[b]
        F[a] += weight / (1 + difference @ difference) * difference
    return F


@known.alternative("sparse-attraction", "scatter_add")
def _(Y, i, j, p):
    difference = Y.index_select(0, i) - Y.index_select(0, j)
    values = torch.einsum("e,ek->ek", p / (1 + difference.pow(2).sum(1)), difference)
    return torch.zeros_like(Y).scatter_add(0, i[:, None].expand(-1, 2), values)


@known.alternative("sparse-attraction", "index_put with accumulate")
def _(Y, i, j, p):
    difference = Y[i] - Y[j]
    values = p[:, None] * difference / (1 + difference.square().sum(1, keepdim=True))
    return torch.zeros_like(Y).index_put((i,), values, accumulate=True)


@known.alternative("sparse-attraction", "bincount a coordinate")
def _(Y, i, j, p):
    weight = p * kernel(Y, i, j)
    return torch.stack([torch.bincount(i, weight * (y[i] - y[j]), minlength=len(y)) for y in Y.T], dim=1)


@known.alternative("sparse-attraction", "NumPy in float64, a sparse matrix")
def _(Y, i, j, p):
    points, rows, columns = Y.numpy().astype(np.float64), i.numpy(), j.numpy()
    weight = p.numpy() / (1 + ((points[rows] - points[columns]) ** 2).sum(1))
    A = coo_matrix((weight, (rows, columns)), shape=(len(Y), len(Y))).tocsr()
    return torch.from_numpy(np.asarray(A.sum(1)) * points - A @ points).to(Y.dtype)


@known.alternative("sparse-attraction", "np.add.at")
def _(Y, i, j, p):
    Y, i, j, p = (one.numpy() for one in (Y, i, j, p))
    F = np.zeros_like(Y)
    np.add.at(F, i, (p / (1 + ((Y[i] - Y[j]) ** 2).sum(1)))[:, None] * (Y[i] - Y[j]))
    return torch.from_numpy(F)


@known.alternative("sparse-attraction", "dense")
def _(Y, i, j, p):
    P = torch.zeros((len(Y), len(Y)), dtype=p.dtype)
    P[i, j] = p
    difference = Y[:, None] - Y
    return (P[:, :, None] * difference / (1 + (difference**2).sum(2, keepdim=True))).sum(1)


# ---------------------------------------------------------------- interpolation-weights


def lagrange_weights(t, nodes):
    """The Lagrange polynomials of three nodes at t (n,), (n, 3)."""
    a, b, c = nodes
    return torch.stack(
        [
            (t - b) * (t - c) / ((a - b) * (a - c)),
            (t - a) * (t - c) / ((b - a) * (b - c)),
            (t - a) * (t - b) / ((c - a) * (c - b)),
        ],
        dim=1,
    )


NODES = (1 / 6, 1 / 2, 5 / 6)
DENOMINATORS = (2 / 9, -1 / 9, 2 / 9)


@known.mistake(
    "interpolation-weights",
    "nodes at the edges",
    "Your nodes are 0, ½ and 1; they are 1/6, ½ and 5/6, so that the nodes of neighbouring cells do not meet.",
)
def _(t):
    return lagrange_weights(t, (0, 1 / 2, 1))


@known.mistake(
    "interpolation-weights",
    "nodes at quarters",
    "Your nodes are ¼, ½ and ¾; they are 1/6, ½ and 5/6, a third apart also across cells.",
)
def _(t):
    return lagrange_weights(t, (1 / 4, 1 / 2, 3 / 4))


@known.mistake(
    "interpolation-weights",
    "nodes at thirds",
    "Your nodes are 0, ⅓ and ⅔; they stand in the middle of the thirds of the cell, at 1/6, ½ and 5/6.",
)
def _(t):
    return lagrange_weights(t, (0, 1 / 3, 2 / 3))


@known.mistake(
    "interpolation-weights",
    "nodes in the other order",
    "The columns are the wrong way round: the first belongs to the node 1/6, the last to 5/6.",
)
def _(t):
    return S.interpolation_weights(t).flip(1)


@known.mistake(
    "interpolation-weights",
    "denominators missing",
    "The denominators are missing: they are what makes L_a equal to 1 at its own node.",
)
def _(t):
    return S.interpolation_weights(t) * torch.tensor(DENOMINATORS, dtype=t.dtype)


@known.mistake(
    "interpolation-weights",
    "multiplied by the denominators",
    "You multiplied by (t_a − t_b)(t_a − t_c) where the formula divides by it.",
)
def _(t):
    return S.interpolation_weights(t) * torch.tensor(DENOMINATORS, dtype=t.dtype) ** 2


@known.mistake(
    "interpolation-weights",
    "sign of the middle",
    "The middle weight has the wrong sign: its denominator (½ − 1/6)(½ − 5/6) is negative.",
)
def _(t):
    return S.interpolation_weights(t) * torch.tensor([1, -1, 1], dtype=t.dtype)


@known.mistake(
    "interpolation-weights",
    "sums for products",
    "You added the factors (t − t_b) / (t_a − t_b); L_a is their product.",
)
def _(t):
    columns = [sum((t - b) / (a - b) for b in NODES if b != a) for a in NODES]
    return torch.stack(columns, dim=1)


@known.mistake(
    "interpolation-weights",
    "divided by the sum",
    "You divided the products by their sum; each has its own denominator, its value at its own node.",
)
def _(t):
    products = S.interpolation_weights(t) * torch.tensor(DENOMINATORS, dtype=t.dtype)
    return products / products.sum(1, keepdim=True)


@known.mistake(
    "interpolation-weights",
    "straight lines",
    "These are straight lines between the nodes; three values are joined by a parabola.",
)
def _(t):
    left, right = (0.5 - t).clamp(min=0) * 3, (t - 0.5).clamp(min=0) * 3
    return torch.stack([left, 1 - left - right, right], dim=1)


@known.mistake(
    "interpolation-weights",
    "positions along the columns",
    "W is the other way round: a position has a row, so its shape is (n, 3); stack along dim=1.",
)
def _(t):
    return S.interpolation_weights(t).T


@known.mistake(
    "interpolation-weights",
    "made positive",
    "You made the weights positive and divided by their sum; a Lagrange polynomial is negative between other nodes.",
)
def _(t):
    W = S.interpolation_weights(t).abs()
    return W / W.sum(1, keepdim=True)


@known.alternative("interpolation-weights", "loops over nodes")
def _(t):
    W = torch.ones((len(t), 3), dtype=t.dtype)
    for a in range(3):
        for b in range(3):
            if b != a:
                W[:, a] *= (t - NODES[b]) / (NODES[a] - NODES[b])
    return W


@known.alternative("interpolation-weights", "products of broadcast factors")
def _(t):
    nodes = torch.tensor(NODES, dtype=t.dtype)
    others = torch.tensor([[1, 2], [0, 2], [0, 1]])
    factors = (t[:, None, None] - nodes[others]) / (nodes[:, None] - nodes[others])  # (n, 3, 2)
    return factors.prod(2)


@known.alternative("interpolation-weights", "powers of t times coefficients")
def _(t):
    coefficients = torch.linalg.inv(torch.vander(torch.tensor(NODES, dtype=torch.float64)))  # t^2, t, 1 by node
    return (torch.vander(t.double(), 3) @ coefficients).to(t.dtype)


@known.alternative("interpolation-weights", "NumPy, scipy's polynomials")
def _(t):
    polynomials = [lagrange(NODES, unit) for unit in np.eye(3)]
    return torch.tensor(np.stack([one(t.numpy()) for one in polynomials], axis=1), dtype=t.dtype)


# ---------------------------------------------------------------- fft-convolution


def on_circle(charges, circle):
    """The convolution on a circle: charges (m, m) padded to the shape of circle (size, size), all of its result."""
    return torch.fft.irfft2(torch.fft.rfft2(charges, s=circle.shape) * torch.fft.rfft2(circle), s=circle.shape)


def mirrored(kernel):
    """The kernel (m, m) at the offsets -(m - 1) to m - 1, centred, (2 m - 1, 2 m - 1)."""
    offset = torch.arange(1 - len(kernel), len(kernel)).abs()
    return kernel[offset][:, offset]


@known.mistake(
    "fft-convolution",
    "no padding",
    "Without padding, charges act around the circle on nodes at the other end: make the circle 2m − 1 nodes long.",
)
def _(charges, kernel):
    steps = torch.arange(len(charges))
    offset = torch.minimum(steps, len(charges) - steps)
    return on_circle(charges, kernel[offset][:, offset])


@known.mistake(
    "fft-convolution",
    "neither padded nor mirrored",
    "You multiplied the transforms of the two arrays as they are: pad the charges with zeros, and lay out the kernel "
    "for negative offsets too.",
)
def _(charges, kernel):
    return on_circle(charges, kernel)


@known.mistake(
    "fft-convolution",
    "kernel not mirrored",
    "Your kernel acts on nodes with higher indices only; lay it out for negative offsets as well, at the far end of the "
    "circle.",
)
def _(charges, kernel):
    m = len(charges)
    return on_circle(charges, torch.nn.functional.pad(kernel, (0, m - 1, 0, m - 1)))[:m, :m]


@known.mistake(
    "fft-convolution",
    "mirrored in the rows only",
    "Your kernel is mirrored in the row offsets only; the column offsets have a sign too.",
)
def _(charges, kernel):
    m = len(charges)
    circle = torch.cat([kernel, kernel[1:].flip(0)])
    return on_circle(charges, torch.nn.functional.pad(circle, (0, m - 1)))[:m, :m]


@known.mistake(
    "fft-convolution",
    "mirrored in the columns only",
    "Your kernel is mirrored in the column offsets only; the row offsets have a sign too.",
)
def _(charges, kernel):
    m = len(charges)
    circle = torch.cat([kernel, kernel[:, 1:].flip(1)], dim=1)
    return on_circle(charges, torch.nn.functional.pad(circle, (0, 0, 0, m - 1)))[:m, :m]


@known.mistake(
    "fft-convolution",
    "offset 0 mirrored too",
    "Your mirror image repeats offset 0, so that every negative offset is one too short: leave its first row and column "
    "out.",
)
def _(charges, kernel):
    m = len(charges)
    circle = torch.cat([kernel, kernel.flip(0)])
    return on_circle(charges, torch.cat([circle, circle.flip(1)], dim=1))[:m, :m]


@known.mistake(
    "fft-convolution",
    "kernel centred",
    "Your kernel has offset 0 in the middle of the array, and shifts everything; on the circle offset 0 is node 0 "
    "(`torch.fft.ifftshift`).",
)
def _(charges, kernel):
    m = len(charges)
    return on_circle(charges, mirrored(kernel))[:m, :m]


@known.mistake(
    "fft-convolution",
    "cropped at the wrong corner",
    "You kept the last m rows and columns; the nodes of the grid are the first m, the padding comes after them.",
)
def _(charges, kernel):
    m = len(charges)
    return on_circle(charges, torch.fft.ifftshift(mirrored(kernel)))[m - 1 :, m - 1 :]


@known.mistake(
    "fft-convolution",
    "not cropped",
    "You return the whole circle; keep its first m rows and columns.",
)
def _(charges, kernel):
    return on_circle(charges, torch.fft.ifftshift(mirrored(kernel)))


@known.mistake(
    "fft-convolution",
    "irfft2 without its size",
    "`irfft2` takes an even size, 2m − 2, where you give it none; yours is odd, so say `s=(size, size)`.",
)
def _(charges, kernel):
    m = len(charges)
    circle = torch.fft.ifftshift(mirrored(kernel))
    return torch.fft.irfft2(torch.fft.rfft2(charges, s=circle.shape) * torch.fft.rfft2(circle))[:m, :m]


@known.mistake(
    "fft-convolution",
    "kernel transposed",
    "Rows and columns of the kernel are exchanged: kernel[a, b] belongs to the row offset a and the column offset b.",
)
def _(charges, kernel):
    return S.convolve_grid(charges, kernel.T)


@known.mistake(
    "fft-convolution",
    "scaled twice",
    'With norm="ortho" in all three transforms one factor 1 / (2m − 1) too many is left: use the default.',
)
def _(charges, kernel):
    return S.convolve_grid(charges, kernel) / (2 * len(charges) - 1)


@known.mistake(
    "fft-convolution",
    "complex numbers returned",
    "Your result is complex: use `irfft2`, or take the real part.",
)
def _(charges, kernel):
    m = len(charges)
    circle = torch.fft.ifftshift(mirrored(kernel))
    return torch.fft.ifft2(torch.fft.fft2(charges, s=circle.shape) * torch.fft.fft2(circle))[:m, :m]


@known.mistake(
    "fft-convolution",
    "product of the arrays",
    "You multiplied charges and kernel themselves; only their Fourier transforms are multiplied.",
)
def _(charges, kernel):
    return charges * kernel


@known.mistake(
    "fft-convolution",
    "own charge left out",
    "You leave out what a node does to itself; offset (0, 0) counts like every other.",
)
def _(charges, kernel):
    return S.convolve_grid(charges, kernel) - kernel[0, 0] * charges


@known.mistake(
    "fft-convolution",
    "sizes without signs",
    "You return absolute values, so that negative sums lose their sign: take the real part, or use `irfft2`.",
)
def _(charges, kernel):
    return S.convolve_grid(charges, kernel).abs()


@known.mistake(
    "fft-convolution",
    "charges transposed",
    "Rows and columns of the charges are exchanged.",
)
def _(charges, kernel):
    return S.convolve_grid(charges.T, kernel)


@known.mistake(
    "fft-convolution",
    "rows padded only",
    "You padded the rows only; the columns go round their circle too, so both need 2m − 1 nodes.",
)
def _(charges, kernel):
    m = len(charges)
    steps, long = torch.arange(m), torch.arange(2 * m - 1)
    rows, columns = torch.minimum(long, len(long) - long), torch.minimum(steps, m - steps)
    return on_circle(charges, kernel[rows][:, columns])[:m, :m]


@known.alternative("fft-convolution", "the sum over all pairs, einsum")
def _(charges, kernel):
    offset = (torch.arange(len(charges))[:, None] - torch.arange(len(charges))).abs()
    return torch.einsum("rscd,sd->rc", kernel[offset][:, :, offset], charges)


@known.alternative("fft-convolution", "padded to 2m, complex transforms, real part")
def _(charges, kernel):
    m = len(charges)
    circle = kernel.new_zeros(2 * m, 2 * m)
    circle[:m, :m] = kernel
    circle[m + 1 :, :m] = kernel[1:].flip(0)
    circle[:m, m + 1 :] = kernel[:, 1:].flip(1)
    circle[m + 1 :, m + 1 :] = kernel[1:, 1:].flip(0, 1)
    return torch.fft.ifft2(torch.fft.fft2(charges, s=(2 * m, 2 * m)) * torch.fft.fft2(circle)).real[:m, :m]


@known.alternative("fft-convolution", "kernel centred, cropped in the middle")
def _(charges, kernel):
    m = len(charges)
    size = 4 * m  # long enough for the whole linear convolution, 3 m - 2
    product = torch.fft.rfft2(charges, s=(size, size)) * torch.fft.rfft2(mirrored(kernel), s=(size, size))
    return torch.fft.irfft2(product, s=(size, size))[m - 1 : 2 * m - 1, m - 1 : 2 * m - 1]


@known.alternative("fft-convolution", "torch's conv2d")
def _(charges, kernel):
    m = len(charges)
    return torch.nn.functional.conv2d(charges[None, None], mirrored(kernel)[None, None], padding=m - 1)[0, 0]


@known.alternative("fft-convolution", "NumPy's FFT in float64, cast back")
def _(charges, kernel):
    m = len(charges)
    size = 2 * m + 3
    circle = np.zeros((size, size))
    for a in range(1 - m, m):
        for b in range(1 - m, m):
            circle[a, b] = kernel[abs(a), abs(b)]  # negative indices count from the end, as on the circle
    product = np.fft.fft2(charges.numpy(), s=(size, size)) * np.fft.fft2(circle)
    return torch.tensor(np.fft.ifft2(product).real[:m, :m], dtype=charges.dtype)


@known.alternative("fft-convolution", "scipy's direct summation")
def _(charges, kernel):
    return torch.from_numpy(convolve2d(charges.numpy(), mirrored(kernel).numpy(), mode="same")).to(charges.dtype)


# ---------------------------------------------------------------- mutants that compute the same

for coordinate in ("Y[rows, :1] - Y[:, 0]", "Y[rows, 1:] - Y[:, 1]"):
    first, second = coordinate.split(" - ")
    known.equivalent(
        "tiled-repulsion", f"line 13: `{coordinate}` -> `{second} - {first}`", "the square of a difference has no sign"
    )
known.equivalent(
    "block-neighbours",
    "line 16: `distances.topk(k, dim=1, largest=False)` -> `distances.topk(k, largest=False)`",
    "topk takes the last axis by default",
)
known.equivalent(
    "fft-convolution",
    "line 11: `torch.arange(size, device=charges.device)` -> `torch.arange(size)`",
    "without a device torch takes the CPU, where the cases are",
)
