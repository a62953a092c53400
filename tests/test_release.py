"""The homework folder works, and holds no solution; the folder for nbgrader says what its marks are worth."""

import ast
import io
import re
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
from sample_project import NAME

from course_utils import release
from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]
SHORTEST = 12  # characters of a line that can tell a solution

# Lines that any program may hold, and that the package holds for reasons of its own.
COMMON = {"classes=np.unique(labels)", "forindexinnp.ndindex(Y.shape):", "rows=slice(start,start+block)"}


# ---------------------------------------------------------------- what must not be found


def squeezed(line: str) -> str:
    """A line of code without its comment and white space."""
    return re.sub(r"\s+", "", re.sub(r"#[^'\"]*$", "", line))


def is_code(line: str) -> bool:
    """Whether a line is long enough to tell something, and neither an import nor the mere opening of a call."""
    opening = squeezed(line).endswith(("(", "[", "{"))
    return len(squeezed(line)) >= SHORTEST and not opening and not line.strip().startswith(("#", "import ", "from "))


def split(script: str) -> tuple[list[str], list[str]]:
    """The lines of a script inside solutions, and the lines given to everybody."""
    inside, hidden, given = False, [], []
    for line in script.splitlines():
        if line.strip() in ("### BEGIN SOLUTION", "### END SOLUTION"):
            inside = line.strip() == "### BEGIN SOLUTION"
        else:
            (hidden if inside else given).append(line)
    assert not inside
    return hidden, given


def body_lines(module: str) -> list[str]:
    """The lines of every function body in a module of known answers."""
    lines = module.splitlines()
    functions = [node for node in ast.walk(ast.parse(module)) if isinstance(node, ast.FunctionDef)]
    return [line for node in functions for line in lines[node.body[0].lineno - 1 : node.end_lineno]]


def hints(specification: str) -> list[str]:
    """The hints in the source of a specification."""
    keywords = (node for node in ast.walk(ast.parse(specification)) if isinstance(node, ast.keyword))
    return [text for one in keywords if one.arg == "hints" for text in ast.literal_eval(one.value)]


def secrets(root: Path) -> set[str]:
    """Every line, squeezed, that a homework folder must not hold: of solutions, mistakes and alternatives.

    What the notebook gives to everybody, in its other cells and in its hints, is no secret.
    """
    hidden, given = [], []
    for path in (root / "solutions").glob("*.py"):
        for lines, more in zip((hidden, given), split(path.read_text(encoding="utf-8")), strict=True):
            lines += more
    for path in (root / "solutions" / "known_answers").glob("*.py"):
        hidden += body_lines(path.read_text(encoding="utf-8"))
    specifications = (root / "course_utils" / "exercises").glob("*.py")
    given += [line for path in specifications for line in hints(path.read_text(encoding="utf-8"))]
    public = "".join(map(squeezed, given))
    return {line for line in map(squeezed, filter(is_code, hidden)) if line not in public} - COMMON


def texts(folder: Path) -> dict[str, str]:
    """All that is in a folder as text: also sources inside notebooks, and every array inside an .npz."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.suffix == ".ipynb":
            found[name] = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found[name] = "\n".join(arrays[key].tobytes().decode("utf-8", "replace") for key in arrays.files)
        elif path.is_file():
            content = path.read_bytes()
            if zipfile.is_zipfile(io.BytesIO(content)):
                content = b"\n".join(zipfile.ZipFile(path).read(member) for member in zipfile.ZipFile(path).namelist())
            found[name] = content.decode("utf-8", "replace")
    return found


def leaks(folder: Path, hidden: set[str]) -> list[str]:
    """Where something hidden stands in a folder."""
    found = []
    for name, text in texts(folder).items():
        flat = re.sub(r"\s+", "", text)
        found += [f"{name}: {line}" for line in sorted(hidden) if line in flat]
    return found


# ---------------------------------------------------------------- the real course


@pytest.fixture(scope="module")
def homework(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "homework"
    with release.new_folder(folder) as draft:
        release.fill_homework(draft)
    return folder


def test_no_line_of_a_solution_mistake_or_alternative_is_in_the_homework_folder(homework):
    hidden = secrets(ROOT)
    assert len(hidden) > 100
    assert leaks(homework, hidden) == []


def test_nothing_of_the_authors_is_in_the_homework_folder(homework):
    names = {path.relative_to(homework).as_posix() for path in homework.rglob("*")}
    assert not [name for name in names if re.search(r"solution|known_answers|mutants|make\.py|__pycache__", name)]
    assert not any(name.startswith((".course", ".git/", "tests", "benchmarks")) for name in names)
    there, released = (
        {path.name for path in (folder / "course_utils").iterdir() if path.name != "__pycache__"}
        for folder in (ROOT, homework)
    )
    assert there - released == release.AUTHORS
    for name, text in texts(homework).items():
        assert "BEGIN SOLUTION" not in text, name
        assert "KnownAnswers" not in text, name


def test_every_exercise_of_the_homework_folder_has_its_stub_and_its_answers(homework):
    for path in (homework / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        ids = [cell.metadata.nbgrader.grade_id for cell in cells if "nbgrader" in cell.metadata]
        answers = [one for one in ids if not one.startswith("check-")]
        assert answers
        for cell in cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                assert f'raise NotImplementedError("{cell.metadata.nbgrader.grade_id}: replace' in cell.source
        for one in answers:
            assert (homework / "course_utils" / "exercises" / "frozen" / f"{one}.npz").exists()
            assert f"check-{one}" in ids


# ---------------------------------------------------------------- the search itself


def test_the_search_finds_what_is_hidden(tmp_path, built):
    project = built(tmp_path)
    hidden = secrets(project.root)
    assert {"total=np.sum(x)", "returnx/x.max()", "returnX-centre", "total+=value"} <= hidden
    for name, plant in {
        "code.py": lambda path: path.write_text("def f(x):\n  total  =  np.sum(x)\n"),
        "book.ipynb": lambda path: path.write_bytes(project.executed.read_bytes()),
        "data.npz": lambda path: np.savez_compressed(path, a=np.frombuffer(b"return x / x.max()", np.uint8)),
        "words.zip": lambda path: zipfile.ZipFile(path, "w").writestr("inner.txt", "total += value"),
    }.items():
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        assert leaks(folder, hidden) == []
        plant(folder / name)
        assert leaks(folder, hidden), name


# ---------------------------------------------------------------- the command


@pytest.fixture
def project(built, tmp_path):
    return built(tmp_path)


def test_the_command_makes_a_folder_in_which_checks_work_and_authors_commands_say_so(project, tmp_path):
    out = tmp_path / "new" / "homework"
    done = project.course("release", "--out", str(out))
    assert (done.returncode, done.stdout.strip()) == (0, f"{out} is ready."), done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["homework"]
    expected = {"README.md", "course_utils", "data", "environment.yml", "notebooks", "pyproject.toml", "start.py"}
    assert {path.name for path in out.iterdir()} == expected | {"requirements.lock"}
    assert leaks(out, secrets(project.root)) == []

    project.root = out
    solved = (
        "def scale(x):\n    return x / sum(x)\n"
        "from course_utils import check\nprint(check('scale'), 1 * check('scale'))"
    )
    checked = project.python("-c", solved)
    assert checked.stdout.splitlines() == ["✓ Scale to one: right. 2 of 2 cases pass, 2 points. 2.0"], checked.stderr
    for command in ("build", "validate", "test"):
        refused = project.course(command)
        assert refused.returncode == 1
        assert refused.stderr == f"This folder has no author's part, so `course {command}` does not work here.\n"
    assert project.course("--help").returncode == 0


def test_a_stale_build_is_not_released(project, tmp_path):
    project.edit(project.script, "Two exercises.", "Two small exercises.")
    done = project.course("release", "--out", str(tmp_path / "homework"))
    assert done.returncode == 1
    assert done.stderr.startswith("Nothing is released because the build is not clean. ")
    assert "is stale (changed since it was made: script)" in done.stderr
    assert not (tmp_path / "homework").exists()


def test_a_folder_that_is_there_is_refused_and_an_empty_one_filled(tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(CourseError, match="is there already and not empty"), release.new_folder(full):
        pass
    with pytest.raises(CourseError, match="is there already and not empty"), release.new_folder(full / "mine.txt"):
        pass
    with pytest.raises(CourseError, match="lies inside notebooks/"), release.new_folder(ROOT / "notebooks" / "new"):
        pass
    with pytest.raises(CourseError, match="cannot be made"), release.new_folder(full / "mine.txt" / "new"):
        pass
    empty = tmp_path / "empty"
    empty.mkdir()
    with release.new_folder(empty) as draft:
        (draft / "a").write_text("a")
        assert not any(empty.iterdir())
    assert (empty / "a").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_a_release_that_fails_leaves_nothing_behind(tmp_path):
    def fail():
        with release.new_folder(tmp_path / "out") as draft:
            (draft / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_nbgrader_folder_keeps_delimiters_and_says_that_marks_can_be_forged(project, tmp_path):
    out = tmp_path / "nbgrader"
    done = project.course("release", "--nbgrader", "--out", str(out))
    assert done.returncode == 0, done.stderr
    cells = {cell.id: cell for cell in nbformat.read(out / "source" / NAME / f"{NAME}.ipynb", as_version=4).cells}
    assert cells["scale"].source.count("### BEGIN SOLUTION") == 1
    assert "can be forged" in (out / "README.md").read_text()
    assert not any(cell.get("outputs") for cell in cells.values())


def test_a_stub_keeps_what_is_around_the_solution():
    hidden = "    ### BEGIN SOLUTION\n    c = b\n    return c\n    ### END SOLUTION\n"
    source = f"import x\n\ndef f(a):\n    b = a\n{hidden}\ng = 1"
    assert release.stub(source, "an-id") == (
        "import x\n\ndef f(a):\n    b = a\n"
        '    raise NotImplementedError("an-id: replace this line by your solution")\n\ng = 1'
    )
