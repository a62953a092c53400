"""The sample project with two more exercises: a small torch.nn.Module, and a function that makes one of it."""

from pathlib import Path

from sample_project import SampleProject

SPEC = '''

def nets(rng: np.random.Generator) -> list[Case]:
    """Two networks with given weights: (d, k, state, x)."""
    import torch

    cases = []
    for label, n, d, k in (("two points", 2, 3, 2), ("five points", 5, 4, 3)):
        sizes = {"hidden.weight": (k, d), "hidden.bias": (k,), "out.weight": (2, k)}
        state = {name: torch.tensor(rng.normal(size=size)) for name, size in sizes.items()}
        cases.append(Case(label, (d, k, state, torch.tensor(rng.normal(size=(n, d))))))
    return cases


def embed_and_differentiate(Net: type, d: int, k: int, state: dict[str, Any], x: Any) -> tuple[Any, ...]:
    """E for given weights, in float64, and the gradient of the sum of its squares with respect to hidden.weight."""
    net = modules.build(Net, d, k, dtype=x.dtype).eval()
    modules.load(net, state)
    E = modules.output(net, x, shape=(len(x), 2))
    return E, modules.gradients((E**2).sum(), modules.parameters(net))["hidden.weight"]


EXERCISES += (
    Exercise(
        id="small-net",
        notebook="01_sample",
        name="SmallNet",
        title="A small network",
        points=4,
        difficulty=2,
        minutes=10,
        cases=nets,
        use=embed_and_differentiate,
        takes=("d", "k", "state", "x"),
        returns=("E", "dC_dW"),
        hints=("Two layers.",),
        requires=("scale",),
        time_limit=2.0,
    ),
    Exercise(
        id="embed-rows",
        notebook="01_sample",
        name="embed_rows",
        title="Embed rows",
        points=1,
        difficulty=1,
        minutes=5,
        cases=matrices,
        takes=("X",),
        returns=("Z",),
        hints=("Make a network.",),
        requires=("scale", "small-net"),
    ),
)
'''

SCRIPT = '''
# %% [markdown]
# ## Part C: a network
#
# [exercise: small-net]

# %%
import torch
from torch import nn


# %% exercise="small-net"
class SmallNet(nn.Module):
    """E = tanh(x W^T + b) V^T: layers `hidden` (d to k, with bias) and `out` (k to 2, without)."""

    def __init__(self, d, k):
        super().__init__()
        ### BEGIN SOLUTION
        self.hidden = nn.Linear(d, k)
        self.out = nn.Linear(k, 2, bias=False)
        ### END SOLUTION

    def forward(self, x):
        """x (n, d); returns E (n, 2)."""
        ### BEGIN SOLUTION
        h = torch.tanh(self.hidden(x))  # the secret of the network
        return self.out(h)
        ### END SOLUTION


# %%
check("small-net")

# %% [markdown]
# [hints: small-net]

# %% [markdown]
# [exercise: embed-rows]


# %% exercise="embed-rows"
def embed_rows(X):
    """scale(X), X (n, d), times the number of weights of a SmallNet(d, n)."""
    ### BEGIN SOLUTION
    n, d = X.shape
    return scale(X) * sum(W.numel() for W in SmallNet(d, n).parameters())
    ### END SOLUTION


# %%
check("embed-rows")

# %% [markdown]
# [hints: embed-rows]
'''

KNOWN = """

import torch
from torch import nn


@known.mistake("small-net", "no activation", "You left out tanh: two linear layers are one.")
class _(S.SmallNet):
    def forward(self, x):
        return self.out(self.hidden(x))


@known.mistake("small-net", "two activations", "The last layer has no tanh.")
class _(S.SmallNet):
    def forward(self, x):
        return torch.tanh(super().forward(x))


@known.mistake("small-net", "in a list", "Layers in a plain list are not seen by torch.")
class _(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.layers = [nn.Linear(d, k), nn.Linear(k, 2, bias=False)]

    def forward(self, x):
        return self.layers[1](torch.tanh(self.layers[0](x)))


@known.alternative("small-net", "parameters by hand")
class _(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.hidden = nn.Module()
        self.hidden.weight = nn.Parameter(torch.zeros(k, d))
        self.hidden.bias = nn.Parameter(torch.zeros(k))
        self.out = nn.Linear(k, 2, bias=False)

    def forward(self, x):
        return torch.tanh(x @ self.hidden.weight.T + self.hidden.bias) @ self.out.weight.T


class Tanh(nn.Module):
    def forward(self, x):
        return 1 - 2 / (torch.exp(2 * x) + 1)


@known.alternative("small-net", "a module of its own")
class _(S.SmallNet):
    def __init__(self, d, k):
        super().__init__(d, k)
        self.tanh = Tanh()

    def forward(self, x):
        return self.out(self.tanh(self.hidden(x)))


@known.mistake("embed-rows", "not scaled", "You left out scale.")
def _(X):
    return X * len(X) * (X.shape[1] + 3)


@known.mistake("embed-rows", "no bias", "You left out the bias.")
def _(X):
    return S.scale(X) * len(X) * (X.shape[1] + 2)


@known.mistake("embed-rows", "layers", "You counted the layers' tensors, not their entries.")
def _(X):
    return S.scale(X) * len(list(S.SmallNet(X.shape[1], len(X)).parameters()))


@known.alternative("embed-rows", "counted by hand")
def _(X):
    return S.scale(X) * len(X) * (X.shape[1] + 3)


@known.alternative("embed-rows", "a tensor's entries")
def _(X):
    net = S.SmallNet(X.shape[1], len(X))
    return X / X.sum() * (net.hidden.weight.numel() + net.hidden.bias.numel() + net.out.weight.numel())
"""


def with_class(project: SampleProject) -> SampleProject:
    """The sample project with these exercises added, in place."""
    imports = "from course_utils.exercises import modules\nfrom course_utils.exercises.spec import"
    project.edit(project.spec, "from course_utils.exercises.spec import", imports)
    for path, text in ((project.spec, SPEC), (project.script, SCRIPT), (project.known, KNOWN)):
        path.write_text(path.read_text() + text)
    return project


def make(root: Path) -> SampleProject:
    """A new project with the class exercise, in the folder `root`."""
    return with_class(SampleProject(root))
