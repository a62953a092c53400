"""Fixtures that several test files share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sample_project import SampleProject


@pytest.fixture
def sample(tmp_path: Path) -> SampleProject:
    """A small project of its own, not built yet."""
    return SampleProject(tmp_path / "sample")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], SampleProject]:
    """A function that copies a small project, built once, into a folder."""
    original = SampleProject(tmp_path_factory.mktemp("built") / "sample")
    done = original.course("build")
    assert done.returncode == 0, done.stderr
    return original.copy_to
