"""The data sets: right shapes, bytes and meaning, and one clear sentence where something is wrong."""

import functools
import gzip
import hashlib
import http.server
import importlib
import re
import socket
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from course_utils import data
from course_utils.data import catalogue, corpora, fetching
from course_utils.errors import CourseError

BUNDLED = [data_set.name for data_set in data.available() if data_set.kind == "bundled"]


# --- the catalogue ------------------------------------------------------------------------------------------


def test_names_are_the_documented_ones():
    assert [data_set.name for data_set in data.available()] == [
        "mnist",
        "glove",
        "game_states",
        "faces",
        "emoji",
        "word_lists",
        "toy_world",
        "docstrings",
        "mnist-70k",
        "text8",
        "lfw",
    ]


@pytest.mark.parametrize("name", BUNDLED)
def test_card_states_the_size_and_checksum_of_the_file(name):
    data_set = catalogue.find(name)
    card = (data_set.folder / "README.md").read_text(encoding="utf-8")
    for file in data_set.files:
        content = (data_set.folder / file.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file.sha256
        assert len(content) == file.size
        assert f"`{file.sha256}`" in card
        assert f"| size | {file.size:,} bytes |" in card
    for row in ("source", "licence", "credit", "made by"):
        assert f"| {row} |" in card


def test_bundled_sets_are_small():
    sizes = {name: catalogue.find(name).size for name in BUNDLED}
    assert sizes["mnist"] < 1_700_000
    assert sizes["glove"] < 2_100_000
    assert sizes["game_states"] < 1_500_000


def test_verify_passes_on_the_course_as_it_is():
    rows = data.verify()
    assert [name for name, _, _ in rows] == BUNDLED
    assert all(ok for _, ok, _ in rows), rows


@pytest.fixture
def course_copy(tmp_path, monkeypatch):
    """A folder that takes the part of the course's own, with damaged digits and without word vectors."""
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    (tmp_path / "data" / "mnist" / "digits.npz").write_bytes(b"PK broken")
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    monkeypatch.setattr(catalogue, "DATA", tmp_path / "data")
    return tmp_path


def test_damaged_and_missing_files_are_named_with_what_to_do(course_copy):
    with pytest.raises(CourseError, match=r"data/mnist/digits\.npz is damaged; get it back with `git checkout"):
        data.mnist()
    with pytest.raises(CourseError, match=r"data/glove/vectors\.npz is missing; .*download the course again"):
        data.glove()
    verdicts = {name: (ok, message) for name, ok, message in data.verify()}
    assert not verdicts["mnist"][0]
    assert "digits.npz is damaged" in verdicts["mnist"][1]
    assert "vectors.npz is missing" in verdicts["glove"][1]


def test_cache_lies_beside_the_course_or_in_the_users_cache(course_copy, monkeypatch):
    assert data.cache_folder() == course_copy / ".course" / "cache"
    monkeypatch.setattr(catalogue.os, "access", lambda *_: False)
    assert course_copy not in data.cache_folder().parents
    assert "embedding-course" in str(data.cache_folder())


def test_one_line_about_a_set_says_whether_it_is_here(course_copy):
    line = str(catalogue.find("mnist-70k"))
    assert "mnist-70k" in line
    assert "11.6 MB" in line
    assert "not here yet" in line
    assert "CC BY-SA 3.0" in line
    assert "not here yet" not in str(catalogue.find("mnist"))


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("torch", "pooch", "tqdm", "requests", "joblib", "sklearn")
    code = f"import course_utils.data, sys; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=catalogue.ROOT, check=True)
    assert run.stdout.strip() == "[]"


# --- mnist --------------------------------------------------------------------------------------------------


def test_mnist_shapes_and_values():
    images, labels = data.mnist()
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == np.uint8
    assert labels.shape == (10_000,)
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 255
    assert np.bincount(labels).tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    assert len(np.unique(images.reshape(10_000, -1), axis=0)) == 10_000


def test_mnist_is_balanced_at_any_length():
    labels = data.mnist()[1]
    tens = np.sort(labels[:8630].reshape(-1, 10), axis=1)
    assert (tens == np.arange(10)).all()
    assert (labels[:8630].reshape(-1, 10) != labels[:10]).any()  # shuffled, not repeated
    images, first = data.mnist(500)
    assert np.bincount(first).tolist() == [50] * 10
    assert np.array_equal(images, data.mnist()[0][:500])


@pytest.mark.parametrize("n", [-1, 10_001])
def test_mnist_says_which_n_is_possible(n):
    with pytest.raises(CourseError, match="between 0 and 10,000"):
        data.mnist(n)


def test_mnist_labels_belong_to_the_pictures():
    """Nearest class mean finds the digit of unseen pictures, far above the 0.1 of mixed-up labels."""
    images, labels = data.mnist(2000)
    X = images.reshape(2000, -1).astype(np.float64)
    means = np.stack([X[:1000][labels[:1000] == digit].mean(0) for digit in range(10)])
    nearest = ((X[1000:, None] - means) ** 2).sum(-1).argmin(1)
    assert (nearest == labels[1000:]).mean() > 0.75


# --- glove --------------------------------------------------------------------------------------------------


@functools.cache
def unit_vectors():
    words, vectors = data.glove()
    return words, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def neighbours(word, n):
    words, unit = unit_vectors()
    order = np.argsort(-(unit @ unit[words.index(word)]))
    return [words[i] for i in order if words[i] != word][:n]


def test_glove_shapes():
    words, vectors = data.glove()
    assert vectors.shape == (len(words), 50)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert len(set(words)) == len(words) == 20_302
    assert words[:5] == ["the", ",", ".", "of", "to"]
    assert np.allclose(vectors[0, :3], [0.418, 0.24968, -0.41242], atol=2e-4)  # the published vector of "the"


def test_frogs_neighbours_are_those_of_the_whole_vocabulary():
    card = (catalogue.find("glove").folder / "README.md").read_text(encoding="utf-8")
    found = neighbours("frog", 12)
    assert found[:3] == ["snake", "ape", "toad"]
    assert set(found) == set(re.search(r"first twelve here are ([^.]*)\.", card)[1].replace("\n", " ").split(", "))
    near = neighbours("frog", 20)
    assert "frogs" in near
    assert "litoria" not in near
    assert {"litoria", "leptodactylidae", "eleutherodactylus", "rana"} <= set(unit_vectors()[0])


def test_neighbours_mean_something():
    assert {"queen", "prince", "emperor"} <= set(neighbours("king", 10))
    assert {"hotels", "motel", "inn"} <= set(neighbours("hotel", 10))
    words, unit = unit_vectors()
    at = {word: unit[words.index(word)] for word in ("king", "man", "woman", "queen")}
    answer = np.argsort(-(unit @ (at["king"] - at["man"] + at["woman"])))[:2]
    assert [words[i] for i in answer] == [
        "king",
        "queen",
    ]  # the question's own word wins unless it is left out


# --- game states --------------------------------------------------------------------------------------------


def test_game_states_shapes():
    states = data.game_states()
    assert states.frames.shape == (3000, 10, 10, 4)
    assert states.frames.dtype == bool
    assert states.hidden.shape == (3000, 128)
    assert states.hidden.dtype == np.float32
    for array, dtype in [(states.value, np.float32), (states.returns, np.float32), (states.step, np.int64)]:
        assert array.shape == (3000,)
        assert array.dtype == dtype
    assert np.isfinite(states.hidden).all()
    assert (states.hidden >= 0).all()


def test_game_states_are_screens_of_the_game():
    frames = data.game_states().frames
    paddle, ball, _, bricks = np.moveaxis(frames, -1, 0)
    assert (paddle.sum((1, 2)) == 1).all()
    assert paddle[:, 9].sum() == 3000  # the paddle moves along the bottom row
    assert (ball.sum((1, 2)) == 1).all()
    assert bricks[:, 4:].sum() == 0
    assert not bricks[:, 0].any()


def test_game_states_are_varied():
    states = data.game_states()
    assert len(np.unique(states.frames.reshape(3000, -1), axis=0)) == 3000
    assert len(np.unique(states.episode)) > 100
    assert len(np.unique(states.frames[..., 3].sum((1, 2)))) > 20  # numbers of bricks left


def test_game_values_foretell_what_is_won():
    states = data.game_states()
    assert np.corrcoef(states.value, states.returns)[0, 1] > 0.4
    shuffled = np.random.default_rng(0).permutation(states.value)
    assert abs(np.corrcoef(shuffled, states.returns)[0, 1]) < 0.1


def test_game_values_are_linear_in_the_hidden_layer_for_each_action():
    """The network's head is linear, so a linear fit explains nearly all of the best action's value."""
    states = data.game_states()
    X = np.column_stack([states.hidden, np.ones(3000)])
    fitted = X @ np.linalg.lstsq(X[::2], states.value[::2], rcond=None)[0]
    left = states.value[1::2] - fitted[1::2]
    assert left.var() < 0.1 * states.value.var()


def test_thumbnail_shows_paddle_ball_and_bricks():
    frame = np.zeros((10, 10, 4), bool)
    frame[9, 4, 0] = frame[5, 5, 1] = frame[5, 5, 2] = frame[1, :, 3] = True
    picture = data.game_thumbnail(frame)
    assert picture.shape == (10, 10, 3)
    assert picture.dtype == np.uint8
    assert picture[5, 5].tolist() == [255, 255, 255]  # the ball, not the trail under it
    colours = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    assert len(colours) == 4  # nothing, paddle, ball, bricks


# --- docstrings ---------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    """A small site-packages with everything that can go wrong in one."""
    folder = tmp_path / "site-packages"
    files = {
        "alpha/__init__.py": b'"""Alpha measures things."""\n',
        "alpha/core.py": b'''
class Ruler:
    """A straight edge.

        with marks
    on it
    """
    def length(self):
        """Return the length."""
        def inner():
            """Not part of what the module offers."""
    async def wait(self):
        "One quote is enough."
try:
    def fast():
        """Return quickly."""
except ImportError:
    def slow():
        """Return slowly."""
def undocumented(): pass
def copy():
    """Alpha measures things."""
''',
        "alpha/tests/test_core.py": b'"""A test."""',
        "alpha/tests/helper.py": b'"""A helper of tests."""',
        "alpha/_vendor/beta.py": b'"""A copy."""',
        "alpha/test_more.py": b'"""Another test."""',
        "alpha/bad_syntax.py": b'"""Good docstring."""\ndef (:\n',
        "alpha/bad_bytes.py": b'"""\xff\xfe\xfa"""',
        "alpha/null.py": b'"""Null."""\n\0',
        "alpha/latin.py": '# -*- coding: latin-1 -*-\n"""Größe."""\n'.encode("latin-1"),
        "alpha/surrogate.py": b'"""Half a pair: \\ud800"""\n',
        "alpha/escape.py": b'"""A path \\d."""\n',
        "not-importable/x.py": b'"""Not a module."""',
        "single.py": b'"""Alpha measures things."""\n',
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    install(folder, "alpha", "1.0")
    return folder


def install(folder, name, version):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return info


def read_serially(site):
    """The same rules without worker processes."""
    return [pair for path in corpora.module_files(site) for pair in corpora.read_module(site, path)]


def test_docstrings_of_a_small_site(site, tmp_path):
    documents = corpora.read_cached([site], tmp_path / "cache")
    assert dict(zip(documents.names, documents.texts, strict=True)) == {
        "alpha": "Alpha measures things.",
        "alpha.core.Ruler": "A straight edge.\n\n    with marks\non it",
        "alpha.core.Ruler.length": "Return the length.",
        "alpha.core.Ruler.wait": "One quote is enough.",
        "alpha.core.fast": "Return quickly.",
        "alpha.core.slow": "Return slowly.",
        "alpha.escape": "A path \\d.",
        "alpha.latin": "Größe.",
        "single": "Alpha measures things.",
    }
    assert documents.packages == ["alpha"] * 8 + ["single"]
    assert documents.names == sorted(documents.names)


@pytest.mark.filterwarnings("error")
def test_reading_a_module_neither_runs_nor_warns(site):
    (site / "alpha" / "loud.py").write_text('"""Loud."""\nraise SystemExit("this ran")\n')
    assert ("alpha.loud", "Loud.") in read_serially(site)


def test_docstrings_are_cached_until_a_version_changes(site, tmp_path):
    cache = tmp_path / "cache"
    first = corpora.read_cached([site], cache)
    (site / "single.py").write_text('"""Changed."""')
    assert corpora.read_cached([site], cache) == first  # from the cache: the same versions

    (site / "alpha-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.1\n")
    importlib.invalidate_caches()
    second = corpora.read_cached([site], cache)
    assert "Changed." in second.texts
    assert len(list(cache.iterdir())) == 1  # the outdated one is gone


def test_a_broken_cache_is_read_again(site, tmp_path):
    cache = tmp_path / "cache"
    first = corpora.read_cached([site], cache)
    next(cache.iterdir()).write_text('{"texts": [')
    assert corpora.read_cached([site], cache) == first


def test_real_packages_are_found():
    folder = next(folder for folder in corpora.site_packages() if (folder / "numpy").is_dir())
    path = folder / "numpy" / "linalg" / "_linalg.py"
    found = dict(corpora.read_module(folder, path))
    assert "matrix" in found["numpy.linalg._linalg.norm"]


# --- fetching -----------------------------------------------------------------------------------------------


def idx(array):
    """MNIST's file format, gzipped."""
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes())


@pytest.fixture
def mirror(tmp_path):
    """A local server with four small files in MNIST's format, and the data set that describes them."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    rng = np.random.default_rng(0)
    shapes = {
        "train-images": (6, 28, 28),
        "train-labels": (6,),
        "t10k-images": (2, 28, 28),
        "t10k-labels": (2,),
    }
    files = []
    for name, shape in shapes.items():
        content = idx(rng.integers(0, 10, shape, dtype=np.uint8))
        (folder / name).write_bytes(content)
        files.append(catalogue.DataFile(name, len(content), hashlib.sha256(content).hexdigest()))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    yield folder, replace(catalogue.find("mnist-70k"), files=tuple(files), mirrors=(address,))
    server.shutdown()
    server.server_close()


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Let the catalogue hold one data set, and keep what is fetched in a temporary folder."""
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache")
    return lambda data_set: monkeypatch.setattr(catalogue, "DATA_SETS", (data_set,))


def unreachable():
    """The address of a local port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_fetch_then_read(mirror, use, capfd):
    _, data_set = mirror
    use(data_set)
    assert not data_set.present
    with pytest.raises(CourseError, match=r"train-images is missing; run `course data fetch mnist-70k`"):
        data.mnist_70k()
    folder = data.fetch("mnist-70k")
    assert sorted(path.name for path in folder.iterdir()) == sorted(file.name for file in data_set.files)
    assert data_set.present
    shown = capfd.readouterr()
    assert "100%" in shown.err  # the progress bar
    assert "SHA256" not in shown.err  # pooch's own advice
    assert "Downloading" not in shown.err

    images, labels = data.mnist_70k()
    assert images.shape == (8, 28, 28)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    rng = np.random.default_rng(0)
    assert np.array_equal(images[:6], rng.integers(0, 10, (6, 28, 28), dtype=np.uint8))
    assert np.array_equal(labels[:6], rng.integers(0, 10, 6, dtype=np.uint8))


def test_fetch_again_needs_no_server(mirror, use):
    _, data_set = mirror
    use(data_set)
    folder = data.fetch("mnist-70k")
    use(replace(data_set, mirrors=(unreachable(),)))
    assert data.fetch("mnist-70k") == folder


def test_without_a_network_there_is_one_sentence(mirror, use, capfd):
    use(replace(mirror[1], mirrors=(unreachable(), unreachable())))
    with pytest.raises(CourseError) as caught:
        data.fetch("mnist-70k")
    message = str(caught.value)
    assert "could not be downloaded" in message
    assert "check the network" in message
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert capfd.readouterr() == ("", "")


def test_a_file_that_the_server_does_not_have(mirror, use):
    folder, data_set = mirror
    use(data_set)
    (folder / "t10k-images").unlink()
    with pytest.raises(CourseError, match="no server gave its file t10k-images"):
        data.fetch("mnist-70k")


def test_a_damaged_download_is_not_kept(mirror, use):
    folder, data_set = mirror
    use(data_set)
    (folder / "train-labels").write_bytes(b"<html>Please log in to this network</html>")
    with pytest.raises(CourseError, match="train-labels of mnist-70k arrived damaged"):
        data.fetch("mnist-70k")
    assert not (data_set.folder / "train-labels").exists()
    assert not data_set.present


def test_a_second_mirror_helps(mirror, use):
    _, data_set = mirror
    use(replace(data_set, mirrors=(unreachable(), *data_set.mirrors)))
    data.fetch("mnist-70k")
    assert data_set.present


def test_a_file_damaged_later_is_noticed_and_fetched_again(mirror, use):
    _, data_set = mirror
    use(data_set)
    folder = data.fetch("mnist-70k")
    (folder / "train-labels").write_bytes(b"damaged")
    with pytest.raises(CourseError, match="train-labels is damaged"):
        data.mnist_70k()
    data.fetch("mnist-70k")
    assert data.mnist_70k()[1].shape == (8,)


def test_a_folder_that_cannot_be_written(mirror, use, tmp_path):
    _, data_set = mirror
    use(data_set)
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(CourseError, match="cannot be kept in"):
        data.fetch("mnist-70k")


def test_fetching_by_a_wrong_name_lists_the_right_ones():
    with pytest.raises(CourseError, match=r"no data set named 'mnits'; choose one of: mnist, glove"):
        data.fetch("mnits")


def test_fetching_what_is_here_already():
    assert data.fetch("glove") == catalogue.DATA / "glove"


def test_fetching_the_docstrings_reads_them(monkeypatch, tmp_path, site):
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(corpora, "site_packages", lambda: [site])
    assert not catalogue.find("docstrings").present
    data.fetch("docstrings")
    assert catalogue.find("docstrings").present
    assert "alpha.latin" in data.docstrings().names


def test_mnist_70k_is_fetched_over_https_with_known_checksums():
    data_set = catalogue.find("mnist-70k")
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in data_set.mirrors)
    assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) for file in data_set.files)
    assert data_set.size == 9912422 + 28881 + 1648877 + 4542
    assert fetching.TIMEOUT_SECONDS <= 30


def test_results_name_their_machine_and_a_missing_one_is_a_sentence():
    measured = data.results("tsne_benchmark")
    assert measured["machine"]["cpu"]
    assert measured["source_sha256"]
    with pytest.raises(CourseError, match="missing or damaged"):
        data.results("nothing")
