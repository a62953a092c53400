"""Figures carry alternative text, stay small, keep words and pictures apart, and say what they were given."""

import base64
import io
import itertools
import re

import numpy as np
import pytest
from PIL import Image

from course_utils import plots
from course_utils.plots.figure import CLASSES, MARKERS, colours_and_markers, with_few_colours


@pytest.fixture(scope="module")
def Y():
    return np.random.default_rng(0).normal(size=(300, 2)) * 10


@pytest.fixture(scope="module")
def labels():
    return np.arange(300) % 10


P = np.array([[0, 0.3, 0.1], [0.3, 0, 0.1], [0.1, 0.1, 0]])
costs = np.linspace(3, 1, 50)
distances = np.sort(np.random.default_rng(1).random(80)) + 0.5
images = np.random.default_rng(2).random((300, 8, 8))
pairs = np.random.default_rng(3).random(40) + np.repeat([0, 1], 20), np.repeat([0, 1], 20)

PICTURES = {
    "scatter_map": lambda Y, labels: plots.scatter_map(Y, labels, title="T"),
    "scatter_map, no labels": lambda Y, labels: plots.scatter_map(Y, title="T"),
    "scatter_map, notes": lambda Y, labels: plots.scatter_map(Y, labels, notes={"here": np.zeros(2)}, title="T"),
    "value_map": lambda Y, labels: plots.value_map(Y, Y[:, 0], value_name="height", title="T"),
    "map_with_images": lambda Y, labels: plots.map_with_images(Y, images, labels, title="T"),
    "map_with_images, values": lambda Y, labels: plots.map_with_images(Y, images, values=Y[:, 0], title="T"),
    "map_with_words": lambda Y, labels: plots.map_with_words(Y, [f"word{i}" for i in range(300)], title="T"),
    "word_regions": lambda Y, labels: plots.word_regions(
        Y, [f"word{i}" for i in range(300)], {"a": ["word1"], "b": ["word2", "word3"]}, radius=5, title="T"
    ),
    "maps_side_by_side": lambda Y, labels: plots.maps_side_by_side([Y, Y], labels, titles=["a", "b"], title="T"),
    "image_row": lambda Y, labels: plots.image_row(images[:5], range(5), title="T"),
    "bars": lambda Y, labels: plots.bars([1, 2], ["a", "b"], xlabel="x", ylabel="y", title="T"),
    "matrix": lambda Y, labels: plots.matrix(P, classes=np.array([0, 0, 1]), title="T"),
    "picture_pairs": lambda Y, labels: plots.picture_pairs(images[:4], images[4:8], "abcd", title="T"),
    "picture_table": lambda Y, labels: plots.picture_table(
        images[:6].reshape(2, 3, 8, 8), "abc", ["def"] * 2, title="T"
    ),
    "siamese": lambda Y, labels: plots.siamese(*images[:2], title="T"),
    "roc": lambda Y, labels: plots.roc({"a": (np.array([0, 0.01, 1]), np.array([0, 0.5, 1]))}, title="T"),
    "strips": lambda Y, labels: plots.strips({"a": costs, "b": costs - 2}, xlabel="x", ylabel="y", title="T"),
    "map_with_images, groups": lambda Y, labels: plots.map_with_images(Y, images, groups={"a": range(5)}, title="T"),
    "distance_histograms": lambda Y, labels: plots.distance_histograms(*pairs, threshold=1.0, title="T"),
    "pair_decision": lambda Y, labels: plots.pair_decision(images[:2], 0.5, *pairs, 1.0, title="T"),
    "pair_mask": lambda Y, labels: plots.pair_mask(np.eye(3, dtype=bool), "abc", "xyz", title="T"),
    "heatmaps": lambda Y, labels: plots.heatmaps({"P": P, "Q": P}, names=["a", "b", "c"], title="T"),
    "affinity_bells": lambda Y, labels: plots.affinity_bells(distances, {5: 0.1, 30: 0.3}, title="T"),
    "force_curves": lambda Y, labels: plots.force_curves(distances, {"SNE": distances}, title="T"),
    "curves": lambda Y, labels: plots.curves(distances, {"a": distances}, xlabel="x", ylabel="y", title="T"),
    "crowding": lambda Y, labels: plots.crowding({2: distances, 100: distances**2}, title="T"),
    "stencils": lambda Y, labels: plots.stencils(4, np.arange(9)[None], np.full((1, 9), 1 / 9), title="T"),
    "cost_curve": lambda Y, labels: plots.cost_curve(costs, marks={10: "here"}, title="T"),
    "cost_curve, runs": lambda Y, labels: plots.cost_curve({"a": costs, "b": costs}, title="T"),
    "scaling": lambda Y, labels: plots.scaling({"loop": ([10, 100], [0.1, 10])}, title="T"),
}


def test_every_function_of_the_package_is_drawn_here():
    drawn = {name.partition(",")[0] for name in PICTURES}
    assert set(plots.__all__) - {"Picture", "Watch", "WatchTraining"} == drawn


@pytest.mark.parametrize("name", PICTURES)
def test_picture(name, Y, labels):
    picture = PICTURES[name](Y, labels)
    png = picture.png()
    assert len(png) < 80_000
    width, height = Image.open(io.BytesIO(png)).size
    assert 700 <= width <= 1250
    assert height < 1.6 * width
    assert picture.alt.startswith("T.")
    assert len(picture.alt) > 10, "the default says more than the title"
    assert not set("$\\{}") & set(picture.alt), "formulas are in words"
    assert picture.get_suptitle() == "T"


@pytest.mark.parametrize("name", PICTURES)
def test_axes_are_labelled_or_bare(name, Y, labels):
    for axes in PICTURES[name](Y, labels).axes:
        if axes.get_visible() and len(axes.get_xticks()) and axes.get_label() != "<colorbar>":
            assert axes.get_xlabel(), "an axis with ticks says what it measures"
            assert axes.get_ylabel()


def test_alternative_text_is_escaped_and_the_picture_is_inside(Y):
    picture = plots.scatter_map(Y, title="T", alt='points < 3 & "far"')
    html = picture.html()
    assert '<img alt="points &lt; 3 &amp; &quot;far&quot;"' in html
    data = re.search(r'src="data:image/png;base64,([^"]+)"', html).group(1)
    assert base64.b64decode(data).startswith(b"\x89PNG")
    assert picture.bundle()["text/plain"] == 'points < 3 & "far"'


def test_alternative_text_says_formulas_in_words():
    curves = {"$L_1$": costs, r"$\sigma$": costs}
    picture = plots.curves(np.arange(50), curves, xlabel=r"$\|y_i - y_j\|$", ylabel="$p_{j|i}$ or $p_{ij}$", title="T")
    assert picture.alt == "T. Curves of p(j|i) or p_ij against ‖y_i - y_j‖: L_1; sigma."


def test_drawing_leaves_the_readers_matplotlib_alone(Y):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.scatter_map(Y).png()
    assert dict(mpl.rcParams) == before


def test_ten_classes_differ_in_colour_and_neighbours_in_shape():
    styles = colours_and_markers(25)
    assert len(set(styles)) == 25
    assert len({colour for colour, _ in styles[:10]}) == 10 == len(CLASSES)
    assert all(a[1] != b[1] for a, b in itertools.pairwise(styles))
    assert len(MARKERS) == len(set(MARKERS))


def texts_of(picture, words):
    renderer = picture.canvas.get_renderer()
    texts = [text for axes in picture.axes for text in axes.texts if text.get_text() in words]
    return {text.get_text(): text.get_window_extent(renderer) for text in texts}


def test_words_do_not_overlap_and_the_highlighted_come_first():
    Y = np.random.default_rng(3).normal(size=(400, 2))
    Y[399] = Y[0]
    words = [f"word{i}" for i in range(400)]
    boxes = texts_of(plots.map_with_words(Y, words, highlight=["word399"]), words)
    assert 50 < len(boxes) < 400
    assert "word399" in boxes
    assert "word0" not in boxes, "there is no room for it under the highlighted one"
    placed = list(boxes.values())
    assert not any(a.overlaps(b) for i, a in enumerate(placed) for b in placed[:i])


@pytest.mark.parametrize("kind", ["map", "regions"])
def test_few_highlighted_words_keep_their_colour(kind):
    Y = np.random.default_rng(3).normal(size=(400, 2))
    words = [f"word{i}" for i in range(400)]
    if kind == "map":
        picture = plots.map_with_words(Y, words, highlight=["word7"])
    else:
        picture = plots.word_regions(Y, words, {"a": ["word7"]}, radius=3, highlight=["word7"])
    red, green, blue = np.array(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(int).reshape(-1, 3).T
    assert ((red > 150) & (green < 110) & (blue < 60)).sum() > 30


def test_a_highlighted_word_without_room_keeps_its_coloured_dot():
    Y = np.array([[0.0, 0], [0, 0], [1, 1]])
    picture = plots.map_with_words(Y, ["one", "two", "far"], highlight=["one", "two"])
    assert len(texts_of(picture, ["one", "two"])) == 1
    assert picture.axes[0].collections[1].get_offsets().tolist() == [[0, 0], [0, 0]]


def test_notes_stand_above_their_markers():
    Y = np.random.default_rng(3).normal(size=(50, 2))
    picture = plots.scatter_map(Y, np.arange(50) % 2, notes={"here": Y[0], "there": Y[1]})
    boxes = texts_of(picture, ["here", "there"])
    assert boxes
    for word, place in (("here", Y[0]), ("there", Y[1])):
        if word in boxes:
            x, y = picture.axes[0].transData.transform(place)
            assert boxes[word].y0 > y + 3
            assert boxes[word].x0 < x < boxes[word].x1


def test_times_are_written_in_one_way_and_one_curve_needs_no_legend():
    ns, seconds = (10, 100, 1000), (1e-5, 3e-4, 2e-3)
    one = plots.scaling({"loop": (ns, seconds)}, title="T")
    two = plots.scaling({"loop": (ns, seconds), "NumPy": (ns, seconds)}, title="T")
    assert one.axes[0].get_legend() is None
    assert two.axes[0].get_legend() is not None
    two.draw_without_rendering()
    written = [label.get_text() for label in two.axes[0].get_yticklabels()]
    assert {"0.00001", "0.0001", "0.001"} <= set(written)
    assert not any("e" in text for text in written)


def test_a_region_shows_only_its_own_words():
    Y = np.array([[0.0, 0], [1, 1], [50, 50]])
    boxes = texts_of(plots.word_regions(Y, ["a", "b", "far"], {"near a": ["a"]}, radius=5), ["a", "b", "far"])
    assert set(boxes) == {"a", "b"}


def test_thumbnails_do_not_overlap(Y):
    from matplotlib.offsetbox import AnnotationBbox

    picture = plots.map_with_images(np.repeat(Y[:100], 3, axis=0), images)
    picture.draw_without_rendering()
    placed = [a.get_window_extent() for a in picture.axes[0].artists if isinstance(a, AnnotationBbox)]
    assert 20 < len(placed) <= 100
    assert not any(a.overlaps(b) for i, a in enumerate(placed) for b in placed[:i])


def test_no_pixel_changes_its_colour_visibly():
    """A palette made of the colours that most pixels have would lose those of a class with few points."""
    Y = np.random.default_rng(0).normal(size=(4000, 2))
    labels = np.full(4000, 3)
    labels[:18] = np.repeat([0, 1, 2, 4, 5, 6, 7, 8, 9], 2)
    drawn = io.BytesIO()
    plots.scatter_map(Y, labels).savefig(drawn, dpi=130)
    image = Image.open(drawn).convert("RGB")
    reduced = with_few_colours(image)
    difference = np.asarray(reduced.convert("RGB")).astype(int) - np.asarray(image)
    assert reduced.mode == "P"
    assert np.abs(difference).max() <= 40
    assert not difference[np.asarray(image).min(-1) == 255].any(), "white stays white"


def test_heatmap_writes_the_numbers():
    picture = plots.heatmaps({"P": P})
    written = [text.get_text() for text in picture.axes[0].texts]
    assert written == ["0.000", "0.300", "0.100", "0.300", "0.000", "0.100", "0.100", "0.100", "0.000"]


def test_legend_names_classes_that_only_a_later_map_has(Y):
    picture = plots.maps_side_by_side([Y, Y], [np.arange(300) % 2, np.arange(300) % 3], titles=["a", "b"])
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["0", "1", "2"]


def test_cost_curve_counts_iterations_from_the_first_cost():
    line = plots.cost_curve(costs, every=10).axes[0].lines[0]
    assert list(line.get_xdata()[:2]) == [10, 20]
    assert line.get_ydata()[-1] == costs[-1]


def run(watch, steps=200):
    for t in range(1, steps + 1):
        watch(t, np.full((30, 2), t) + np.arange(60).reshape(30, 2), 3 - t / 100)


def test_watch_keeps_copies_at_the_right_iterations_outside_a_notebook():
    Y = np.zeros((30, 2))
    with plots.Watch(np.arange(30) % 3, every=50) as watch:
        for t in range(1, 201):
            Y += 1  # in place, as an optimiser may
            watch(t, Y, 3 - t / 100)
    assert [iteration for iteration, _ in watch.frames] == [1, 50, 100, 150, 200]
    assert [frame[0, 0] for _, frame in watch.frames] == [1, 50, 100, 150, 200]
    assert len(watch.costs) == 200
    assert "iterations 1, 50, 100, 150, 200" in watch.story().alt


def test_watch_draws_into_one_output_area_and_ends_with_the_story(monkeypatch):
    class Handle:
        def __init__(self):
            self.bundles = []

        def update(self, bundle, raw):
            self.bundles.append(bundle)

    handle, first = Handle(), []

    def display(bundle, raw, display_id):
        first.append(bundle)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("course_utils.plots.runs._in_notebook", lambda: True)
    with plots.Watch(every=100) as watch:
        run(watch)
    assert len(first) == 1
    assert [bundle["text/plain"].count("Maps at iterations") for bundle in handle.bundles] == [0, 0, 1]


def test_a_watched_training_is_drawn_twenty_times_and_ends_with_all_of_it(monkeypatch):
    class Handle:
        def __init__(self):
            self.bundles = []

        def update(self, bundle, raw):
            self.bundles.append(bundle)

    handle = Handle()
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, display_id: handle)
    monkeypatch.setattr("course_utils.plots.runs._in_notebook", lambda: True)
    history = {"step": [], "loss": []}
    with plots.WatchTraining(400, {"loss": "the loss"}, title="T") as watch:
        for step in range(400):
            history["step"].append(step)
            history["loss"].append(1 / (step + 1))
            watch(history)
    assert len(handle.bundles) == 20  # after the first picture 19 more, and the last
    (line,) = [line for line in watch.now().axes[0].lines if line.get_label() == "the loss"]
    assert list(line.get_ydata()) == history["loss"]
    assert watch.now().axes[0].get_xlim() == (0, 400)


def test_watch_of_a_run_that_never_started_is_quiet():
    with pytest.raises(KeyError), plots.Watch():
        raise KeyError
