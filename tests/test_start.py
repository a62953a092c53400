"""start.py: its checks and sentences, and whole set-ups of a small project from a folder of wheels."""

import ast
import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("start", ROOT / "start.py")
start = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start)

REQUIRES = 'requires-python = ">=3.11,<3.15"\n'


# ---- checks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 14, 9)])
def test_supported_pythons_pass(version):
    start.check_python(version, REQUIRES)


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13), (3, 15, 0)])
def test_other_pythons_are_refused_in_one_sentence_that_names_a_better_one(version):
    with pytest.raises(start.SetupError) as refusal:
        start.check_python(version, REQUIRES, which=lambda name: name == "python3.12")
    assert f"This is Python 3.{version[1]}," in str(refusal.value)
    assert "`python3.12 start.py`" in str(refusal.value)
    with pytest.raises(start.SetupError, match=r"install one from python\.org"):
        start.check_python(version, REQUIRES, which=lambda name: None)


def test_start_is_written_for_old_pythons():
    tree = ast.parse((ROOT / "start.py").read_text(encoding="utf-8"), feature_version=(3, 8))
    own = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {name.split(".")[0] for name in own} <= sys.stdlib_module_names


def test_intel_macs_are_refused_and_other_machines_are_not():
    with pytest.raises(start.SetupError, match="Intel"):
        start.check_machine("darwin", "x86_64")
    start.check_machine("darwin", "arm64")
    start.check_machine("linux", "x86_64")


def test_a_python_without_ensurepip_is_refused():
    with pytest.raises(start.SetupError, match="python3-venv"):
        start.check_ensurepip(find_spec=lambda name: None if name == "ensurepip" else name)


def test_a_full_disk_is_refused_with_both_sizes():
    with pytest.raises(start.SetupError, match=r"0\.5 GB free in /here .* about 3\.0 GB"):
        start.check_disk(0.5e9, 3e9, "/here")
    start.check_disk(4e9, 3e9, "/here")


def test_a_long_path_is_refused_on_windows_alone():
    deep = "C:\\" + "x" * 100
    with pytest.raises(start.SetupError, match="103 characters"):
        start.check_path_length(deep, windows=True, long_paths=False)
    start.check_path_length(deep, windows=True, long_paths=True)
    start.check_path_length(deep, windows=False, long_paths=False)
    start.check_path_length("C:\\Users\\somebody\\Documents\\course", windows=True, long_paths=False)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    with pytest.raises(start.SetupError, match="cannot be written to"):
        start.check_writable(tmp_path / "missing")
    start.check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_keeps_the_users_pip_settings_and_nothing_that_leads_elsewhere():
    before = {"PYTHONPATH": "a", "PYTHONHOME": "b", "PIP_INDEX_URL": "c", "PIP_USER": "1", "HOME": "d"}
    assert start.clean_environment(before) == {"PIP_INDEX_URL": "c", "PIP_USER": "0", "HOME": "d"}


@pytest.mark.parametrize(
    ("arguments", "command", "url"),
    [
        ([], ["lab"], None),
        (["--no-browser", "--port", "9"], ["lab", "--no-browser", "--port", "9"], None),
        (["test", "-k", "x"], ["test", "-k", "x"], None),
        (["--torch-index", "http://i"], ["lab"], "http://i"),
        (["doctor", "--torch-index=http://i"], ["doctor"], "http://i"),
    ],
)
def test_arguments_are_sorted(arguments, command, url):
    assert start.split_arguments(arguments) == (command, url)


def test_torch_index_needs_its_url():
    with pytest.raises(start.SetupError, match="needs the URL"):
        start.split_arguments(["--torch-index"])


# ---- what a failing pip is turned into ---------------------------------------------------------------------

CONFLICT = """\
ERROR: Cannot install course==0.1.0 because these package versions have conflicting dependencies.
The conflict is caused by:
    course 0.1.0 depends on pooch>=1.8
    The user requested (constraint) pooch==99.9
"""
NOT_THERE = CONFLICT + (
    "\nAdditionally, some packages in these conflicts have no matching distributions available for your environment:"
    "\n    pooch\n\nTo fix this you could try to:\nERROR: ResolutionImpossible: for help visit x\n"
)
OFFLINE = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<x>: Failed to establish a new "
    "connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/\n"
    "ERROR: No matching distribution found for torch==2.13.0\n"
)
UNBUILT = (
    "  error: subprocess-exited-with-error\n  x did not run successfully.\n"
    "error: failed-wheel-build-for-install\n\n× Failed to build installable wheels for some projects\n╰─> opentsne\n"
)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (OFFLINE, ["index cannot be reached", "asked for torch==2.13.0", "network"]),
        ("ERROR: No matching distribution found for gensim==4.4.0\n", ["has no gensim==4.4.0 for Python 3.", "3.12"]),
        (NOT_THERE, ["has no pooch==99.9 for Python 3."]),
        (CONFLICT, ["course==0.1.0 contradict each other", "requirements.lock"]),
        (UNBUILT, ["opentsne could not be built", "compiler"]),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", ["disk is full"]),
        ("ERROR: ... [WinError 5] Access is denied: 'c:\\\\x'", ["close what runs from it"]),
        ("ERROR: Something quite new.\n", ["pip failed, saying: Something quite new."]),
        ("", ["pip failed, saying: nothing."]),
    ],
)
def test_a_failing_pip_becomes_one_sentence_with_the_package_and_the_remedy(output, words):
    sentence = start.explain_pip(output)
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    for word in words:
        assert word in sentence


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_keeps_one_line_on_a_terminal_and_prints_the_large_steps_elsewhere():
    lines = [
        "Collecting torch<3,>=2.6 (from course)\n",
        "  Downloading torch-2.13.0-cp311-x.whl (526.6 MB)\n",
        "Progress 100 of 400\n",
        "Collecting tqdm\n",
        "  Downloading tqdm-4.70.1-py3-none-any.whl (80 kB)\n",
        "Installing collected packages: tqdm, torch\n",
    ]
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        progress = start.Progress(out)
        for line in lines:
            progress.read(line)
    assert file.getvalue() == "  fetching torch-2.13.0-cp311-x.whl (526.6 MB)\n  unpacking 2 packages\n"
    assert "\n" not in terminal.getvalue()
    assert "fetching torch-2.13.0-cp311-x.whl (526.6 MB), 25 %" in terminal.getvalue()
    assert "package 2, tqdm" in terminal.getvalue()


# ---- CUDA --------------------------------------------------------------------------------------------------


def report_of(*names, url="file:///nowhere"):
    return {"install": [{"metadata": {"name": name}, "download_info": {"url": url}} for name in names]}


def test_cuda_packages_are_found_in_a_report():
    report = report_of("torch", "nvidia-cublas", "cuda_toolkit", "triton", "numpy", "tritonclient")
    assert len(start.cuda_downloads(report)) == 3
    assert start.cuda_downloads(report_of("torch", "numpy")) == []


def test_the_size_is_asked_for_and_where_there_is_no_answer_it_is_none(tmp_path):
    file = tmp_path / "a.whl"
    file.write_bytes(b"x" * 1000)
    assert start.size_of([file.as_uri(), file.as_uri()]) == 2000
    assert start.size_of([file.as_uri(), "file:///nowhere/at/all.whl"]) is None


def test_the_announcement_says_the_size_and_the_way_around():
    text = start.cuda_announcement(2.74e9)
    assert "2.7 GB of CUDA libraries" in text
    assert "--torch-index URL" in text
    assert "an estimated 2.2 GB" in start.cuda_announcement(None)


@pytest.fixture
def announce(tmp_path, monkeypatch) -> Callable[..., list[str]]:
    """Run announce_cuda on a canned report; returns what was said."""

    def run(names, ask):
        def canned(venv, arguments, log):
            assert "--dry-run" in arguments
            (tmp_path / "torch.json").write_text(json.dumps(report_of(*names)))

        monkeypatch.setattr(start, "run_pip", canned)
        monkeypatch.setattr(start, "check_disk", lambda *_: None)
        said = []
        start.announce_cuda(tmp_path, [], tmp_path / "log", ask, said.append)
        return said

    return run


def test_nothing_is_said_where_no_cuda_would_come(announce):
    assert announce(["torch", "numpy"], ask=None) == []


def test_with_nobody_to_ask_it_is_said_and_goes_on(announce):
    said = announce(["torch", "nvidia-cublas"], ask=None)
    assert "CUDA libraries" in said[0]
    assert "Going on" in said[1]


@pytest.mark.parametrize("answer", ["", "n", "what?"])
def test_any_answer_but_yes_stops(announce, answer):
    with pytest.raises(start.SetupError, match="Nothing was installed"):
        announce(["torch", "nvidia-cublas"], ask=lambda question: answer)


def test_yes_goes_on(announce):
    assert len(announce(["torch", "nvidia-cublas"], ask=lambda question: "y")) == 1


# ---- whole set-ups -----------------------------------------------------------------------------------------

MAIN = """\
import importlib.util, json, sys
found = [name for name in ("lurking", "torch", "extra") if importlib.util.find_spec(name)]
print(json.dumps({"arguments": sys.argv[1:], "prefix": sys.prefix, "found": found}))
"""
PYPROJECT = """\
[build-system]
requires = ["flit_core"]
build-backend = "flit_core.buildapi"
[project]
name = "sample-course"
version = "1"
description = "a sample"
requires-python = ">=3.11,<3.15"
dependencies = ["torch"]
[project.optional-dependencies]
test = ["extra"]
[tool.flit.module]
name = "course_utils"
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Write a pure wheel that holds `files`."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in (files | {f"{info}/RECORD": record.encode()}).items():
            wheel.writestr(path, content)


def copy_wheel(folder: Path, name: str) -> None:
    """Write a wheel of a pure package that is installed here."""
    found = metadata.distribution(name)
    inside = [path for path in found.files if path.parts[0] == name and path.suffix != ".pyc"]
    make_wheel(folder, name, found.version, {path.as_posix(): path.read_binary() for path in inside})


class Project:
    """A course in miniature with start.py in it, whose packages come from the folder `wheels`."""

    def __init__(self, folder: Path):
        self.root, self.wheels = folder / "course", folder / "wheels"
        (self.root / "course_utils").mkdir(parents=True)
        self.wheels.mkdir()
        shutil.copy(ROOT / "start.py", self.root)
        (self.root / "course_utils" / "__init__.py").write_text('"""A sample."""\n')
        (self.root / "course_utils" / "__main__.py").write_text(MAIN)
        (self.root / "pyproject.toml").write_text(PYPROJECT)
        self.lock = self.root / "requirements.lock"
        self.lock.write_text(f"torch==2.13.0\nextra==1.0\npip=={metadata.version('pip')}\n")
        copy_wheel(self.wheels, "pip")
        copy_wheel(self.wheels, "flit_core")
        make_wheel(self.wheels, "torch", "2.13.0", {"torch.py": b""})
        make_wheel(self.wheels, "extra", "1.0", {"extra.py": b""})
        self.stamp = self.root / ".venv" / "stamp.json"

    def environment(self) -> dict[str, str]:
        """The variables for start.py: the user's pip configuration says where packages come from."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        return kept | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_NO_CACHE_DIR": "1",
            "PIP_USER": "1",
            "PYTHONPATH": str(self.root.parent / "elsewhere"),
        }

    def start(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run start.py to its end, with no terminal."""
        return subprocess.run(
            [sys.executable, "start.py", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def as_a_learner(self) -> None:
        """Make sure that there is a finished .venv without the test extra."""
        if start.read_stamp(self.root / ".venv").get("extras") != []:
            self.stamp.unlink(missing_ok=True)
            answer_of(self.start())


def answer_of(done: subprocess.CompletedProcess) -> dict:
    """What the sample's `course` saw."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Project:
    """A project that was set up once by a learner's first start."""
    if Version(metadata.version("pip")) < Version("24.1"):
        pytest.skip("start.py uses what the locked pip has and this older one has not: run `python3 start.py test`")
    project = Project(tmp_path_factory.mktemp("start"))
    elsewhere = project.root.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lurking.py").touch()
    project.first = project.start("lab", "--port", "1")
    return project


def test_the_first_start_makes_the_venv_and_runs_the_course_in_it(finished):
    answer = answer_of(finished.first)
    assert answer["arguments"] == ["lab", "--port", "1"]
    assert Path(answer["prefix"]) == finished.root / ".venv"
    assert answer["found"] == ["torch"]  # neither the test extra nor what PYTHONPATH leads to
    assert "Setting the course up" in finished.first.stdout


def test_a_later_start_asks_no_index(finished):
    wheels = finished.wheels.rename(finished.wheels.with_name("hidden"))
    try:
        done = finished.start()
    finally:
        wheels.rename(finished.wheels)
    assert answer_of(done)["arguments"] == ["lab"]
    assert len(done.stdout.splitlines()) == 1


def test_an_outdated_venv_is_remade_and_not_finished(finished):
    finished.as_a_learner()
    left = finished.root / ".venv" / "left-over"
    left.touch()
    finished.lock.write_text(finished.lock.read_text() + "# newer\n")
    done = finished.start()
    assert answer_of(done)["found"] == ["torch"]
    assert "making it anew" in done.stdout
    assert not left.exists()
    assert finished.stamp.exists()


@pytest.mark.parametrize("change", ["lock", "pyproject", "Python", "folder"])
def test_the_fingerprint_changes_with_all_that_a_venv_depends_on(tmp_path, monkeypatch, change):
    roots = [tmp_path / "a", tmp_path / "b"]
    for root in roots:
        root.mkdir()
        (root / "requirements.lock").write_text("torch==2.13.0\n")
        (root / "pyproject.toml").write_text(PYPROJECT)
    before = start.fingerprint(roots[0])
    assert start.fingerprint(roots[0]) == before
    if change == "lock":
        (roots[0] / "requirements.lock").write_text("torch==2.13.1\n")
    elif change == "pyproject":
        (roots[0] / "pyproject.toml").write_text(PYPROJECT + "# newer\n")
    elif change == "Python":
        monkeypatch.setattr(start.sys, "version", "3.99.0")
    assert start.fingerprint(roots[change == "folder"]) != before


@pytest.mark.parametrize("content", [None, "", '{"made_for": ', "[]", "\x00"])
def test_a_venv_without_a_readable_stamp_is_not_trusted(tmp_path, content):
    python = start.venv_python(tmp_path)
    python.parent.mkdir()
    python.touch()
    if content is not None:
        (tmp_path / "stamp.json").write_text(content)
    assert start.read_stamp(tmp_path) == {}
    start.write_stamp(tmp_path, {"made_for": "x"})
    assert start.read_stamp(tmp_path) == {"made_for": "x"}
    python.unlink()  # the Python that it was made from is gone
    assert start.read_stamp(tmp_path) == {}


def test_the_test_extra_is_added_and_a_failure_leaves_no_stamp(finished):
    finished.as_a_learner()
    wheel = next(finished.wheels.glob("extra*"))
    hidden = wheel.rename(wheel.with_suffix(".hidden"))
    try:
        failed = finished.start("test")
    finally:
        hidden.rename(wheel)
    assert failed.returncode == 1
    assert "The package index has no extra==1.0 for Python" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not finished.stamp.exists()
    done = finished.start("test")
    assert answer_of(done)["found"] == ["torch", "extra"]
    assert "making it anew" in done.stdout
    assert json.loads(finished.stamp.read_text())["extras"] == ["grading", "test"]
    assert answer_of(finished.start())["found"] == ["torch", "extra"]  # more than a learner needs is no harm


def test_the_test_extra_comes_on_top_of_a_good_venv(finished):
    finished.as_a_learner()
    marker = finished.root / ".venv" / "kept"
    marker.touch()
    done = finished.start("test")
    assert answer_of(done)["found"] == ["torch", "extra"]
    assert "Adding what this command needs" in done.stdout
    assert marker.exists()


# ---- two starts at once ------------------------------------------------------------------------------------


@contextlib.contextmanager
def other_start(root: Path) -> Iterator[subprocess.Popen]:
    """Another process that holds the lock of `root` until it is killed."""
    code = (
        "import importlib.util, sys, time\n"
        f"spec = importlib.util.spec_from_file_location('start', {str(ROOT / 'start.py')!r})\n"
        "start = importlib.util.module_from_spec(spec); spec.loader.exec_module(start)\n"
        f"with start.only_one({str(root / '.venv.lock')!r}, print):\n"
        "    print('held', flush=True); time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_start_waits_says_so_and_goes_on_when_the_first_is_killed(tmp_path):
    with other_start(tmp_path) as first:
        said = []

        def say(text):
            said.append(text)
            first.kill()

        with start.only_one(tmp_path / ".venv.lock", say):
            assert len(said) == 1
            assert "waiting" in said[0]


def test_a_lock_file_that_nobody_holds_does_not_block(tmp_path):
    (tmp_path / ".venv.lock").write_text("left by a killed start")
    with start.only_one(tmp_path / ".venv.lock", pytest.fail):
        pass


def test_the_stamp_comes_whole_or_not_at_all(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(start.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start.write_stamp(tmp_path, {"made_for": "x"})
    assert start.read_stamp(tmp_path) == {}
    assert not (tmp_path / "stamp.json").exists()
