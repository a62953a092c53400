"""Feedback pages: what they say, where the notebook explains it, and that nothing a student wrote does anything."""

import base64
import hashlib
import re
import shutil
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import nbformat
import pytest
from made_up_class import HIDDEN, NOTEBOOK, SHOWN, made_up_class, right, submission, with_results, wrong

from course_utils import exercises
from course_utils.errors import CourseError
from course_utils.grading import pages
from course_utils.grading.gradebook import Decision, Mark
from course_utils.grading.pages import feedback_page, headings, write_feedback
from course_utils.grading.rendering import clean, file_names
from course_utils.grading.results import Status

EVIL = (
    "<script>alert(1)</script></style></title>{{7*7}}{% raw %} & \"q\" 'q' \u202egnp.exe\u2066 \x1b[31mred \x00 \ud800 "
    "`<img src=x onerror=alert(1)>` <a href='javascript:1'> <!-- ]]> =1+1"
)
ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "article",
        "footer",
        "div",
        "span",
    ),
    *("h1", "h2", "h3", "p", "b", "bdi", "a", "code", "pre", "br", "ul", "li", "dl", "dt", "dd", "svg", "rect"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "aria-hidden"),
    *("viewbox", "preserveaspectratio", "width", "height"),
}


@dataclass
class Read(HTMLParser):
    """A page as a browser would read it: its elements, attributes and text."""

    elements: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes.extend((name, value or "") for name, value in attrs)

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        self.comments.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(page: str) -> Read:
    parser = Read()
    parser.feed(page)
    parser.close()
    return parser


def text_of(page: str) -> str:
    return read(page[page.index("<body>") :]).text


def mark_of(result, exercise: str, points=None, reason="", late=None) -> Mark:
    one = next(one for one in result.exercises if one.exercise == exercise)
    time = "2025-03-04T10:00:00+00:00"
    decided = None
    if points is not None:
        decided = Decision(result.student, result.notebook, exercise, points, reason, "me", time)
    percent = late and Decision(result.student, result.notebook, None, late[0], late[1], "me", time)
    own = one.points if points is None else points
    return Mark(result.student, result.notebook, exercise, own, one.most, one.status, one.points, decided, percent)


def marks_of(result, **more) -> list[Mark]:
    return [mark_of(result, one.exercise, **more) for one in result.exercises]


# ---------------------------------------------------------------- what a page says


def test_a_mistake_its_case_and_where_to_read_again():
    sentence = "The exponent divides by 2σ where the formula has `2σ²`."
    one = wrong(
        "conditional-affinities", sentences=(sentence,), shown=SHOWN, hidden=HIDDEN, mistake="sigma not squared"
    )
    page = feedback_page(with_results("Ada", {one.exercise: one}), [])
    text = text_of(page)
    assert "The exponent divides by 2σ where the formula has 2σ² ." in text
    assert "<code>2σ²</code>" in page
    assert "2 of 5 inputs of your own check pass, 8 of 20 that you have not seen" in text
    assert "input sigma [1. 1. 1.] shape (3,)" in text
    assert "[0.8176 0. 0.1824]" in text
    assert "Read again: A2 · From distances to probabilities, in part A · Affinities." in text
    assert 'hint("conditional-affinities")' in text
    assert "34 of 36 points" in text
    assert "22 right · 1 wrong" in text


def test_the_next_step_is_the_first_exercise_that_lost_points_and_what_builds_on_it():
    changed = {one: wrong(one, sentences=(f"About {one}.",)) for one in ("tiled-repulsion", "perplexity", "sne-q")}
    text = text_of(feedback_page(with_results("Ada", changed), []))
    assert "Your next step Entropy and perplexity About perplexity. Read again: A3" in text
    assert "Later exercises build on it: The search for σ." in text
    only_optional = with_results("Ada", {"tiled-repulsion": changed["tiled-repulsion"]})
    assert "If you like to go on Repulsion, tile by tile All that is asked for is right." in text_of(
        feedback_page(only_optional, [])
    )
    assert "Nothing is left to do" in text_of(feedback_page(submission("Ada"), []))


def test_the_own_check_and_unseen_inputs_are_told_apart():
    one = wrong("perplexity", public_passed=5, cases_passed=17)
    text = text_of(feedback_page(with_results("Ada", {"perplexity": one}), []))
    assert "your check passes, but on inputs that you have not seen 3 of 20 fail" in text
    assert text.count("What your function returns differs from what is asked for.") == 2  # in the next step too


def test_hidden_inputs_are_shown_only_when_asked_for():
    one = wrong("perplexity", hidden=(("input P", "SECRET-P"), ("got", "SECRET-GOT")), case="random rows")
    result = with_results("Ada", {"perplexity": one})
    assert "SECRET" not in feedback_page(result, [])
    shown = text_of(feedback_page(result, [], show_inputs=True))
    assert "The first unseen input that fails: random rows input P SECRET-P got SECRET-GOT" in shown


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ({"perplexity": Status.WRONG}, "perplexity was answered for you because it is not right in your notebook yet"),
        ({"perplexity": Status.UNSOLVED}, "perplexity was answered for you because it is not solved"),
        (
            {"perplexity": Status.WRONG, "conditional-affinities": Status.UNSOLVED},
            "conditional_affinities and perplexity were answered for you because they are not right",
        ),
    ],
)
def test_follow_through_credit_is_explained_in_one_sentence(statuses, why):
    changed = {one: wrong(one, status) for one, status in statuses.items()}
    answered = tuple(sorted(statuses))
    own_failure = {"sentences": ("MISLEADING",), "shown": (("got", "MISLEADING"),)}
    changed["sigma-search"] = right("sigma-search", Status.FOLLOW_THROUGH, answered=answered, **own_failure)
    text = text_of(feedback_page(with_results("Ada", changed), []))
    assert why in text.replace(" ,", ",")
    assert "with that, your function passes, so it has its points." in text
    assert "MISLEADING" not in text


def test_an_override_its_reason_and_lateness_are_said_and_counted():
    result = with_results("Ada", {"perplexity": wrong("perplexity")})
    marks = [
        mark_of(
            result, one.exercise, 1.0 if one.exercise == "perplexity" else None, "my `test` was wrong", (10, "2 days")
        )
        for one in result.exercises
    ]
    text = text_of(feedback_page(result, marks))
    assert "Your instructor gave 1 of 1 points instead of 0 on 2025-03-04: my test was wrong" in text
    assert "Handed in late: 10 % of 36 points are taken off, which leaves 32.4. The reason given: 2 days" in text
    assert "32.4 of 36 points" in text
    assert "Nothing is left to do" in text
    others = [Mark("Eve", NOTEBOOK, "perplexity", 0, 1, Status.WRONG, 0)]
    assert "35 of 36 points" in text_of(feedback_page(result, others))  # marks of other students do not count


def test_problems_and_remarks_come_first():
    result = with_results("Ada", {}, problem="The file is cut off.", remarks=("Cell 3 fails.", "Cell 4 fails."))
    text = text_of(feedback_page(result, []))
    order = [
        "could not be graded",
        "The file is cut off.",
        "Cell 3 fails.",
        "Cell 4 fails.",
        "Hand the notebook in again",
    ]
    assert [text.index(one) for one in order] == sorted(text.index(one) for one in order)
    assert text.index("Hand the notebook in again") < text.index("Squared distances")


def test_a_file_of_which_nothing_is_known_has_a_page_too():
    nothing = submission("Ada", [], notebook="", problem="The file is empty.", modified=1e300)
    assert "Unknown notebook" in text_of(feedback_page(nothing, []))


@pytest.mark.parametrize("status", [one for one in Status if one not in (Status.RIGHT, Status.FOLLOW_THROUGH)])
def test_every_ending_is_explained_where_grading_left_no_sentence(status):
    result = with_results("Ada", {"perplexity": wrong("perplexity", status, sentences=())})
    text = text_of(feedback_page(result, []))
    assert pages.EXPLAINED[status].format(name="perplexity", kind="function").replace("`", "")[:40] in text.replace(
        " :", ":"
    )


def test_an_exercise_that_the_course_no_longer_has_is_said():
    gone = wrong("perplexity")
    object.__setattr__(gone, "exercise", "gone-exercise")
    assert "The exercise gone-exercise is no longer part of the course." in text_of(
        feedback_page(submission("Ada", [right("perplexity"), gone]), [])
    )


def test_optional_exercises_are_marked():
    articles = re.findall(r"<article id=.exercise-([\w-]+)(.*?)</article>", feedback_page(submission("A"), []), re.S)
    marked = {name for name, inside in articles if "· optional" in inside}
    assert marked == {one.id for one in exercises.of(NOTEBOOK) if one.optional}
    assert len(articles) == len(exercises.of(NOTEBOOK))


# ---------------------------------------------------------------- where to read again


def test_every_exercise_of_the_course_has_a_place_in_its_notebook():
    for name in exercises.MODULES:
        known = headings(name)
        assert known.title.startswith(name[:2])
        for exercise in exercises.of(name):
            place = known.places[exercise.id]
            assert re.match(r"[A-Z] · ", place.part), exercise.id
            assert place.section.startswith(place.part[0]), exercise.id


def test_headings_are_found_whatever_the_markdown_holds(tmp_path, monkeypatch):
    def markdown(text):
        return nbformat.v4.new_markdown_cell(text)

    def answer(name):
        grading = {"grade_id": name, "solution": True, "grade": False}
        return nbformat.v4.new_code_cell("def f(): ...", metadata={"nbgrader": grading})

    cells = [
        answer("first"),
        markdown("Text\n\n# The title #\n\n```python\n# a comment\n## another\n```\n#no heading"),
        markdown("# A · *Part*"),
        answer("second"),
        markdown("text\n## A1 · $Sect$ion\n### deeper\ntext"),
        nbformat.v4.new_code_cell("# a comment"),
        answer("third"),
        markdown("# B · Part"),
        answer("fourth"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "other.ipynb")
    monkeypatch.setattr(pages, "NOTEBOOKS", tmp_path)
    headings.cache_clear()
    found = headings("other")
    missing = headings("none")
    headings.cache_clear()
    places = {name: (place.part, place.section) for name, place in found.places.items()}
    assert found.title == "The title"
    assert places["first"] == ("", "")
    assert places["second"] == ("A · Part", "")
    assert places["third"] == ("A · Part", "A1 · Section")
    assert places["fourth"] == ("B · Part", "")
    assert (missing.title, missing.places) == ("none", {})


# ---------------------------------------------------------------- nothing that a student wrote does anything


def evil_submission(text: str):
    one = wrong(
        "perplexity", sentences=(text, text), case=text, shown=((text, text), ("got", text)), hidden=((text, text),)
    )
    return with_results(f"{text} student", {"perplexity": one}, remarks=(text,), file=text, problem=text)


def test_text_from_students_becomes_no_element_and_no_attribute(tmp_path):
    result = evil_submission(EVIL)
    marks = marks_of(result, points=0.5, reason=EVIL, late=(5.0, EVIL))
    page = read(feedback_page(result, marks, show_inputs=True))
    write_feedback([result], marks, tmp_path, show_inputs=True)
    index = read((tmp_path / "index.html").read_text(encoding="utf-8"))
    for parsed in (page, index):
        assert set(parsed.elements) <= ELEMENTS
        assert {name for name, _ in parsed.attributes} <= ATTRIBUTES
        assert parsed.comments == []
        assert not [value for name, value in parsed.attributes if "alert(" in value or "javascript:" in value]
        assert parsed.elements.count("style") == 1
        assert "<script>alert(1)</script></style></title>{{7*7}}{% raw %} & \"q\" 'q'" in parsed.text
        everything = "".join(parsed.words)
        assert not set(everything) & set("\x00\x1b\u202e\u2066\ud800")
    without = read(feedback_page(evil_submission("word"), marks_of(evil_submission("word")), show_inputs=True))
    assert set(page.elements) == set(without.elements)
    with_next_step = read(feedback_page(replace(result, problem=None), [], show_inputs=True))
    hrefs = [value for name, value in with_next_step.attributes if name == "href"]
    assert hrefs
    assert all(re.fullmatch(r"#[\w-]+", value) for value in hrefs)


def test_a_megabyte_of_text_is_cut():
    result = evil_submission("<b>" + "x`" * 500_000)
    page = feedback_page(result, marks_of(result), show_inputs=True)
    assert len(page) < 120_000
    assert "more characters)" in page
    assert clean("y" * 5000, 10) == "yyyyyyyyyy … (4,990 more characters)"


def test_the_policy_allows_the_one_style_sheet_and_nothing_else():
    page = feedback_page(submission("Ada"), [])
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert " style=" not in page
    assert not re.search(r"https?:|@import|url\(|<script|<img|<link", page)


# ---------------------------------------------------------------- files


def test_file_names_are_safe_and_never_the_same():
    names = [
        "ada",
        "Ada",
        "ADA",
        "../../etc/passwd",
        "a/b",
        "a_b",
        "",
        ".",
        "..",
        "con",
        "NUL.txt",
        "Müller",
        "Mu\u0308ller",
    ]
    names += [
        "x" * 300,
        "x" * 301,
        "\ud800",
        "\x00",
        "index.html",
        "a\nb",
        "-rf",
        "~",
        "a.",
        "a ",
        "unnamed",
        "漢字",
        "漢",
    ]
    chosen = file_names(names, taken=["index.html"])
    assert set(chosen) == set(names)
    assert len({name.casefold() for name in chosen.values()} - {"index.html"}) == len(names)
    for name in chosen.values():
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*[A-Za-z0-9_-]", name)
        assert len(name) < 120
        assert name.split(".")[0].casefold() not in ("con", "nul")
    assert chosen["a_b"] == "a_b"
    assert chosen == file_names(reversed(names), taken=["index.html"])


def test_every_submission_gets_its_own_page_and_a_line_in_the_index(tmp_path):
    results = [
        *made_up_class(12),
        submission("../Eve", [], notebook="", file="a.ipynb", problem="Empty."),
        submission("../Eve", [], notebook="", file="b.ipynb", problem="Empty."),
        submission("eve", file="c.ipynb"),
        submission("Eve", file="d.ipynb"),
    ]
    write_feedback(results, [], tmp_path / "out")
    written = sorted(tmp_path.rglob("*.html"))
    assert len(written) == len(results) + 1
    assert all(path.is_relative_to(tmp_path / "out") for path in written)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".html"]
    index = read((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
    linked = {tmp_path / "out" / value for name, value in index.attributes if name == "href"}
    assert linked == {path for path in written if path.name != "index.html"}
    assert (tmp_path / "out" / "Eve" / f"{NOTEBOOK}.html").exists()


def test_pages_are_the_same_each_time(tmp_path):
    results = made_up_class(4)
    for name in ("one", "two"):
        write_feedback(results, [], tmp_path / name)
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.html")}
        for name in ("one", "two")
    )
    assert one == two
    assert len(one) == 5


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CourseError, match="cannot be written"):
        write_feedback([submission("Ada")], [], tmp_path / "file")


# ---------------------------------------------------------------- as a browser shows it


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine (Debian: chromium)")
def test_a_browser_shows_pages_without_running_or_blocking_anything(tmp_path):
    from playwright.sync_api import sync_playwright

    result = evil_submission(EVIL)
    write_feedback([result], marks_of(result), tmp_path, show_inputs=True)
    complaints = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        colours = {}
        for scheme in ("light", "dark"):
            page = chromium.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
            page.on("console", lambda message: complaints.append(message.text))
            page.on("dialog", lambda dialog: complaints.append(dialog.message))
            page.goto(next(tmp_path.glob("*/*.html")).as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert wide == 390
            assert page.evaluate("document.scripts.length") == 0
        chromium.close()
    assert complaints == []
    assert colours["light"] != colours["dark"]
