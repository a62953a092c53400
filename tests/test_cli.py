"""The command `course`, how it starts JupyterLab, and how it runs the tests."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course_utils import cli, lab, testing
from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    return CliRunner().invoke(cli.app, list(arguments))


def test_help_names_every_command():
    shown = run("--help").output
    for command in ("lab", "test", "doctor", "build", "release", "validate", "data"):
        assert f" {command} " in shown


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom course_utils.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'numpy', 'sklearn', 'matplotlib', 'jupyterlab', 'nbformat'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_course_error_is_one_sentence_and_exit_status_1(monkeypatch):
    def refuse(name):
        raise CourseError("There is no data set x: take a name from `course data list`.")

    monkeypatch.setattr("course_utils.data.fetch", refuse)
    result = run("data", "fetch", "x")
    assert result.exit_code == 1
    assert result.stderr == "There is no data set x: take a name from `course data list`.\n"
    assert result.stdout == ""


def test_build_prints_its_problems_and_fails(monkeypatch):
    seen = []
    monkeypatch.setattr("course_utils.build.build", lambda check: seen.append(check) or ["01 is stale."])
    result = run("build", "--check")
    assert (result.exit_code, result.stderr, seen) == (1, "01 is stale.\n", [True])
    monkeypatch.setattr("course_utils.build.build", lambda check: seen.append(check) or [])
    assert run("build").exit_code == 0
    assert seen == [True, False]


def test_data_list_has_a_line_a_data_set():
    lines = run("data", "list").output.splitlines()
    assert any(line.startswith("mnist ") for line in lines)


def test_lab_passes_its_options_on(monkeypatch):
    seen = {}
    monkeypatch.setattr(lab, "open_lab", lambda **options: seen.update(options))
    assert run("lab", "--no-browser", "--port", "8899", "--token", "t", "--debug").exit_code == 0
    assert seen == {"browser": False, "port": 8899, "token": "t", "more": ["--debug"]}


def test_a_port_in_use_is_one_sentence_and_without_a_wish_the_next_is_taken(monkeypatch):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        busy = holder.getsockname()[1]
        with pytest.raises(CourseError, match=f"Port {busy} cannot be used"):
            lab.choose_port(busy)
        monkeypatch.setattr(lab, "FIRST_PORT", busy)
        assert busy < lab.choose_port(None) < busy + 100


def test_jupyter_looks_nowhere_but_in_the_course(tmp_path):
    before = {"JUPYTER_PATH": "/elsewhere", "JUPYTER_CONFIG_PATH": "/elsewhere", "JUPYTER_DATA_DIR": "/elsewhere"}
    private = lab.private_environment(before | {"LANG": "C"}, tmp_path)
    assert private.pop("LANG") == "C"
    assert private.pop("JUPYTER_PREFER_ENV_PATH") == "1"
    assert private
    assert all(Path(folder).is_relative_to(tmp_path / ".course") for folder in private.values())


def test_the_settings_ask_nothing_and_leave_the_users_own_alone(tmp_path):
    mine = tmp_path / "config" / "lab" / "user-settings" / "theme.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("dark")
    lab.write_settings(tmp_path)
    written = json.loads((tmp_path / "config" / "labconfig" / "default_setting_overrides.json").read_text())
    assert written["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"
    assert mine.read_text() == "dark"
    page = json.loads((tmp_path / "config" / "labconfig" / "page_config.json").read_text())
    assert page["disabledExtensions"] == {"@jupyter/nbgrader": True}


def test_the_start_page_is_there_and_its_links_lead_somewhere():
    page = ROOT / lab.START_PAGE
    links = [part.split(")")[0] for part in page.read_text(encoding="utf-8").split("](")[1:]]
    assert links
    assert all((page.parent / link).is_file() for link in links)


def test_every_step_of_the_tests_is_run_and_one_failure_fails_the_whole(tmp_path, monkeypatch, capfd):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "01.ipynb").write_text("{}")
    for broken, status in (("nothing", 0), ("ruff check", 1), ("nbval", 1)):
        steps = [
            (name, ["no_such_module"] if name == broken else ["timeit", "-n1", "-r1"])
            for name, _ in testing.steps(tmp_path, [])
        ]
        monkeypatch.setattr(testing, "steps", lambda root, arguments, steps=steps: steps)
        assert testing.run_tests([], tmp_path) == status
        monkeypatch.undo()
        lines = capfd.readouterr().out.splitlines()[-4:]
        assert [line.split("  ")[0] for line in lines] == ["ruff check", "ruff format", "pytest", "nbval"]
        assert ["FAILED" in line for line in lines] == [name == broken for name, _ in steps]


def test_arguments_go_to_pytest_and_nbval_takes_every_solution(tmp_path):
    (tmp_path / "solutions").mkdir()
    assert dict(testing.steps(tmp_path, []))["nbval"] is None
    for name in ("01.ipynb", "02.ipynb"):
        (tmp_path / "solutions" / name).write_text("{}")
    steps = dict(testing.steps(tmp_path, ["-k", "one"]))
    assert steps["pytest"][-2:] == ["-k", "one"]
    assert [Path(path).name for path in steps["nbval"][-2:]] == ["02.ipynb", "01.ipynb"]
    assert "--nbval" in steps["nbval"]


def test_without_a_solution_the_summary_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(testing, "steps", lambda root, arguments: [("nbval", None)])
    assert testing.run_tests([], tmp_path) == 0
    assert "there is no notebook in solutions/ yet" in capsys.readouterr().out
