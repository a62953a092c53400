"""The class report: numbers against SciPy and against examples worked by hand, figures, CSV, and hostile text."""

import csv
import io
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from made_up_class import NOTEBOOK, made_up_class, right, submission, with_results, wrong
from scipy.stats import pearsonr
from test_pages import ATTRIBUTES, ELEMENTS, EVIL, mark_of, marks_of, read

from course_utils import exercises, frozen
from course_utils.errors import CourseError
from course_utils.grading.item_analysis import item_rest_correlations, items, mistakes
from course_utils.grading.report import protected, write_report
from course_utils.grading.results import Status

SVG = {"desc", "g", "path", "use", "defs", "clippath", "text"}


def report(folder, results, marks=()) -> tuple[str, list[dict[str, str]]]:
    """The page, and the rows of the CSV file."""
    write_report(results, marks, folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    return page, list(csv.DictReader(io.StringIO((folder / "report.csv").read_text(encoding="utf-8"), newline="")))


def value(rows, about, name, exercise="") -> str:
    found = [row["value"] for row in rows if (row["about"], row["name"], row["exercise"]) == (about, name, exercise)]
    assert len(found) == 1, (about, name, exercise)
    return found[0]


# ---------------------------------------------------------------- numbers


def test_discrimination_by_hand():
    scores = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]])
    # Item 1 (1, 1, 0, 0) against items 2 + 3 (1, 0, 2, 1): means 1/2 and 1, products of the deviations sum to -1,
    # squares to 1 and 2, so r = -1 / sqrt(2). Item 2 against items 1 + 3, (1, 1, 1, 1): they do not vary. Item 3
    # (0, 0, 1, 1) against items 1 + 2, (2, 1, 1, 0): -1 / sqrt(2) again.
    found = item_rest_correlations(scores)
    assert found == pytest.approx([-1 / np.sqrt(2), np.nan, -1 / np.sqrt(2)], nan_ok=True)


def test_discrimination_is_pearsons_correlation_with_the_other_exercises():
    rng = np.random.default_rng(3)
    scores = rng.integers(0, 2, (9, 5)) * np.array([1.0, 2, 2, 3, 0.1])
    expected = [pearsonr(scores[:, j], np.delete(scores, j, axis=1).sum(1)).statistic for j in range(5)]
    assert item_rest_correlations(scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "scores",
    [np.ones((1, 3)), np.full((5, 3), 0.1), np.array([[0.0], [1.0]]), np.tile([0.1, 0.2, 0.3], (7, 1))],
)
def test_discrimination_is_undefined_without_variance(scores):
    assert np.isnan(item_rest_correlations(scores)).all()


def test_an_exercise_by_hand():
    results = [
        with_results("a", {"perplexity": wrong("perplexity", mistake="entropy returned", seconds=3.0)}),
        with_results("b", {"perplexity": wrong("perplexity", public_passed=5), "pca-start": wrong("pca-start")}),
        with_results("c", {"perplexity": wrong("perplexity", Status.UNSOLVED, cases=0, public_cases=0, seconds=0.0)}),
        with_results("d", {"perplexity": right("perplexity", Status.FOLLOW_THROUGH, seconds=1.0, mistake="0 log 0")}),
        submission("e", problem="Damaged."),
    ]
    one = next(item for item in items(NOTEBOOK, results) if item.exercise == "perplexity")
    assert (one.n, one.difficulty) == (4, 0.25)
    assert one.share(Status.FOLLOW_THROUGH) == 0.25
    assert one.count(Status.WRONG) == 2
    assert (one.check_only, one.unnamed) == (1, 0)
    assert sorted(one.seconds) == [0.02, 1.0, 3.0]
    assert one.time(0.5) == 1.0
    # points (0, 0, 0, 1), the others (35, 33, 35, 35): deviations (-1, -1, -1, 3) / 4 and (1, -3, 1, 1) / 2
    assert one.discrimination == pytest.approx((4 / 8) / np.sqrt(12 / 16 * 12 / 4))
    named = mistakes(results[:4])
    assert [(found.exercise, found.name, found.count) for found in named] == [("perplexity", "entropy returned", 1)]
    assert named[0].sentence == frozen.load("perplexity").sentences["entropy returned"]


def test_what_is_undefined_is_said_and_why(tmp_path):
    _, rows = report(tmp_path, [submission("a")])
    found = [row for row in rows if row["name"] == "discrimination"]
    assert len(found) == len(exercises.of(NOTEBOOK))
    assert {(row["value"], row["n"], row["text"]) for row in found} == {("", "1", "undefined: only one submission")}
    one, other = items(NOTEBOOK, [submission("a"), with_results("b", {"perplexity": wrong("perplexity")})])[1:3]
    assert (one.discrimination, one.undefined) == (None, "all have the same points")
    assert (other.discrimination, other.undefined) == (None, "all have the same points in the other exercises")


def test_the_csv_holds_the_numbers(tmp_path):
    results = [
        submission("a"),
        with_results("b", {"perplexity": wrong("perplexity"), "sigma-search": wrong("sigma-search", Status.TIMED_OUT)}),
        submission("c", problem="Damaged.", file="c.ipynb"),
    ]
    marks = marks_of(results[0], late=(50.0, "late")) + [
        mark_of(results[1], one.exercise, 0.5 if one.exercise == "perplexity" else None) for one in results[1].exercises
    ]
    page, rows = report(tmp_path, results, marks)
    assert value(rows, "class", "submissions graded") == "2"
    assert value(rows, "class", "late") == "1"
    assert value(rows, "class", "marks set by hand") == "1"
    assert float(value(rows, "class", "mean points")) == (18 + 32.5) / 2  # 36 less 50 %; 36 - 3 - 1 + 0.5
    assert value(rows, "points", "32.5") == "1"
    assert float(value(rows, "exercise", "difficulty", "perplexity")) == 0.5  # as graded, before the override
    assert float(value(rows, "exercise", "share timed out", "sigma-search")) == 0.5
    assert next(row for row in rows if row["about"] == "not graded")["text"] == "c.ipynb: Damaged."
    assert next(row for row in rows if row["about"] == "stopped")["exercise"] == "The search for σ"
    assert "25.2 of 36" in page


def test_the_report_agrees_with_the_made_up_class(tmp_path):
    results = made_up_class(30, seed=1)
    _, rows = report(tmp_path, results)
    graded = [result for result in results if result.problem is None]
    assert float(value(rows, "class", "mean points")) == pytest.approx(np.mean([r.points for r in graded]), abs=1e-6)
    scores = np.array([[one.points for one in result.exercises] for result in graded])
    for column, exercise in enumerate(exercises.of(NOTEBOOK)):
        rest = scores.sum(1) - scores[:, column]
        found = value(rows, "exercise", "discrimination", exercise.id)
        if np.ptp(scores[:, column]):
            assert float(found) == pytest.approx(pearsonr(scores[:, column], rest).statistic, abs=1e-6)
        else:
            assert found == ""
        shares = [float(value(rows, "exercise", f"share {status}", exercise.id)) for status in Status]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert sum(int(row["value"]) for row in rows if row["about"] == "points") == len(graded)


def test_submissions_of_an_older_form_of_the_notebook_are_said_to_be_left_out(tmp_path):
    older = submission("old", [right("perplexity"), right("pca-start")])
    page, rows = report(tmp_path, [submission("a"), submission("b"), older])
    assert "1 of 3 submissions were graded with other exercises than the notebook has now" in read(page).text
    assert value(rows, "class", "submissions graded") == "3"
    assert {row["n"] for row in rows if row["name"] == "difficulty"} == {"2"}


# ---------------------------------------------------------------- what it says


def test_what_to_look_at_first(tmp_path):
    named = {"mistake": "entropy returned", "sentences": ("This is the entropy.",)}
    results = [with_results(f"s{i}", {"perplexity": wrong("perplexity", **named)} if i < 6 else {}) for i in range(12)]
    results += [with_results(f"t{i}", {"pca-start": wrong("pca-start", public_passed=5)}) for i in range(3)]
    text = read(report(tmp_path, results)[0]).text
    assert "Entropy and perplexity: 6 of 15 made one mistake, “entropy returned”. This is the entropy;" in text
    assert "A start from principal components: for 3 of 15 their own check passes and the unseen inputs fail." in text
    first, second = text.index("6 of 15 made one mistake"), text.index("for 3 of 15 their own check")
    assert text.index("Look at these first") < first < second
    assert "who has it right does not have more of the others right" in text  # wrong in one, right in the other
    assert "Nothing stands out." in read(report(tmp_path, [submission("a"), submission("b")])[0]).text


def test_figures_have_titles_and_follow_the_theme(tmp_path):
    page, _ = report(tmp_path, made_up_class(20))
    drawn = re.findall(r"<svg.*?</svg>", page, re.S)
    titles = []
    identities = []
    for svg in drawn:
        root = ET.fromstring(svg)
        named = {element.get("id"): element for element in root.iter() if element.get("id")}
        title, description = (named[identity].text for identity in root.get("aria-labelledby").split())
        assert root.get("role") == "img"
        assert len(description) > 50
        titles.append(title)
        identities += list(named)
        assert not [element for element in root.iter() if "style" in element.attrib or element.tag == "style"]
        texts = list(root.iter("text"))
        assert texts
        assert {element.get("fill") for element in texts} == {"currentColor"}
        for reference in re.findall(r'(?:href="|url\()#([\w-]+)', svg):
            assert reference in named
    assert titles[:3] == [
        "How many points were earned",
        "Difficulty and discrimination of every exercise",
        "The most frequent named mistakes",
    ]
    assert titles[3].startswith("Time taken")
    assert len(identities) == len(set(identities))


def test_a_class_of_nobody_and_one_of_damaged_files_have_a_report(tmp_path):
    page, rows = report(tmp_path / "empty", [])
    assert "0 students" in read(page).text
    assert rows == []
    page, rows = report(tmp_path / "damaged", [submission("a", [], notebook="", problem="Empty."), made_up_class(1)[0]])
    assert "2 files that could not be graded" in read(page).text
    assert [row["name"] for row in rows if row["about"] == "not graded"] == ["Otto Z.", "a"]


# ---------------------------------------------------------------- hostile text


def test_text_from_students_does_nothing(tmp_path):
    stopped = wrong("perplexity", Status.LIMIT, sentences=(EVIL,), mistake=EVIL)
    results = [
        with_results(f"{EVIL}1", {"perplexity": stopped}, file=EVIL, remarks=(EVIL,)),
        with_results(f"{EVIL}2", {"perplexity": stopped}),
        submission(f"=1+1{EVIL}", [], notebook="", file=f"@{EVIL}", problem=f"{EVIL}" + "x" * 1_000_000),
    ]
    page, rows = report(tmp_path, results, [mark for result in results for mark in marks_of(result, reason=EVIL)])
    parsed = read(page)
    assert set(parsed.elements) <= ELEMENTS | SVG | {"figure", "figcaption"}
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("style", "src")]
    assert not [text for _, text in parsed.attributes if "alert(" in text or "javascript:" in text]
    assert parsed.comments == []
    assert parsed.elements.count("style") == 1
    assert len(page) < 400_000
    assert not set("".join(parsed.words)) & set("\x00\x1b\u202e\u2066\ud800")
    assert ATTRIBUTES - {"aria-hidden", "preserveaspectratio"} <= {name for name, _ in parsed.attributes} | {"href"}
    raw = (tmp_path / "report.csv").read_text(encoding="utf-8")
    assert not set(raw) & set("\x00\x1b\u202e\u2066\ud800")
    assert len(raw) < 60_000
    names = [row["name"] for row in rows if row["about"] == "not graded"]
    assert names[0].startswith("'=1+1")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t=", "\r=", "  =", "\n@"])
def test_no_cell_begins_a_formula(begin):
    cell = protected(f"{begin}HYPERLINK(1)")
    assert cell.startswith("'")
    assert "HYPERLINK(1)" in cell


def test_numbers_stay_numbers_in_the_csv():
    assert protected(-0.25) == -0.25
    assert protected(3) == 3
    assert protected(None) == ""
    assert protected("plain, text") == "plain, text"


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CourseError, match="cannot be written"):
        write_report([submission("Ada")], [], tmp_path / "file")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium on this machine (Debian: chromium)")
def test_a_browser_blocks_nothing_of_the_report(tmp_path):
    from playwright.sync_api import sync_playwright

    write_report(made_up_class(20), [], tmp_path)
    complaints = []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        ink = {}
        for scheme, width in (("light", 390), ("dark", 1200)):
            page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.on("console", lambda message: complaints.append(message.text))
            page.goto((tmp_path / "report.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") == width
            ink[scheme] = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
        chromium.close()
    assert complaints == []
    assert ink["light"] != ink["dark"]
