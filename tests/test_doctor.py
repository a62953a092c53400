"""`course doctor`: every row, well and ill."""

import platform
import shutil
from pathlib import Path

import pytest

from course_utils import doctor

ROOT = Path(__file__).resolve().parents[1]


def only(rows):
    rows = list(rows)
    assert len(rows) == 1
    return rows[0]


def test_here_all_is_well():
    rows = doctor.examine()
    assert [row for row in rows if not row.ok] == []
    names = [row.name for row in rows]
    for name in ("Python", "torch", "numpy", "device", "data: mnist", "JupyterLab", "browser widgets", "disk"):
        assert name in names


def test_python_is_held_against_the_projects_range():
    assert only(doctor.python_rows(ROOT, platform.python_version())).ok
    for version in ("3.10.13", "3.15.0"):
        row = only(doctor.python_rows(ROOT, version))
        assert not row.ok
        assert version in row.text
        assert "start.py" in row.text


def test_packages_are_held_against_the_lock():
    locked = doctor.locked_versions(ROOT)
    versions = {name: locked[doctor.canonicalize_name(name)] for name in doctor.main_packages(ROOT)}
    assert all(row.ok for row in doctor.package_rows(ROOT, versions.get))
    versions |= {"torch": versions["torch"] + "+cpu", "numpy": "1.26.0", "scipy": None}
    rows = {row.name: row for row in doctor.package_rows(ROOT, versions.get)}
    assert rows["torch"].ok
    assert not rows["numpy"].ok
    assert f"1.26.0 is installed and the course was made with {locked['numpy']}" in rows["numpy"].text
    assert not rows["scipy"].ok
    assert "not installed" in rows["scipy"].text


def test_widgets_without_their_browser_half_are_found(tmp_path):
    extension = tmp_path / "share" / "jupyter" / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager"
    missing = only(doctor.widget_rows(tmp_path, lambda name: "3.0.17"))
    assert not missing.ok
    assert "missing" in missing.text
    extension.mkdir(parents=True)
    (extension / "package.json").write_text("{}")
    assert only(doctor.widget_rows(tmp_path, lambda name: "3.0.17")).ok
    old = only(doctor.widget_rows(tmp_path, lambda name: "1.1.0"))
    assert not old.ok
    assert "1.1.0" in old.text


def test_a_missing_start_page_is_found(tmp_path):
    row = only(doctor.lab_rows(tmp_path))
    assert not row.ok
    assert "START_HERE.md" in row.text


@pytest.mark.parametrize(("free", "ok"), [(0.2e9, False), (50e9, True)])
def test_disk_space(free, ok):
    assert only(doctor.disk_rows(ROOT, free)).ok is ok


def test_write_permission(tmp_path):
    assert only(doctor.write_rows(tmp_path)).ok
    shutil.rmtree(tmp_path / ".course")
    (tmp_path / ".course").write_text("a file where the folder should be")
    row = only(doctor.write_rows(tmp_path))
    assert not row.ok
    assert "cannot be written" in row.text


def test_a_part_that_breaks_becomes_a_row_and_the_rest_is_still_examined(monkeypatch):
    def broken():
        raise RuntimeError("torn library")

    monkeypatch.setattr(doctor, "device_rows", broken)
    rows = {row.name: row for row in doctor.examine()}
    assert not rows["device"].ok
    assert "torn library" in rows["device"].text
    assert rows["disk"].ok


def test_the_report_has_one_line_a_row_and_a_last_one_that_counts(capsys):
    doctor.report([doctor.Row("one", True, "fine"), doctor.Row("second", False, "mend it")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["OK", "one", "fine"]
    assert lines[1].split() == ["->", "second", "mend", "it"]
    assert lines[2].startswith("1 thing to see to")
