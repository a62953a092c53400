"""The bubblewrap command around a zygote: what of the file system it sees, and which rights it keeps."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from course_utils.errors import CourseError

PACKAGE = Path(__file__).resolve().parents[2]  # course_utils
PROJECT = PACKAGE.parent
NOBODY = 65534
SYSTEM = tuple(Path(place) for place in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"))
SETTINGS_OF_THE_SYSTEM = tuple(Path(place) for place in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"))
OF_THE_PROJECT = (PACKAGE, PROJECT / "data", PROJECT / "results")
OF_PYTHON = ("bin", "lib", "lib64", "pyvenv.cfg")  # of a prefix, which may be somebody's home folder or ~/.local
# Hidden even where they lie in a folder that is shown: the public answers, and a project that lies below /usr.
HIDDEN = (PACKAGE / "exercises" / "frozen", PROJECT / "solutions", PROJECT / "tests", PROJECT / ".git")

# All that a submission sees of /dev. No /dev/zero: a shared mapping of it is memory that stays allocated while one
# page of it is mapped, so a poll of what a process holds would not find it.
DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")
SCRATCH = "/scratch"  # not /tmp, where Python or the project may lie


class NoBubblewrap(CourseError):
    """Bubblewrap is not installed."""


def command(inside: list[str]) -> list[str]:
    """The command that runs `inside` in bubblewrap. Raises NoBubblewrap."""
    program = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin:" + os.environ.get("PATH", ""))
    if program is None:
        raise NoBubblewrap("bubblewrap is not installed")
    if os.getuid() == 0:
        # Under a user namespace made by root, uid 65534 would still be the kernel's uid 0, which no limit of
        # processes binds; so the zygote itself becomes nobody, and makes the user namespace then.
        identity = ["--unshare-pid", "--unshare-ipc", "--unshare-net", "--unshare-uts"]
        kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    else:
        identity = ["--unshare-all", "--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
        identity += ["--disable-userns"] if "--disable-userns" in options(program) else []
        kept = ("CAP_SYS_ADMIN", "CAP_SETPCAP")
    capabilities = ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]
    life = ["--hostname", "sandbox", "--as-pid-1", "--die-with-parent", "--new-session"]
    return [program, *identity, *capabilities, *life, *file_system(), "--", *inside]


@functools.cache
def options(program: str) -> str:
    """What bubblewrap says of its options: before 0.8 it has no --disable-userns (the filter refuses them anyway)."""
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout


def file_system() -> list[str]:
    """Read-only views of the system's libraries, of Python and of the course's package and data; the rest is absent."""
    words: list[str] = []
    for place in SYSTEM:
        if place.is_symlink():
            words += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            words += ["--ro-bind", str(place), str(place)]
    shown = shown_places()
    made: set[Path] = set()
    for place in shown:
        for parent in reversed(place.parents):
            # bubblewrap started by root would make missing folders that nobody may enter
            if parent not in made and parent != Path("/") and not lies_in(parent, SYSTEM):
                words += ["--dir", str(parent)]
                made.add(parent)
        words += ["--symlink", os.readlink(place)] if place.is_symlink() else ["--ro-bind", str(place)]
        words += [str(place)]
    for place in HIDDEN:
        if place.is_dir() and lies_in(place, (*SYSTEM, *shown)):
            words += ["--tmpfs", str(place), "--remount-ro", str(place)]
    if not any(lies_in(place, (Path("/tmp"),)) for place in shown):
        words += ["--symlink", SCRATCH, "/tmp"]  # for code that does not ask where temporary files go
    words += ["--dir", SCRATCH, "--proc", "/proc", "--tmpfs", "/dev"]
    for device in DEVICES:
        words += ["--dev-bind", device, device]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


def shown_places() -> list[Path]:
    """What is shown beside the system's own folders."""
    wanted = (*SETTINGS_OF_THE_SYSTEM, *python_places(), *OF_THE_PROJECT)
    return outermost([place for place in wanted if place.exists() or place.is_symlink()])


def python_places() -> list[Path]:
    """Where Python, its library and its packages are: of the virtual environment and of what it was made from."""
    prefixes = {Path(place) for place in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)}
    prefixes |= {Path(os.path.realpath(place)) for place in prefixes}
    found = {prefix / name for prefix in prefixes for name in OF_PYTHON}
    found |= {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    executable = Path(sys.executable)
    while executable.is_symlink():  # a virtual environment's python may go through links elsewhere
        executable = executable.parent / os.readlink(executable)
        found.add(executable)
    return list(found)


def lies_in(place: Path, folders: tuple[Path, ...]) -> bool:
    """Whether a place is one of these folders or lies below one."""
    return any(place.is_relative_to(folder) for folder in folders)


def outermost(places: list[Path]) -> list[Path]:
    """The places that lie in no other of them, nor in a folder of the system that is shown anyway."""
    whole = {place for place in places if not lies_in(place, SYSTEM)}
    return sorted(place for place in whole if not any(parent in whole for parent in place.parents))
