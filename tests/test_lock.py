"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = [Requirement(line) for line in LOCK.splitlines() if line and not line.startswith("#")]
WANTED = [
    Requirement(line)
    for lines in [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for line in lines
    if Requirement(line).name != PROJECT["name"]
]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda requirement: requirement.name)
def test_every_dependency_is_locked_within_its_range(wanted):
    pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    assert len(pins) == 1
    version = str(pins[0].specifier).removeprefix("==")
    assert wanted.specifier.contains(version)


def test_the_lock_holds_exact_versions_once_each_and_nothing_else():
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in PINS)
    assert len({canonicalize_name(pin.name) for pin in PINS}) == len(PINS)
    assert not any(pin.url for pin in PINS)
    for unwanted in ("--hash", "://", "--index-url", "--find-links", "@", "+cpu"):
        assert unwanted not in LOCK


def test_torch_is_the_one_that_the_course_was_made_with():
    assert [str(pin) for pin in PINS if pin.name == "torch"] == ["torch==2.13.0"]


def test_no_cuda_package_is_locked_as_a_torch_without_cuda_has_none():
    assert [pin.name for pin in PINS if re.match(r"(nvidia|cuda)-|triton$", pin.name)] == []


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_pins_numpy_scipy_and_torch_on_every_platform(platform, python):
    where = {"sys_platform": platform, "python_version": python, "python_full_version": python + ".1"}
    there = {pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(where)}
    assert {"numpy", "scipy", "torch", "jupyterlab", "flit-core", "pip"} <= there


def test_conda_users_get_the_same_python_and_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"]
    python, pip, through_pip = environment["dependencies"]
    assert python.startswith("python>")
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    assert pip == "pip"
    assert through_pip == {"pip": ["-c requirements.lock", "-e ."]}
