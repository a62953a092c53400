"""What feedback pages and the class report share: templates that escape everything, and how files are written.

Pages hold text that students wrote. Templates escape all of it, control and direction-changing characters are taken
out before, long text is cut, and a content security policy allows one style sheet, by its hash, and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from course_utils import feedback, notebook
from course_utils.errors import CourseError

TEMPLATES = Path(__file__).parent / "templates"
LINE = 200  # characters that are shown of a name or of anything else that stands on one line
TEXT = 2000  # of a sentence
BLOCK = 4000  # of a value or of what was printed
SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,58}[A-Za-z0-9_-]|[A-Za-z0-9_]")
# Windows takes these names for devices, with any ending.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


# ---------------------------------------------------------------- text


def clean(text: object, limit: int = BLOCK) -> str:
    """Text that can be shown: no control, direction-changing or invisible characters, cut after `limit` characters.

    Line breaks and tabs stay, other space becomes a plain space; what cannot be shown becomes a replacement character.
    """
    whole = str(text)
    kept = "".join(map(_shown, whole[:limit].replace("\r\n", "\n")))
    left_out = len(whole) - limit
    return f"{kept} … ({left_out:,} more characters)" if left_out > 0 else kept


def line(text: object, limit: int = LINE) -> str:
    """Text for one line: `clean`, with line breaks and tabs as spaces."""
    return " ".join(clean(text, limit).split())


def _shown(letter: str) -> str:
    if letter in "\n\t" or letter.isprintable():
        return letter
    return " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}"


def prose(text: object) -> Markup:
    """A sentence as HTML: escaped, with what stands between backticks as code."""
    return Markup(feedback.inline(html.escape(clean(text, TEXT))))


def number(value: float) -> str:
    """A number of points: at most two digits after the point, none where it is whole."""
    return f"{round(value, 2):g}" if abs(value) < 1e5 else f"{value:.0f}"


# ---------------------------------------------------------------- templates


@functools.cache
def environment() -> jinja2.Environment:
    """The templates; every value is escaped, and a name that is not given is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"prose": prose, "line": line, "block": clean, "number": number}
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    made.globals["style"] = Markup(style)
    made.globals["policy"] = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return made


def render(template: str, **values: Any) -> str:
    """A template, filled in."""
    return environment().get_template(template).render(values)


# ---------------------------------------------------------------- files


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A file name for each name: safe on every system, readable, and different even where case does not count.

    A name that is safe as it is stays; another one is made safe and gets a few digits of its hash.
    """
    used = {name.casefold() for name in taken}
    chosen: dict[str, str] = {}
    for name in sorted(set(names)):
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        letters = unicodedata.normalize("NFKD", name[:LINE]).encode("ascii", "ignore").decode()
        readable = re.sub(r"[^A-Za-z0-9_]+", "_", letters).strip("_")[:40] or "unnamed"
        plain = [name] if SAFE.fullmatch(name) and not DEVICES.fullmatch(name) else []
        candidates = [*plain, f"{readable}-{digest[:8]}", f"{readable}-{digest}"]
        chosen[name] = next(candidate for candidate in candidates if candidate.casefold() not in used)
        used.add(chosen[name].casefold())
    return chosen


def write(path: Path, text: str) -> None:
    """Write a page atomically. Raises CourseError where that is not possible, with the reason."""
    try:
        notebook.write_text(path, text)
    except OSError as error:
        raise CourseError(
            f"{path} cannot be written ({error.strerror}): make room there or choose another folder; "
            f"the gradebook is as it was."
        ) from error
