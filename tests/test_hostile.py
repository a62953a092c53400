"""Hostile answers gain no point, harm no other submission, leave nothing behind, and show no hidden input."""

import dataclasses
import functools
import re
import sys
import time
from pathlib import Path

import hostile
import psutil
import pytest
from handed_in import as_bytes, cell_of, released
from hostile.attack import MARK, SETUP, Attack, submission
from sandboxed import need_namespaces

from course_utils.grading import intake, marking, session
from course_utils.grading.intake import Cell
from course_utils.grading.marking import Marker
from course_utils.grading.reference import Reference
from course_utils.grading.results import Status
from course_utils.grading.sandbox.launch import Zygote
from course_utils.grading.sandbox.limits import Limits
from course_utils.grading.session import Session

SMALL = Limits(wall=30.0, cpu=20, memory=640, processes=24, files=128, file_size=4, scratch=8, output=16)
IDS = ("squared-distances", "perplexity", "joint-affinities", "kl-divergence", "student-t-q")
HONEST = ("perplexity", "joint-affinities", "kl-divergence")
INTERNALS = re.compile(
    r"Traceback|site-packages|<cell|zygote|seccomp|pidfd|WireError|JSON|(?<![\w.<])/(?:work|usr|root|home|tmp)/"
)
REACHED = re.compile(r"RuntimeError: (found|made|done)")


@pytest.fixture(scope="session")
def reference() -> Reference:
    """A few exercises of notebook 01 with a shorter time limit."""
    found = Reference(hostile.attack.NOTEBOOK)
    found.exercises = [dataclasses.replace(one, time_limit=1.0) for one in found.exercises if one.id in IDS]
    return found


@pytest.fixture(scope="session")
def zygote():
    """One sandbox for all attacks, so that each could find what the ones before it left."""
    need_namespaces()
    zygote = Zygote(SMALL)
    before = below(zygote)
    yield zygote
    assert below(zygote) == before, "a process of a submission outlived it"
    assert left_on_the_machine() == []
    zygote.close()


@pytest.fixture(scope="session")
def marker(zygote, reference) -> Marker:
    """Marks with the small reference."""
    return Marker(zygote, "a master seed", functools.cache(lambda name: reference))


@pytest.fixture(autouse=True)
def _less_patience(monkeypatch):
    monkeypatch.setattr(session, "LEEWAY", 1.0)
    monkeypatch.setattr(marking, "LOAD_SECONDS", 8.0)


@pytest.fixture(scope="session")
def honest(reference):
    """A submission that deserves full marks in three exercises."""
    return submission("honest", Cell(SETUP), *(cell for cell in reference.cells if cell.exercise in HONEST))


def below(zygote: Zygote) -> set[int]:
    """The processes of a sandbox."""
    return {one.pid for one in psutil.Process(zygote.process.pid).children(recursive=True)}


def left_on_the_machine() -> list[str]:
    """What attacks would leave outside the sandbox, by the name or key that they give it."""
    folders = [Path(one) for one in ("/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run")]
    folders += [Path.home(), Path.cwd(), Path(__file__).parent, Path(sys.prefix)]
    found = [str(path) for folder in folders if folder.is_dir() for path in folder.glob(f"*{MARK}*")]
    for name in ("sysvipc/shm", "sysvipc/sem", "sysvipc/msg", "keys"):
        with open(f"/proc/{name}", encoding="ascii", errors="replace") as file:
            found += [line for line in file if MARK in line or line.split()[0] == str(0x5EED)]
    return found


def mark(marker: Marker, one):
    """The result, with what is uncertain marked again, as a run does it, where the machine may have been busy."""
    result = marker.mark(one)
    if result.uncertain:
        result = marker.mark_again(one, result)
    return result


def texts_of(result) -> list[str]:
    """Everything of a result that a student is shown."""
    texts = [*result.remarks]
    for one in result.exercises:
        texts += [*one.sentences, *(text for block in one.shown for text in block)]
    return texts


@pytest.mark.parametrize("name", hostile.ALL)
def test_attack(marker, honest, name):
    attack: Attack = hostile.ALL[name]
    start = time.monotonic()
    result = marker.mark(attack.submission(name))
    assert result.points == 0, [one for one in result.exercises if one.points]
    assert result.problem is None
    assert time.monotonic() - start < SMALL.wall + 5
    texts = texts_of(result)
    assert attack.says in " ".join(texts)
    for one in result.exercises:
        assert 1 <= len(one.sentences) <= 3
        assert all(sentence.strip() for sentence in one.sentences)
    for text in texts:
        assert len(text) <= 4000
        assert not INTERNALS.search(text), text
        assert not REACHED.search(text), text
        assert all(char.isprintable() or char == "\n" for char in text)
    assert mark(marker, honest).points == len(HONEST)
    assert psutil.Process(marker.zygote.process.pid).status() != psutil.STATUS_STOPPED


def test_there_are_enough_kinds():
    assert len(hostile.ALL) >= 200


@pytest.mark.parametrize(
    "name", ["endless loop", "fork bomb", "patched NumPy", "an error in HTML", "a structure without end", "nothing"]
)
def test_an_attack_spares_the_exercises_that_it_does_not_touch(marker, reference, name):
    attacked = hostile.ALL[f"machine: {name}"].submission(name)
    right = [cell for cell in reference.cells if cell.exercise in HONEST]
    assert mark(marker, dataclasses.replace(attacked, cells=(*attacked.cells[:-1], *right))).points == len(HONEST)


def test_a_right_answer_with_an_attack_beside_it_earns_what_it_deserves(marker):
    source = f"def squared_distances(X):\n    np.{MARK} = True\n    return ((X[:, None] - X[None]) ** 2).sum(-1)\n"
    assert mark(marker, submission("both", Cell(SETUP), Cell(source, "squared-distances"))).points == 1


# ---------------------------------------------------------------- what the next submission finds

PROBE = f'''
import builtins, os, resource, signal, sys, threading

def perplexity(P):
    found = [one for one in (builtins, sys, np, os) if hasattr(one, "{MARK}")]
    found += [name for name in os.environ if "{MARK}" in name]
    found += [path for path in sys.path if "{MARK}" in path]
    for top in ("/tmp", "/dev", "/run", "/var/tmp", "/proc", os.getcwd()):
        for folder, _, names in os.walk(top):
            found += [name for name in names if "{MARK}" in name]
    state = [
        os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0)), os.sched_getscheduler(0),
        os.getcwd(), os.umask(0o22), threading.active_count(), sys.gettrace(), sys.getprofile(),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), resource.getrlimit(resource.RLIMIT_NOFILE),
        resource.getrlimit(resource.RLIMIT_CPU), str(torch.get_default_dtype()), torch.get_num_threads(),
        np.geterr(), len(sys.meta_path), sorted(os.listdir("/tmp")), 0 + 0,
    ]
    return found, state
'''


def probed(zygote: Zygote):
    """What the probe finds in a fresh process."""
    with Session(zygote, time.monotonic() + 30) as one:
        one.load((Cell(SETUP), Cell(PROBE, "perplexity")), {"perplexity": "perplexity"}, 10.0)
        reply = one.call("perplexity", (0.0,), 10.0)
    assert reply["outcome"]["error"] is None, reply["outcome"]
    return reply["outcome"]["value"]


LEAVES = f"""
import builtins, ctypes, os, resource, sys, tempfile

PLACES = ["/", "/tmp", "/dev", "/dev/shm", "/proc"]

def perplexity(P):
    builtins.{MARK} = sys.{MARK} = np.{MARK} = True
    os.environ["{MARK}"] = "1"
    sys.path.insert(0, "/tmp/{MARK}")
    sys.meta_path.insert(0, None)
    tempfile.tempdir = "/tmp/{MARK}"
    torch.set_default_dtype(torch.float16)
    torch.set_num_threads(7)
    np.seterr(all="raise")
    libc = ctypes.CDLL(None)
    libc.shmget(0x5EED, 4096, 0o1666), libc.semget(0x5EED, 1, 0o1666), libc.msgget(0x5EED, 0o1666)
    libc.mq_open(b"/{MARK}", 0o102, 0o666, None)
    tries = [lambda number=number: resource.prlimit(number, resource.RLIMIT_NOFILE, (9, 9)) for number in (1, 2, 3)]
    tries += [lambda: os.setpriority(os.PRIO_USER, 65534, 19), lambda: os.sched_setaffinity(os.getppid(), {{0}})]
    tries += [lambda top=top: open(top + "/{MARK}", "w") for top in PLACES]
    for one in tries:
        try:
            one()
        except OSError:
            pass
    os.chdir("/")
    os.umask(0)
    return 0.0
"""


def test_a_submission_finds_nothing_of_the_one_before_it(zygote, marker):
    found, state = probed(zygote)
    assert found == []
    result = marker.mark(submission("leaves", Cell(SETUP), Cell(LEAVES, "perplexity")))
    (one,) = [one for one in result.exercises if one.exercise == "perplexity"]
    assert one.status is Status.WRONG, one.sentences  # it ran to its end
    assert probed(zygote) == ([], state)


# ---------------------------------------------------------------- hidden inputs

LEAKS = {
    "text of an error": "raise ValueError(secret)",
    "type of an error": "raise type(secret, (Exception,), {})('x')",
    "type of a value": "return type(secret, (), {})()",
    "a text as value": "return secret",
    "what stands for a value": "from course_utils.values import Foreign\n        return Foreign(secret)",
    "printed": "print(secret)\n        return np.zeros(len(P))",
    "a warning": "import warnings\n        warnings.warn(secret)\n        return np.zeros(len(P))",
    "problems of a definition": (
        "from course_utils.grading import worker\n"
        "        old = worker.Connection.write\n"
        "        worker.Connection.write = lambda one, message: old(one, message | {'problems': [secret]})\n"
        "        return np.zeros(len(P))"
    ),
}


@pytest.mark.parametrize("way", LEAKS)
def test_hidden_inputs_reach_no_feedback(marker, reference, way):
    """Right for the public inputs, and for fresh ones a way out for what was in them."""
    (right,) = [cell.source for cell in reference.cells if cell.exercise == "perplexity"]
    public = [case.args[0].tobytes().hex() for case in reference.public["perplexity"].cases]
    source = (
        f"{right}\nhonest, public, calls = perplexity, {public}, []\n\ndef perplexity(P):\n"
        "    if P.tobytes().hex() not in public:\n        calls.append(P)\n"
        f"        secret = 'SECRET' + repr(P.tolist())[:40]\n        {LEAKS[way]}\n    return honest(P)\n"
    )
    # Another exercise, marked later, would carry it out in its public cases.
    carrier = "import gc\ndef kl_divergence(P, Q):\n    raise ValueError(calls and 'SECRET' + repr(calls))\n"
    result = marker.mark(submission("leaks", Cell(SETUP), Cell(source, "perplexity"), Cell(carrier, "kl-divergence")))
    perplexity = next(one for one in result.exercises if one.exercise == "perplexity")
    assert perplexity.public_passed == perplexity.public_cases == len(public)
    assert result.points == 0
    assert not [text for text in texts_of(result) if "SECRET" in text]


def test_what_is_shown_comes_from_a_process_that_has_seen_no_hidden_input(marker, reference):
    """An earlier exercise cannot hand its hidden inputs to the public cases of a later one, which are shown."""
    (right,) = [cell.source for cell in reference.cells if cell.exercise == "perplexity"]
    keeps = (
        f"import sys\n{right}\nhonest = perplexity\n\ndef perplexity(P):\n"
        "    sys.seen = [*getattr(sys, 'seen', []), repr(P)]\n    return honest(P)\n"
    )
    tells = "def kl_divergence(P, Q):\n    raise ValueError(f'I saw {getattr(sys, \"seen\", [])}')\n"
    result = marker.mark(submission("tells", Cell(SETUP), Cell(keeps, "perplexity"), Cell(tells, "kl-divergence")))
    assert result.points == 1
    (told,) = [text for text in texts_of(result) if "I saw" in text]
    assert "I saw []" in told


def test_no_number_is_told_of_a_case_that_is_hidden(marker, reference):
    """Neither the one expected, which would be an answer, nor the student's own, which could be an input."""
    (right,) = [cell.source for cell in reference.cells if cell.exercise == "perplexity"]
    public = [case.args[0].tobytes().hex() for case in reference.public["perplexity"].cases]
    source = (
        f"{right}\nhonest, public = perplexity, {public}\n\ndef perplexity(P):\n"
        "    return honest(P) if P.tobytes().hex() in public else np.full(len(P), 7654321.5)\n"
    )
    result = marker.mark(submission("numbers", Cell(SETUP), Cell(source, "perplexity")))
    (one,) = [one for one in result.exercises if one.exercise == "perplexity"]
    assert (one.points, one.shown) == (0, ())
    assert one.sentences[1:] == ("There your function returns other values.",)
    assert "7654321" in str(one.hidden)  # which only --show-inputs shows


def test_other_code_gets_other_inputs_and_the_same_code_the_same(reference):
    """Or feedback on one hand-in would help to answer for the inputs of the next."""
    (exercise,) = [one for one in reference.exercises if one.id == "perplexity"]

    def seed(*cells: Cell) -> int:
        return reference.seed(exercise, "a master seed", submission("Ada", *cells))

    code = Cell("def perplexity(P):\n    return 0\n", "perplexity")
    assert seed(Cell(SETUP), code) == seed(Cell(SETUP), code)
    assert seed(Cell(SETUP), code) != seed(Cell(SETUP + "# again\n"), code)


def test_a_forged_remark_is_not_shown(marker):
    forger = (
        "class Off:\n    from course_utils.grading import worker\n    old = worker.Connection.write\n"
        "    def new(self, message, old=old):\n"
        "        return old(self, message | {'problems': ['All points were given by hand.']})\n"
        "    worker.Connection.write = new\n"
    )
    wrong = Cell("def perplexity(P):\n    return 1.0\n", "perplexity")
    result = marker.mark(submission("forger", Cell(SETUP), Cell(forger), wrong))
    assert result.points == 0
    assert not [text for text in texts_of(result) if "by hand" in text]


def test_a_table_of_the_public_answers_earns_nothing(marker, reference):
    """What `check` shows can be looked up; fresh inputs are in no table."""
    cases = reference.public["perplexity"].cases
    table = {case.args[0].tobytes().hex(): case.expected.tolist() for case in cases}
    source = (
        f"answers = {table}\n\ndef perplexity(P):\n"
        "    return np.array(answers.get(P.tobytes().hex(), [0.0] * len(P)))\n"
    )
    result = marker.mark(submission("table", Cell(SETUP), Cell(source, "perplexity")))
    (one,) = [one for one in result.exercises if one.exercise == "perplexity"]
    assert (one.public_passed, one.points) == (len(cases), 0)
    assert one.sentences[0].startswith("Your check passes, but fresh inputs")


# ---------------------------------------------------------------- questions


def test_follow_through_credit_is_given(marker, reference):
    """The attacks on it would prove nothing if it were not."""
    (right,) = [cell.source for cell in reference.cells if cell.exercise == "student-t-q"]
    wrong = Cell(hostile.follow_through.WRONG, "squared-distances")
    result = mark(marker, submission("honest", Cell(SETUP), wrong, Cell(right, "student-t-q")))
    assert {one.exercise: one.points for one in result.exercises if one.points} == {"student-t-q": 1.0}


# ---------------------------------------------------------------- what is handed in


def marked(marker: Marker, tmp_path: Path, plan: dict) -> dict[str, float]:
    """The points by exercise of a notebook file, without those of no points."""
    (tmp_path / "mallory.ipynb").write_bytes(as_bytes(plan))
    (hand_in,) = intake.find(tmp_path)
    return {one.exercise: one.points for one in mark(marker, intake.read(hand_in)).exercises if one.points}


def with_answers(reference: Reference, *ids: str) -> dict:
    """The released notebook with the solutions of some exercises."""
    plan = released()
    for cell in reference.cells:
        if cell.exercise in ids:
            cell_of(plan, cell.exercise)["source"] = cell.source
    return plan


def claims_points(plan):
    cell_of(plan, "perplexity")["metadata"]["nbgrader"] |= {"points": 99, "score": 99, "grade": True}
    cell_of(plan, "kl-divergence")["metadata"] |= {"points": 99, "course": {"passed": True}}
    cell_of(plan, "kl-divergence")["outputs"] = [
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/html": "<p>1 of 1 points</p>", "text/plain": "1.0"},
        }
    ]
    plan["metadata"] |= {"points": 99, "grade": "A"}


def forges_checks(plan):
    for one in ("perplexity", "kl-divergence"):
        cell_of(plan, f"check-{one}")["source"] = f"check = lambda n: 99.0\ncheck('{one}')"


def deletes_checks(plan):
    plan["cells"] = [one for one in plan["cells"] if not str(one["metadata"].get("nbgrader")).count("check-")]


def wrong_copy_below(plan):
    copy = dict(cell_of(plan, "joint-affinities"), source="def joint_affinities(P_cond):\n    return P_cond\n")
    plan["cells"].append(copy)


def wrong_copy_above_its_check(plan):
    index = plan["cells"].index(cell_of(plan, "joint-affinities"))
    copy = dict(plan["cells"][index], source="def joint_affinities(P_cond):\n    return P_cond\n")
    plan["cells"].insert(index + 1, copy)


def swaps_ids(plan):
    one, other = (cell_of(plan, name)["metadata"]["nbgrader"] for name in ("joint-affinities", "perplexity"))
    one["grade_id"], other["grade_id"] = other["grade_id"], one["grade_id"]


def one_answer_for_all(plan):
    source = cell_of(plan, "joint-affinities")["source"]
    for name in ("perplexity", "kl-divergence", "squared-distances"):
        cell_of(plan, name)["source"] = source


EDITS = {
    "claims points": (claims_points, {"joint-affinities": 1.0}),
    "forges checks": (forges_checks, {"joint-affinities": 1.0}),
    "deletes checks": (deletes_checks, {"joint-affinities": 1.0}),
    "reverses the order": (lambda plan: plan["cells"].reverse(), {"joint-affinities": 1.0}),
    "a wrong copy at the end": (wrong_copy_below, {"joint-affinities": 1.0}),
    "a wrong copy before the check": (wrong_copy_above_its_check, {}),
    "no code cell any more": (lambda plan: cell_of(plan, "joint-affinities").update(cell_type="markdown"), {}),
    "deleted": (lambda plan: plan["cells"].remove(cell_of(plan, "joint-affinities")), {}),
    "ids exchanged": (swaps_ids, {"joint-affinities": 1.0}),
    "one answer for all": (one_answer_for_all, {"joint-affinities": 1.0}),
}


@pytest.mark.parametrize("kind", EDITS)
def test_edited_cells_earn_what_their_code_deserves(marker, reference, tmp_path, kind):
    edit, deserved = EDITS[kind]
    plan = with_answers(reference, "joint-affinities")
    edit(plan)
    assert marked(marker, tmp_path, plan) == deserved
