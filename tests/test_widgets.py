"""Each widget is moved once: what it shows changes, comes back, and has a still picture beside it."""

import base64
import re

import ipywidgets
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from course_utils import widgets

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def explorer():
    rng = np.random.default_rng(0)
    maps = {perp: [rng.normal(size=(40, 2)) for _ in range(2)] for perp in (5, 30)}
    notes = {perp: [f"note {perp}-{start}" for start in (1, 2)] for perp in maps}
    return widgets.perplexity_explorer(maps, np.arange(40) % 3, notes, title="T")


def picture(explorer):
    """The PNG that is shown, and its alternative text."""
    alt, data = re.search(r'alt="([^"]*)" src="data:image/png;base64,([^"]+)"', explorer.shown.value).groups()
    return base64.b64decode(data), alt


def test_moving_perplexity_and_start_changes_the_map(explorer):
    first = picture(explorer)
    assert "Perplexity 5, start 1: note 5-1" in first[1]
    explorer.controls["perplexity"].value = 30
    second = picture(explorer)
    assert "Perplexity 30, start 1: note 30-1" in second[1]
    explorer.controls["start"].value = 2
    third = picture(explorer)
    assert "Perplexity 30, start 2: note 30-2" in third[1]
    assert len({first[0], second[0], third[0]}) == 3
    explorer.controls["perplexity"].value, explorer.controls["start"].value = 5, 1
    assert picture(explorer) == first


def test_moving_sigma_changes_the_perplexity_shown():
    explorer = widgets.sigma_explorer(np.linspace(1, 5, 200))
    shown = []
    for sigma in (0.11, 1.0, 4.9):
        explorer.controls["sigma"].value = sigma
        shown.append(float(re.search(r"perplexity (\d+\.\d)", picture(explorer)[1]).group(1)))
    assert shown == sorted(shown)
    assert shown[0] < 10
    assert shown[-1] > 100


def test_sigma_gives_the_perplexity_of_equal_neighbours():
    explorer = widgets.sigma_explorer(np.ones(8))
    assert "perplexity 8.0" in picture(explorer)[1]


def test_display_holds_the_controls_and_a_still_picture(explorer, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    explorer._ipython_display_()
    (bundle,) = shown
    assert VIEW in bundle
    assert bundle["text/html"].startswith('<img alt="T. 2 maps: perplexity 5; perplexity 30."')
    assert bundle["text/plain"] == explorer.still().alt


def test_runs_in_a_notebook_without_a_browser():
    cells = [
        "import numpy as np\nfrom course_utils import widgets",
        "explorer = widgets.sigma_explorer(np.linspace(1, 5, 50))\nexplorer",
        "before = explorer.shown.value\nexplorer.controls['sigma'].value = 3.0\nprint(before != explorer.shown.value)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    displayed = notebook.cells[1].outputs
    assert [output.output_type for output in displayed] == ["display_data"]
    assert {VIEW, "text/html", "text/plain"} <= set(displayed[0].data)
    assert notebook.cells[2].outputs[0].text == "True\n"


def test_controls_are_widgets_with_a_name_each(explorer):
    assert all(isinstance(control, ipywidgets.Widget) for control in explorer.controls.values())
    assert [control.description for control in explorer.controls.values()] == ["perplexity", "start"]


def test_typing_a_word_shows_its_neighbours_and_an_unknown_word_is_said_to_be_so():
    words = ["red", "green", "blue", "one", "two"]
    vectors = np.array([[1, 0.1], [1, 0.2], [1, 0.4], [0.1, 1], [0.2, 1]])
    explorer = widgets.word_explorer(words, vectors, words, vectors, start="red", k=2, title="Five words")
    first = picture(explorer)
    assert first[1].startswith("Five words red: ")
    assert "red: green 1.00, blue 0.96" in first[1]
    explorer.controls["word"].value = " One "
    assert "one: two 1.00, blue 0.46" in picture(explorer)[1]
    explorer.controls["word"].value = "seven"
    assert "“seven” is not among these 5 words" in picture(explorer)[1]
    explorer.controls["word"].value = "red"
    assert picture(explorer) == first


@pytest.fixture
def pairs():
    """Two pictures each of two people on a line: 0 and 1, 3 and 5."""
    pictures = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    E = np.array([[0.0], [1.0], [3.0], [5.0]])
    names = ["Ada 1", "Ada 2", "Bob 1", "Bob 2"]
    return widgets.pair_explorer(pictures, E, np.array([0, 0, 1, 1]), names, start=(0, 1), title="T.")


def test_choosing_two_pictures_shows_their_distance_and_the_decision(pairs):
    pairs.controls["threshold"].value = 2.5
    first = picture(pairs)
    assert "Distance 1.00: same (right)" in first[1]
    pairs.controls["second"].value = 2
    assert "Distance 3.00: different (right)" in picture(pairs)[1]
    pairs.controls["first"].value = 1
    assert "Distance 2.00: same (wrong)" in picture(pairs)[1]
    pairs.controls["first"].value, pairs.controls["second"].value = 0, 1
    assert picture(pairs) == first


def test_moving_the_threshold_shows_both_errors_of_all_pairs(pairs):
    # same pairs at 1 and 2; different ones at 3, 5, 2 and 4
    for threshold, rates in ((0.5, "FAR 0.0%, FRR 100.0%"), (1.5, "FAR 0.0%, FRR 50.0%"), (2.0, "FAR 25.0%, FRR 0.0%")):
        pairs.controls["threshold"].value = threshold
        assert f"Threshold {threshold:.2f}: {rates}" in picture(pairs)[1]


def test_the_still_picture_of_a_pair_needs_no_kernel(pairs):
    assert pairs.still().alt.startswith("T. Distance 1.00")
