"""Exercises whose answer is a class: judged like functions; what is no such class is told so in a sentence."""

import ast
import dataclasses
import random
import re
from types import SimpleNamespace

import class_project
import pytest
import sample_project

from course_utils import build, checking, frozen, record, run
from course_utils.authoring import Mistake
from course_utils.errors import Misfit
from course_utils.exercises import modules
from course_utils.judge import judge
from course_utils.mutants import mutants
from course_utils.release import BEGIN, END, stub

torch = pytest.importorskip("torch")
nn = torch.nn


def cell_of(exercise_id):
    """The solved answer cell of an exercise of the sample."""
    return re.search(rf'# %% exercise="{exercise_id}"\n(.*?)\n\n\n# %%', class_project.SCRIPT, re.S)[1]


CELL = cell_of("small-net")
HEAD = "class SmallNet(nn.Module):\n    def __init__(self, d, k):\n        super().__init__()\n"
LAYERS = "        self.hidden, self.out = nn.Linear(d, k), nn.Linear(k, 2, bias=False)\n"
FORWARD = "    def forward(self, x):\n        return "
RIGHT = HEAD + LAYERS + FORWARD + "self.out(torch.tanh(self.hidden(x)))\n"
LISTED = HEAD + "        self.every = [nn.Linear(d, k), nn.Linear(k, 2)]\n" + FORWARD + "x"


def defined(source):
    """What SmallNet is after a cell with this source."""
    names = {"nn": nn, "torch": torch}
    exec(compile(source, "<cell 1>", "exec"), names)
    return names["SmallNet"]


@pytest.fixture(scope="module")
def exercise():
    names = {"modules": modules}
    exec(sample_project.SPEC + class_project.SPEC, names)
    found = next(one for one in names["EXERCISES"] if one.id == "small-net")
    return dataclasses.replace(found, requires=())  # an exercise of the sample only


@pytest.fixture(scope="module")
def answers(exercise):
    wrong = {
        "no activation": ("You left out tanh.", RIGHT.replace("torch.tanh", "")),
        "in a list": ("In a list.", LISTED),
    }
    mistakes = {name: Mistake(name, sentence, defined(source)) for name, (sentence, source) in wrong.items()}
    known = SimpleNamespace(mistakes={"small-net": mistakes})
    return build.freeze_one(exercise, defined(CELL), known)


@pytest.fixture
def said(exercise, answers, tmp_path, monkeypatch):
    """What the check says of a source."""
    monkeypatch.setattr(record, "FILE", tmp_path / "progress.json")
    monkeypatch.setattr(frozen, "load", lambda _: answers)
    return lambda source: repr(checking.check_function(exercise, defined(source)))


# ---------------------------------------------------------------- the check


@pytest.mark.parametrize(
    "source",
    [
        CELL,
        RIGHT,
        RIGHT.replace("forward(self, x)", "__call__(self, x)"),
        RIGHT + "    def __repr__(self):\n        raise SystemExit\n",
        RIGHT.replace("super().__init__()", "nn.Module.__init__(self)"),
    ],
)
def test_right_classes_pass(said, source):
    assert said(source).startswith("✓ A small network: right. 2 of 2 cases pass, 4 points.")


NO_LAYERS = "`SmallNet` has no parameter `hidden.weight` (2, 3), `hidden.bias` (2,), `out.weight` (2, 2)"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        (
            "def SmallNet(d, k):\n    return nn.Linear(d, k)",
            "must be a class that derives from torch.nn.Module; yours is a",
        ),
        ("SmallNet = nn.Linear(3, 2)", "`SmallNet` must be the class itself; yours is an object of a class"),
        ("class SmallNet:\n    pass", "`SmallNet` must derive from torch.nn.Module"),
        (
            RIGHT.replace("self, d, k", "self"),
            "cannot be made with (3, 2): too many positional arguments. Let `__init__`",
        ),
        (HEAD.replace("super().__init__()", "pass") + FORWARD + "x", "does not call `super().__init__()`"),
        (HEAD.replace("super().__init__()", "pass") + LAYERS + FORWARD + "x", "does not call `super().__init__()`"),
        (HEAD + LAYERS + FORWARD.replace("forward", "foward") + "x", "`SmallNet` has no method `forward`"),
        (HEAD + FORWARD + "x", NO_LAYERS + "."),
        (
            HEAD + "        self.all = [nn.Linear(d, k), nn.Linear(k, 2)]\n" + FORWARD + "x",
            NO_LAYERS + ". torch sees no layer in the plain list `all`: use nn.Sequential or nn.ModuleList.",
        ),
        (HEAD + "        self.W = torch.zeros(d, k, requires_grad=True)\n" + FORWARD + "x", "`W` is a plain tensor"),
        (
            RIGHT.replace("hidden", "first"),
            "no parameter `hidden.weight` (2, 3), `hidden.bias` (2,); it has `first.weight` (2, 3), `first.bias` (2,)",
        ),
        (RIGHT.replace(", bias=False", ""), "has a parameter that the docstring does not name: `out.bias` (2,)."),
        (RIGHT.replace("(d, k), nn", "(k, d), nn"), "gives the parameter `hidden.weight` shape"),
        (
            RIGHT.replace("x)))", "x))), x"),
            "must return a tensor of shape (2, 2) from `forward`; yours returns a tuple.",
        ),
        (
            RIGHT.replace("x)))", "x))).T[:1]"),
            "must return a tensor of shape (2, 2) from `forward`; yours has shape (1, 2)",
        ),
        (RIGHT.replace("x)))", "x))).detach()"), "returns an output without gradients"),
        (
            RIGHT.replace("self.hidden(x)", "self.hidden(x).detach()"),
            "computes its output without `hidden.weight`: no grad",
        ),
        (
            RIGHT.replace("self.hidden(x)", "self.hiden(x)"),
            "Your class raised an error in line 6 of your cell: Attribute",
        ),
        (RIGHT.replace("torch.tanh", ""), "You left out tanh."),
        (RIGHT.replace("tanh", "sin"), "E "),
        (
            HEAD + "        self.all = nn.ModuleList([nn.Linear(d, k)])\n" + FORWARD + "self.all(x)",
            "it has `all.0.weight` (2, 3), `all.0.bias` (2,) instead",
        ),
        (RIGHT.replace("return", "return nn.ModuleList()(x) or"), "missing the required"),
        (RIGHT.replace("return", "x *= 2\n        return"), "Your class changed its argument x in place"),
        (RIGHT.replace("return", "print('hello')\n        return -"), "Your class printed: hello"),
        (stub(CELL, "small-net"), "`SmallNet` still raises NotImplementedError"),
        (CELL[: CELL.rindex(BEGIN)] + 'raise NotImplementedError("small-net: x")', "still raises NotImplementedError"),
        (stub(CELL, "small-net").replace("small-net: ", ""), "`SmallNet` still raises NotImplementedError"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(said, source, part):
    text = said(source)
    assert part in text
    assert not text.startswith("✓")
    assert "Traceback" not in text
    assert "Misfit" not in text


HOSTILE = {
    "metaclass": "class M(type):\n    def __call__(*_):\n        return {}\n    def __getattribute__(*_):\n        0/0"
    + "\n"
    + RIGHT.replace("nn.Module", "nn.Module, metaclass=M"),
    "getattr": RIGHT + "    def __getattr__(self, name):\n        return self\n",
    "getattribute": RIGHT + "    def __getattribute__(self, name):\n        raise SystemExit(name)\n",
    "state": RIGHT
    + "    def named_parameters(self, *a, **b):\n        return []\n    parameters = state_dict = None\n",
    "liar": "class Liar(torch.Tensor):\n    @classmethod\n    def __torch_function__(*_):\n        return Liar()\n"
    + RIGHT.replace("self.out(", "Liar() + self.out("),
    "new": RIGHT + "    def __new__(cls, *a):\n        return 7\n",
    "call": RIGHT + "    def __call__(self, x):\n        return lambda: x\n",
    "eval": RIGHT + "    def eval(self):\n        return None\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_classes_get_a_sentence(said, name):
    text = said(HOSTILE[name])
    if name == "state":  # it hides its parameters from others, and computes what it should
        assert text.startswith("✓")
        return
    assert not text.startswith("✓")
    assert "The check itself failed" not in text
    assert len(text.splitlines()) < 40


def test_an_init_that_never_ends_is_stopped(exercise):
    loop = defined(
        HEAD + "        while True:\n            try:\n                d += 1\n            except BaseException: d = 0"
    )
    outcome = run.call(exercise.calling(loop), (3, 2, {}, torch.zeros(1, 3)), 0.3)
    assert outcome.timed_out == 0.3


def test_a_class_where_a_function_is_asked_for():
    names = {"modules": modules}
    exec(sample_project.SPEC, names)
    scale = names["EXERCISES"][0]
    outcome = run.call(scale.calling(defined(RIGHT)), (1.0,), 5)
    assert outcome.error == "Misfit: `scale` must be a function; yours is a class."
    assert scale.calling(len) is len


def test_a_mistake_that_is_refused_names_only_what_is_refused_in_the_same_words(exercise, answers):
    def mistake(source):
        called = exercise.calling(defined(source))
        return judge(exercise, answers.cases, run.call_all(called, [case.args for case in answers.cases], 5)).mistake

    assert mistake(LISTED) == "in a list"
    assert mistake(LISTED.replace("every", "layers")) is None
    assert mistake(RIGHT.replace("torch.tanh", "")) == "no activation"
    assert mistake(RIGHT.replace("hidden", "first")) is None


def test_the_check_leaves_torchs_random_numbers_and_gradients_as_they_were(said):
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    with torch.no_grad():
        assert said(RIGHT).startswith("✓")
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.rand(4), wanted)


def test_what_a_class_draws_is_the_same_every_time(exercise):
    draws = dataclasses.replace(exercise, use=lambda Net: next(Net(3, 2).parameters()).detach())
    assert torch.equal(draws.calling(defined(RIGHT))(), draws.calling(defined(RIGHT))())


def test_helpers_for_a_contract_without_names():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(2, 2, bias=False)
            self.other = self.one

        def forward(self, x):
            return self.one(x) + self.other(x)

    net = modules.build(Tied, dtype=torch.float64)
    assert list(modules.parameters(net)) == ["one.weight"]
    modules.load(net, {"one.weight": torch.eye(2)})
    x = torch.ones(1, 2, dtype=torch.float64, requires_grad=True)
    assert modules.gradients(modules.output(net, x).sum(), {"x": x})["x"].tolist() == [[2.0, 2.0]]
    with pytest.raises(Misfit, match="has no parameters that torch could train"):
        modules.parameters(nn.Tanh())


def unwritten(source):
    """The error of making a SmallNet, and a function that makes one, where it is a stub."""
    names = {"nn": nn, "torch": torch}
    exec(compile(source + "\n\ndef use(x):\n    return SmallNet(3, 2)(x)\n", "<cell 1>", "exec"), names)
    with pytest.raises(NotImplementedError) as raised:
        names["use"](torch.zeros(1, 3))
    return raised.value, names["use"]


@pytest.mark.parametrize("said_id", ["small-net: ", ""])  # nbgrader's stubs do not say it
def test_what_uses_an_unwritten_class_is_told_so(monkeypatch, exercise, said_id):
    monkeypatch.setattr(checking.exercises, "all_by_id", lambda: {"small-net": exercise})
    error, use = unwritten(stub(CELL, "small-net").replace("small-net: ", said_id))
    wanted = "This cell needs `SmallNet`, which is not written yet: solve that exercise first."
    assert checking.unsolved_for(error) == ("SmallNet", wanted)
    if not said_id:
        assert checking.unwritten_behind(use) is exercise


# ---------------------------------------------------------------- stubs and mutants


def test_the_stub_keeps_the_class_and_raises_in_each_method():
    text = stub(CELL, "small-net")
    assert "secret" not in text
    (node,) = ast.parse(text).body
    assert ast.get_docstring(node)
    raising = [method.name for method in node.body if isinstance(getattr(method, "body", [0])[-1], ast.Raise)]
    assert raising == ["__init__", "forward"]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (CELL, []),
        ("def SmallNet(d, k):\n    pass", ["must define the class `SmallNet` once"]),
        (
            CELL.replace(END, "", 1),
            [f"needs one line `{BEGIN}` and below it one `{END}` in each method that is to be wr"],
        ),
        (
            f'class SmallNet(nn.Module):\n    """A."""\n    {BEGIN}\n    def forward(self):\n        pass\n    {END}',
            ["has a stub that defines no class: put the marks inside its methods"],
        ),
    ],
)
def test_faults_of_an_answer_cell(exercise, source, fault):
    found = build.faults(exercise, source)
    assert len(found) == len(fault)
    assert all(one.startswith(other) for one, other in zip(found, fault, strict=True))


def test_mutants_change_methods_between_the_marks_only(exercise, answers):
    found = mutants(CELL)
    names = [mutant.name for mutant in found]
    first, second = (number for number, line in enumerate(CELL.splitlines(), 1) if BEGIN in line)
    lines = {int(name.split(":")[0].removeprefix("line ")) for name in names}
    assert lines == {first + 1, first + 2, second + 1, second + 2}
    assert f"line {second + 2}: `self.out(h)` -> `h`" in names
    for mutant in found:
        called = exercise.calling(mutant.function("SmallNet", {"nn": nn, "torch": torch}))
        outcomes = run.call_all(called, [case.args for case in answers.cases], 5)
        assert not judge(exercise, answers.cases, outcomes).passed, mutant.name


def test_edits_of_the_practice_class_reach_methods(monkeypatch, exercise):
    from nbformat.v4 import new_code_cell

    from course_utils.grading import demo_answers, demo_edits

    monkeypatch.setattr(demo_edits.exercises, "get", lambda _: exercise)
    cell = new_code_cell(CELL)
    demo_edits.begin_with(cell, "small-net", "print('noise')")
    assert cell.source.count("print('noise')") == 2
    source = random.Random(0).choice(sorted(set(demo_answers.mutated(CELL))))
    assert source.startswith("class SmallNet")
