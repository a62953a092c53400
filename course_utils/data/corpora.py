"""A text corpus that every learner already has: the docstrings of the installed Python packages."""

import ast
import gc
import hashlib
import importlib.metadata
import json
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from course_utils.data.catalogue import find

READER_VERSION = 1  # part of the cache's key: count up when the rules below change
FILES_PER_TASK = 100
# Tests describe nothing, and a copy inside another package is that package's only by accident.
SKIPPED_FOLDERS = {"test", "tests", "testing", "_vendor", "_vendored"}


@dataclass(frozen=True)
class Documents:
    """n documents: their texts, the top-level package each belongs to, and its qualified name."""

    texts: list[str]
    packages: list[str]
    names: list[str]


def docstrings() -> Documents:
    """Every docstring of the installed Python packages, in the order of their files.

    Sources are parsed, never imported. A text that occurs again within one package is taken once. The first
    reading takes some seconds and shows a progress bar; it is cached until a package is added, removed or
    changes version. See data/docstrings/README.md.
    """
    return read_cached(site_packages(), find("docstrings").folder)


def site_packages() -> list[Path]:
    """The folders into which packages of this Python are installed (one; two on some Linux systems)."""
    paths = sysconfig.get_paths()
    return [Path(path) for path in dict.fromkeys((paths["purelib"], paths["platlib"]))]


def read_cached(folders: list[Path], cache: Path) -> Documents:
    """The docstrings below `folders`, from the folder `cache` where they were read before."""
    target = cache / f"{installed_key(folders)}.json"
    try:
        return Documents(**json.loads(target.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass  # not read yet, or not readable any more
    documents = read_folders(folders)
    cache.mkdir(parents=True, exist_ok=True)
    for outdated in cache.glob("*.json"):
        outdated.unlink(missing_ok=True)
    part = cache / f"{target.name}.{os.getpid()}"
    part.write_text(json.dumps(asdict(documents)), encoding="utf-8")
    part.replace(target)  # whole or not at all, also when two notebooks read at once
    return documents


def installed_key(folders: list[Path]) -> str:
    """A hash of what is installed: names and versions of all packages, and the Python that parses them."""
    found = importlib.metadata.distributions(path=[str(folder) for folder in folders])
    installed = sorted({(str(package.name), str(package.version)) for package in found})
    described = json.dumps([READER_VERSION, sys.version_info[:2], installed])
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def read_folders(folders: list[Path]) -> Documents:
    """Read the docstrings of all packages in `folders`, on all cores, with a progress bar."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    files = [(folder, path) for folder in folders for path in module_files(folder)]
    tasks = [files[i : i + FILES_PER_TASK] for i in range(0, len(files), FILES_PER_TASK)]
    batches = Parallel(n_jobs=-1, return_as="generator")(delayed(read_files)(task) for task in tasks)
    seen: dict[tuple[str, str], str] = {}
    with tqdm(total=len(files), desc="Reading docstrings", unit=" files", leave=False, file=sys.stdout) as bar:
        for task, batch in zip(tasks, batches, strict=True):
            for name, text in batch:
                seen.setdefault((name.partition(".")[0], text), name)
            bar.update(len(task))
    return Documents(
        texts=[text for _, text in seen], packages=[package for package, _ in seen], names=list(seen.values())
    )


def module_files(folder: Path) -> list[Path]:
    """The importable modules below a folder, sorted by path; tests and copies of other packages left out."""

    def wanted(path: Path) -> bool:
        *parents, stem = path.relative_to(folder).with_suffix("").parts
        is_test = stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"
        importable = all(part.isidentifier() for part in (*parents, stem))
        return importable and not is_test and SKIPPED_FOLDERS.isdisjoint(parents)

    return sorted(filter(wanted, folder.rglob("*.py")), key=lambda path: path.relative_to(folder).parts)


def read_files(files: Iterable[tuple[Path, Path]]) -> list[tuple[str, str]]:
    """(qualified name, docstring) for everything documented in some (folder, module file) pairs."""
    gc.disable()  # syntax trees are large and short-lived; collecting while they grow doubles the time
    try:
        return [pair for folder, path in files for pair in read_module(folder, path)]
    finally:
        gc.enable()


def read_module(folder: Path, path: Path) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring) of all that a module defines; nothing where it does not parse."""
    *parents, stem = path.relative_to(folder).with_suffix("").parts
    name = ".".join(parents if stem == "__init__" and parents else [*parents, stem])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody else's strings
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return
    yield from documented(name, tree)


def documented(name: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring) of a module, class or function, and of what a module or class defines."""
    text = ast.get_docstring(node)
    if text and is_text(text):
        yield name, text
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for inner in definitions(node.body):
            yield from documented(f"{name}.{inner.name}", inner)


def definitions(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The classes and functions that a block defines, also under `if`, `try` and `with`."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement
        else:
            for block in ("body", "handlers", "orelse", "finalbody"):
                yield from definitions(getattr(statement, block, []))


def is_text(text: str) -> bool:
    """Whether a docstring can be written as UTF-8 (an escape can put half a surrogate pair into one)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return bool(text.strip())
