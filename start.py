"""Set the course up, then run it.

    python3 start.py                  open JupyterLab on the course (as `course lab`)
    python3 start.py --no-browser     the same with options: --no-browser, --port N, --token T
    python3 start.py test             run every test
    python3 start.py COMMAND ...      any other command of `course`, such as `python3 start.py doctor`
    python3 start.py --torch-index URL ...   look in this package index too (for torch without CUDA, say)

The first start makes the folder .venv from requirements.lock, which needs a network; later ones need none.
"""

# Standard library only, and nothing newer than Python 3.8: an old Python must get as far as being told so.

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import ssl
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
GRADING = ("build", "demo-class", "export", "grade", "late", "override", "release", "report", "validate")
EXTRAS = {"test": ["grading", "test"], **{command: ["grading"] for command in GRADING}}  # what a command needs more
GB = 1e9
DISK_NEEDED = 3 * GB  # a finished .venv with the test extra takes 1.9 GB without CUDA
CUDA_ESTIMATE = 2.2 * GB  # what torch 2.13 fetches beside itself, where the index does not tell
CUDA_UNPACKED = 1.8  # times as large on the disk as in the wheels (4.0 GB from 2.2 GB)
LONGEST_INSIDE = 195  # characters of the longest path in a Windows .venv: a licence of torch
WINDOWS_LONGEST = 259  # characters of a path, unless long paths are switched on
CUDA_PACKAGE = re.compile(r"^(nvidia|cuda)-|^triton$")
NETWORK_TROUBLE = re.compile(
    r"NewConnectionError|NameResolutionError|Timeout|ProxyError|ConnectionError|SSLError|name resolution"
    r"|Connection (refused|reset|aborted|timed out)|\b(403|407|50\d) \w+ Error"
)


class SetupError(Exception):
    """Something that the user can mend; the message is the sentence to show."""


# ---- checks before anything is made --------------------------------------------------------------


def python_range(pyproject):
    """The supported versions in the text of pyproject.toml, as two tuples: from (included), to (excluded)."""
    found = re.search(r'^requires-python\s*=\s*">=(\d+)\.(\d+),<(\d+)\.(\d+)"', pyproject, re.M)
    numbers = [int(group) for group in found.groups()]
    return tuple(numbers[:2]), tuple(numbers[2:])


def check_python(version, pyproject, which=shutil.which):
    """Refuse a `version` of Python outside the range in `pyproject`; `which` looks for a better one."""
    lowest, beyond = python_range(pyproject)
    if lowest <= tuple(version[:2]) < beyond:
        return
    good = ["3.%d" % minor for minor in range(beyond[1] - 1, lowest[1] - 1, -1)]
    found = [name for name in ("python" + number for number in good) if which(name)]
    todo = "try `%s start.py`" % found[0] if found else "install one from python.org"
    raise SetupError(
        "This is Python %d.%d, and the course runs on Python %s to %s: %s."
        % (version[0], version[1], good[-1], good[0], todo)
    )


def check_machine(platform, machine):
    """Refuse a kind of machine for which torch is not made any more."""
    if platform == "darwin" and machine == "x86_64":
        raise SetupError(
            "There is no torch of this version for a Mac with an Intel processor, or a Python made for one: use "
            "a Python for Apple silicon, or another machine."
        )


def check_ensurepip(find_spec=importlib.util.find_spec):
    """Refuse a Python that cannot make a virtual environment with pip in it."""
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        raise SetupError(
            "This Python has no `venv` and `ensurepip` modules: install them (on Debian and Ubuntu with "
            "`sudo apt install python3-venv`) and start again."
        )


def check_disk(free, needed, place):
    """Refuse when `free` bytes at `place` are fewer than `needed`."""
    if free < needed:
        raise SetupError(
            "There are %.1f GB free in %s and the set-up needs about %.1f GB: make room there, or move the "
            "course to a larger disk." % (free / GB, place, needed / GB)
        )


def check_path_length(root, windows, long_paths):
    """Refuse a project folder so deep that files in .venv would pass the longest path of Windows."""
    longest = WINDOWS_LONGEST - LONGEST_INSIDE
    if windows and not long_paths and len(str(root)) > longest:
        raise SetupError(
            "The folder's path has %d characters, and Windows allows about %d here: move the course to a "
            "shorter path such as C:\\course, or switch long paths on in Windows." % (len(str(root)), longest)
        )


def check_writable(root):
    """Refuse a project folder in which no file can be made."""
    try:
        tempfile.TemporaryFile(dir=str(root)).close()
    except OSError as error:
        raise SetupError(
            "The course's folder %s cannot be written to (%s): copy the course to a folder of your own."
            % (root, error.strerror)
        ) from None


def long_paths_enabled():
    """Whether Windows was told to allow paths of more than 259 characters."""
    if os.name != "nt":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return winreg.QueryValueEx(key, "LongPathsEnabled")[0] == 1
    except OSError:
        return False


# ---- what kind of .venv is there, and what kind is wanted ----------------------------------------


def fingerprint(root):
    """A hash of all that a .venv depends on: lock, pyproject.toml, Python, platform and its folder."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes() + b"\0")
    facts = [sys.version, sysconfig.get_platform(), os.path.realpath(sys.base_prefix), str(root)]
    digest.update(json.dumps(facts).encode())
    return digest.hexdigest()


def read_stamp(venv):
    """The stamp of a finished .venv, as a dict; empty where there is none or it cannot be read."""
    try:
        stamp = json.loads((venv / "stamp.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and venv_python(venv).exists() else {}


def write_stamp(venv, stamp):
    """Say that the .venv is finished. The file appears last, and whole or not at all."""
    draft = venv / "stamp.json.new"
    with open(str(draft), "w", encoding="utf-8") as file:
        json.dump(stamp, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(draft), str(venv / "stamp.json"))


def remove_venv(venv):
    """Remove a .venv, its stamp first, so that a removal that is interrupted leaves nothing to be trusted."""

    def make_writable_and_retry(function, path, _):
        os.chmod(path, stat.S_IWRITE)
        function(path)

    try:
        with contextlib.suppress(FileNotFoundError):
            (venv / "stamp.json").unlink()
        if venv.is_symlink() or venv.is_file():
            venv.unlink()
        elif venv.exists():
            shutil.rmtree(str(venv), onerror=make_writable_and_retry)
    except OSError as error:
        raise SetupError(
            "The old %s cannot be removed (%s): close every JupyterLab and Python that runs from it, and "
            "start again." % (venv, error.strerror)
        ) from None


def venv_python(venv):
    """The Python inside a .venv."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def base_python():
    """The Python outside any virtual environment that this one comes from."""
    return getattr(sys, "_base_executable", None) or sys.executable


def clean_environment(environ):
    """`environ` without what makes Python or pip look outside the .venv. The user's pip settings stay."""
    kept = {k: v for k, v in environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "__PYVENV_LAUNCHER__")}
    kept["PIP_USER"] = "0"
    return kept


@contextlib.contextmanager
def only_one(path, say):
    """Hold the lock on the file `path`, after other starts. The system frees it when a process ends."""
    with open(str(path), "a+b") as file:
        waited = False
        while not try_to_lock(file):
            if not waited:
                say("Another start is setting the course up in this folder; waiting for it to finish.")
            waited = True
            time.sleep(0.3)
        yield


def try_to_lock(file):
    """Take the system's lock on an open file if it is free, and say whether it was."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ---- pip -----------------------------------------------------------------------------------------


class Progress:
    """Shows what pip does: one line that changes on a terminal, the large steps alone elsewhere."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.live = out.isatty()
        self.started = time.monotonic()
        self.packages = 0
        self.doing = "asking the package index"
        self.said = None
        self.lock = threading.Lock()

    def read(self, line):
        """Take in one line of pip's output."""
        found = re.match(r"\s*(Collecting|Downloading|Using cached|Installing collected packages|Progress) ?(.*)", line)
        if not found:
            return
        word, rest = found.groups()
        if word == "Collecting":
            self.packages += 1
            self.doing = "package %d, %s" % (self.packages, re.split(r"[<>=!~;\[ ]", rest)[0])
        elif word == "Downloading":
            self.doing = "fetching " + re.sub(r"^\S*/", "", rest)
            size = re.search(r"\((\d+)(\.\d)? MB\)", rest)
            if size and int(size.group(1)) >= 50:
                self.say_once(self.doing)
        elif word == "Progress":
            part, whole = [int(number) for number in re.findall(r"\d+", rest)][:2]
            self.doing = re.sub(r"(, \d+ %)?$", ", %d %%" % (100 * part // max(whole, 1)), self.doing, count=1)
        elif word == "Installing collected packages":
            self.doing = "unpacking %d packages" % (rest.count(",") + 1)
            self.say_once(self.doing)
        self.show()

    def say_once(self, text):
        """Print a line of its own where there is no terminal to keep one line changing on."""
        if not self.live and text != self.said:
            self.said = text
            print("  " + text, file=self.out, flush=True)

    def show(self):
        """Draw the line anew."""
        if not self.live:
            return
        with self.lock:
            width = shutil.get_terminal_size().columns - 1
            line = "  %3d s  %s" % (time.monotonic() - self.started, self.doing)
            self.out.write("\r" + line[:width].ljust(width))
            self.out.flush()

    def clear(self):
        """Take the line away."""
        if self.live:
            self.out.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self.out.flush()


def run_pip(venv, arguments, log, progress=None):
    """Run the .venv's pip, its output into the file `log`. Raises SetupError with what to do."""
    command = [str(venv_python(venv)), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    process = subprocess.Popen(
        command,
        cwd=str(venv.parent),
        env=clean_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    lines = []
    done = threading.Event()

    def tick():
        while not done.wait(1):
            progress.show()

    if progress:
        threading.Thread(target=tick, daemon=True).start()
    try:
        with open(str(log), "a", encoding="utf-8") as file:
            for line in process.stdout:
                if not line.startswith("Progress "):
                    lines.append(line)
                    file.write(line)
                if progress:
                    progress.read(line)
        failed = process.wait() != 0
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        done.set()
        if progress:
            progress.clear()
    if failed:
        raise SetupError("%s The whole log is in %s." % (explain_pip("".join(lines)), log))


def explain_pip(output):
    """One sentence for the output of a pip that failed: which package, and what to do."""
    missing = re.search(
        r"No matching distribution found for ([^\s;]+)"
        r"|no matching distributions available for your environment:\s+(\S+)",
        output,
    )
    name = (missing.group(1) or missing.group(2)) if missing else ""
    if re.search(r"No space left on device|Errno 28|WinError 112", output):
        return "The disk is full: make about %.0f GB free and start again." % (DISK_NEEDED / GB)
    if NETWORK_TROUBLE.search(output):
        return (
            "The package index cannot be reached%s: check the network, and the proxy or index in your pip "
            "configuration, and start again." % (" (asked for %s)" % name if name else "")
        )
    if name:
        pinned = re.search(r"\(constraint\) (%s==\S+)" % re.escape(name), output)
        return (
            "The package index has no %s for Python %d.%d on this kind of machine (%s): try Python 3.12 or 3.13, and "
            "if your pip is configured for another index, see that it has the package."
            % ((pinned.group(1) if pinned else name, *sys.version_info[:2], sysconfig.get_platform()))
        )
    unbuilt = re.search(r"^error: (?:metadata-gen|failed-wheel)(?:.|\n)*?╰─> (?:from )?(\S+)", output, re.M)
    if unbuilt:
        return (
            "The package %s could not be built on this machine: try Python 3.12 or 3.13, where most are "
            "ready-made, or install a C compiler." % unbuilt.group(1)
        )
    if "ResolutionImpossible" in output or "conflicting dependencies" in output:
        packages = re.search(r"Cannot install (.+?) because", output)
        return (
            "The versions of %s contradict each other: if you changed pyproject.toml, make requirements.lock "
            "anew; if not, report it." % (packages.group(1) if packages else "some packages")
        )
    if re.search(r"Permission denied|WinError (5|32)\b", output):
        return "A file of .venv cannot be written: close what runs from it and start again."
    errors = re.findall(r"^(?:ERROR|error): (.+)$", output, re.M) or output.strip().splitlines() or ["nothing"]
    return "pip failed, saying: %s." % errors[-1].strip().rstrip(".")


# ---- torch and CUDA ------------------------------------------------------------------------------


def has_nvidia_driver():
    """Whether this machine has an NVIDIA driver."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def cuda_downloads(report):
    """Addresses of the CUDA packages in a report of `pip install --dry-run --report`."""
    return [
        item["download_info"]["url"]
        for item in report["install"]
        if CUDA_PACKAGE.search(re.sub(r"[-_.]+", "-", item["metadata"]["name"].lower()))
    ]


def size_of(urls):
    """Bytes behind the addresses, or None where one does not say within a few seconds."""
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    total = 0
    for url in urls:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=5, context=context) as answer:
                total += int(answer.headers["Content-Length"])
        except (OSError, TypeError, ValueError):
            return None
    return total


def cuda_announcement(size):
    """What to say before `size` bytes (None: unknown) of CUDA libraries are fetched for nothing."""
    known = "%.1f GB" % (size / GB) if size is not None else "an estimated %.1f GB" % (CUDA_ESTIMATE / GB)
    return (
        "torch would bring %s of CUDA libraries (%.0f GB on the disk), and this machine has no NVIDIA driver "
        "to use them.\nThe build for the CPU does without them: `python3 start.py --torch-index URL`, with "
        "the URL that pytorch.org/get-started/locally shows for Pip and CPU."
        % (known, CUDA_UNPACKED * (size or CUDA_ESTIMATE) / GB)
    )


def announce_cuda(venv, pip_options, log, ask, say):
    """Where CUDA libraries would come for nothing, say so, check the disk, and let the user choose."""
    report = venv / "torch.json"
    # fast-deps reads the metadata inside a wheel without fetching it whole, where the index has no copy.
    asked = ["install", "--use-feature=fast-deps", "--dry-run", "--quiet", "--report", str(report)]
    run_pip(venv, [*asked, *pip_options, "torch"], log)
    urls = cuda_downloads(json.loads(report.read_text(encoding="utf-8")))
    if not urls:
        return
    size = size_of(urls)
    say(cuda_announcement(size))
    needed = DISK_NEEDED + CUDA_UNPACKED * (size or CUDA_ESTIMATE)
    check_disk(shutil.disk_usage(str(venv)).free, needed, venv.parent)
    if ask is None:
        say("Going on with CUDA, as there is nobody to ask.")
    elif not ask("Go on and fetch them all the same? [y/N] ").strip().lower().startswith("y"):
        raise SetupError("Nothing was installed.")


# ---- making the .venv ----------------------------------------------------------------------------


def prepare(root, extras, torch_index, ask, say):
    """Make sure that a finished .venv with these extras is there; returns its Python.

    A .venv is trusted only where its stamp says that it was finished for this lock, this pyproject.toml, this
    Python and this folder. Raises SetupError.
    """
    venv = root / ".venv"
    check_writable(root)
    with only_one(root / ".venv.lock", say):
        stamp = read_stamp(venv)
        fits = stamp.get("made_for") == fingerprint(root) and torch_index in (None, stamp.get("torch_index"))
        if fits and set(extras) <= set(stamp["extras"]):
            return venv_python(venv)
        check_ensurepip()
        check_path_length(root, os.name == "nt", long_paths_enabled())
        check_disk(shutil.disk_usage(str(root)).free, DISK_NEEDED, root)
        log = root / ".course" / "install.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text("")
        if fits:
            extras = sorted({*extras, *stamp["extras"]})
            say("Adding what this command needs to .venv.")
            (venv / "stamp.json").unlink()
            torch_index = stamp["torch_index"]
        else:
            say(
                "Setting the course up in .venv, from requirements.lock (once; a few minutes)."
                if not venv.exists()
                else "The .venv here is unfinished or out of date: making it anew (a few minutes)."
            )
            remove_venv(venv)
            make_empty(venv)
        install(root, venv, extras, torch_index, log, not fits, ask, say)
        write_stamp(venv, {"made_for": fingerprint(root), "extras": sorted(extras), "torch_index": torch_index})
        say("The course is set up.")
        return venv_python(venv)


def make_empty(venv):
    """Make a .venv with nothing but pip in it."""
    made = subprocess.run(
        [base_python(), "-m", "venv", str(venv)],
        env=clean_environment(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        lines = [line for line in made.stdout.splitlines() if line.strip()] or ["nothing"]
        raise SetupError(
            "Python could not make a virtual environment in %s (it said: %s): on Debian and Ubuntu "
            "`sudo apt install python3-venv` mends that." % (venv, lines[-1].strip())
        )


def install(root, venv, extras, torch_index, log, fresh, ask, say):
    """Install the course with `extras` into a .venv; `fresh` where there is nothing but pip in it yet."""
    options = ["--constraint", str(root / "requirements.lock")]
    if not extras:  # all that a learner needs is ready-made; a try to compile would only end in a worse message
        options += ["--only-binary", ":all:"]
    if torch_index:
        options += ["--extra-index-url", torch_index]
    progress = Progress()
    if fresh:
        run_pip(venv, ["install", "--quiet", *options, "pip", "flit_core"], log, progress)
        if sys.platform == "linux" and not has_nvidia_driver():
            announce_cuda(venv, options, log, ask, say)
    course = "%s[%s]" % (root, ",".join(extras)) if extras else str(root)
    command = ["install", "--progress-bar", "raw", "--no-build-isolation", *options, "--editable", course]
    run_pip(venv, command, log, progress)


# ---- the command line ----------------------------------------------------------------------------


def split_arguments(arguments):
    """Sort the command line into the command for `course` (a list) and the URL of --torch-index (or None)."""
    rest, url = [], None
    words = iter(arguments)
    for word in words:
        if word == "--torch-index":
            url = next(words, None)
            if url is None:
                raise SetupError("--torch-index needs the URL of a package index after it.")
        elif word.startswith("--torch-index="):
            url = word.split("=", 1)[1]
        else:
            rest.append(word)
    if not rest or rest[0].startswith("-"):
        rest.insert(0, "lab")
    return rest, url


def run_course(python, command):
    """Hand over to `course COMMAND` in the .venv; returns its exit status."""
    line = [str(python), "-m", "course_utils", *command]
    environment = clean_environment(os.environ)
    if os.name != "nt":
        os.chdir(str(ROOT))
        os.execve(line[0], line, environment)
    with subprocess.Popen(line, env=environment, cwd=str(ROOT)) as process:
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # it is for the course, which ends in its own way
                return process.wait()


def main(arguments):
    """Set up where needed, then run; returns the exit status."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    try:
        check_machine(sys.platform, platform.machine())
        check_python(sys.version_info, (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        command, torch_index = split_arguments(arguments)
        extras = EXTRAS.get(command[0], [])
        ask = input if sys.stdin is not None and sys.stdin.isatty() else None
        python = prepare(ROOT, extras, torch_index, ask, lambda text: print(text, flush=True))
    except SetupError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next start begins the set-up anew.", file=sys.stderr)
        return 130
    return run_course(python, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
