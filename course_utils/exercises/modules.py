"""Help for exercises with a `use`: make a torch.nn.Module, load weights, call it, differentiate; draw twice.

A specification's `use` is written with these. What a class does wrong is raised as Misfit, in words that continue the
sentence "`EmbeddingNet` ...". The class may lie about itself, so nn.Module's own methods are asked, not its overrides.
torch is imported where it is needed: specifications are read by notebooks that do without it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from course_utils.errors import Misfit
from course_utils.exercises.spec import Exercise
from course_utils.judge.compare import describe, kind_name
from course_utils.values import SeededGenerator

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

SEED = 20190222  # of what a class draws for itself: first weights, dropout


def call(exercise: Exercise, what: Any, *args: Any) -> Any:
    """`exercise.use(what, *args)` with torch's generator seeded and gradients on, both put back afterwards.

    Raises Misfit, its text a whole sentence, where `what` is not the kind of thing that the exercise asks for.
    """
    try:
        if exercise.kind == "class":
            refuse_other_than_module(what)
        elif issubclass(type(what), type):
            raise Misfit("must be a function; yours is a class.")
        import torch

        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(SEED)
            return exercise.use(what, *args)
    except Misfit as misfit:
        raise Misfit(f"`{exercise.name}` {misfit}") from None


def refuse_other_than_module(what: Any) -> None:
    """Raise Misfit for anything but a class that derives from torch.nn.Module."""
    torch = sys.modules.get("torch")
    if not issubclass(type(what), type):
        if torch is not None and issubclass(type(what), torch.nn.Module):
            raise Misfit("must be the class itself; yours is an object of a class: give the object another name.")
        found = "a function" if inspect.isfunction(what) else describe(what)
        raise Misfit(f"must be a class that derives from torch.nn.Module; yours is {found}.")
    if torch is None or not issubclass(what, torch.nn.Module):
        raise Misfit("must derive from torch.nn.Module: write `torch.nn.Module` in the brackets behind its name.")


# ---------------------------------------------------------------- making a module


def build(kind: Callable[..., Any], *args: Any, dtype: Any = None, **options: Any) -> Module:
    """The module `kind(*args, **options)`, its parameters in `dtype` where one is given.

    Raises Misfit where it cannot be made with these arguments, or what is made is no module that can be called.
    """
    import torch

    given = [describe_argument(value) for value in args]
    given += [f"{name}={describe_argument(value)}" for name, value in options.items()]
    try:
        inspect.signature(kind).bind(*args, **options)
    except TypeError as error:
        raise Misfit(
            f"cannot be made with ({', '.join(given)}): {error}. Let `__init__` take what the docstring says."
        ) from None
    except ValueError:  # no signature is known; the call itself will tell
        pass
    no_init = "does not call `super().__init__()`, which must be the first line of `__init__`."
    try:
        net = kind(*args, **options)
    except AttributeError as error:
        if "before Module.__init__() call" in str(error):
            raise Misfit(no_init) from None
        raise
    if not issubclass(type(net), torch.nn.Module):
        raise Misfit(f"does not make a torch.nn.Module: its objects are of type {kind_name(net)}.")
    own = object.__getattribute__(net, "__dict__")
    if "_parameters" not in own:
        raise Misfit(no_init)
    without = inspect.getattr_static(net, "forward") is torch.nn.Module.forward
    if without and type(net).__call__ is torch.nn.Module.__call__:
        raise Misfit("has no method `forward`, which says what the network computes.")
    return net if dtype is None else torch.nn.Module.to(net, dtype)


def describe_argument(value: Any) -> str:
    """An argument of `__init__`, for a message."""
    return repr(value) if type(value) in (int, float, bool, str) else describe(value)


def all_parameters(net: Module) -> dict[str, Tensor]:
    """The parameters of a module by name, each once: shared ones under their first name; none is right too."""
    import torch

    return dict(torch.nn.Module.named_parameters(net))


def parameters(net: Module) -> dict[str, Tensor]:
    """The parameters of a module that must have some, by name, each once. Raises Misfit for none."""
    found = all_parameters(net)
    if not found:
        raise Misfit(f"has no parameters that torch could train.{unregistered(net)}")
    return found


def load(net: Module, state: Mapping[str, Any]) -> None:
    """Put weights into a module; `state` has an array or tensor for every parameter that the docstring names.

    Buffers such as BatchNorm's means may be among them. Raises Misfit where names or shapes are others.
    """
    import torch

    own = dict(torch.nn.Module.named_parameters(net, remove_duplicate=False))
    trained = set(own)
    own |= dict(torch.nn.Module.named_buffers(net, remove_duplicate=False))
    missing = [f"`{name}` {tuple(value.shape)}" for name, value in state.items() if name not in own]
    loaded = {id(own[name]) for name in state if name in own}
    extra = [f"`{name}` {tuple(own[name].shape)}" for name in own if name in trained and id(own[name]) not in loaded]
    if missing:
        instead = f"; it has {some(extra)} instead" if extra else ""
        raise Misfit(f"has no parameter {some(missing)}{instead}.{unregistered(net)}")
    if extra:
        raise Misfit(f"has a parameter that the docstring does not name: {some(extra)}.")
    for name, value in state.items():
        if own[name].shape != value.shape:
            shapes = f"shape {tuple(own[name].shape)}; it must have {tuple(value.shape)}"
            raise Misfit(f"gives the parameter `{name}` {shapes}.")
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(torch.as_tensor(value))


def some(items: list[str]) -> str:
    """The first items of a list for a message."""
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def unregistered(net: Module) -> str:
    """Where a module keeps parameters so that torch does not see them, a sentence; empty where there are none."""
    import torch

    trainable = (torch.nn.Module, torch.nn.Parameter)
    internal = vars(torch.nn.Module()).keys()
    for name, value in object.__getattribute__(net, "__dict__").items():
        if name in internal:
            continue
        if type(value) in (list, tuple, dict):
            items = value.values() if type(value) is dict else value
            if any(issubclass(type(item), trainable) for item in items):
                of_torch = "nn.ModuleDict" if type(value) is dict else "nn.Sequential or nn.ModuleList"
                return f" torch sees no layer in the plain {type(value).__name__} `{name}`: use {of_torch}."
        elif issubclass(type(value), torch.Tensor) and value.requires_grad:
            return f" Its attribute `{name}` is a plain tensor: make it an nn.Parameter."
    return ""


# ---------------------------------------------------------------- using it


def output(net: Module, *inputs: Any, shape: tuple[int, ...] | None = None) -> Tensor:
    """What the module returns for inputs. Raises Misfit for anything but a tensor, of `shape` where one is given.

    For outputs that are used on; one that is judged itself is better returned as `net(x)`: the judge says more.
    """
    import torch

    found = net(*inputs)
    wanted = "a tensor" + (f" of shape {shape}" if shape is not None else "")
    if not issubclass(type(found), torch.Tensor):
        raise Misfit(f"must return {wanted} from `forward`; yours returns {describe(found)}.")
    if shape is not None and tuple(found.shape) != shape:
        raise Misfit(f"must return {wanted} from `forward`; yours has shape {tuple(found.shape)}.")
    return found


def gradients(loss: Tensor, of: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of a number with respect to named tensors, such as `parameters(net)`; each of its tensor's shape.

    Raises Misfit where the loss depends on none of them, or where one gets no gradient at all.
    """
    import torch

    if not loss.requires_grad:
        raise Misfit(
            "returns an output without gradients, so nothing can learn: no `detach`, `no_grad`, `item` or NumPy on the "
            "way from the input to it."
        )
    found = torch.autograd.grad(loss, list(of.values()), allow_unused=True)
    for name, gradient in zip(of, found, strict=True):
        if gradient is None:
            raise Misfit(f"computes its output without `{name}`: no gradient reaches it.")
    return dict(zip(of, found, strict=True))


# ---------------------------------------------------------------- drawing


def draw_twice(draw: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """What a function draws, and what it draws with another generator in the same state; the last argument is one."""
    *others, rng = args
    again = SeededGenerator(rng.seed)
    return draw(*others, rng), draw(*others, again)
