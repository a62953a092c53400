"""A learner's first minutes in a real browser: open notebook 01, answer wrongly, then rightly, move its widget.

JupyterLab serves a released homework folder, so nothing of the project itself is changed.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from course_utils.release import release

TOKEN = "browser-test"
WAIT = 90_000  # milliseconds for anything to appear; two busy cores are slow to start a kernel
STUB_BODY = "    norms = (X * X).sum(1)\n    D = norms[:, None] + norms[None, :] - {factor}2 * X @ X.T\n"
ANSWER = "def squared_distances(X):\n" + STUB_BODY + "    np.fill_diagonal(D, 0)\n    return np.maximum(D, 0)"

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: install one (Debian: apt-get install chromium)"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a homework folder; yields its address."""
    folder = tmp_path_factory.mktemp("lab") / "homework"
    release(folder, nbgrader=False)
    port = free_port()
    command = [sys.executable, "-m", "course_utils", "lab", "--no-browser", "--port", str(port), "--token", TOKEN]
    environment = {**os.environ, "HOME": str(folder.parent), "PYTHONPATH": str(folder)}
    log = (folder.parent / "lab.log").open("w")
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api/status?token={TOKEN}", process, folder.parent / "lab.log")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, f"JupyterLab ended: {log.read_text()}"
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer within a minute: {log.read_text()}")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(WAIT)
    yield page
    page.close()


def code_cell(page, text):
    cell = page.locator(".jp-Notebook .jp-CodeCell").filter(has_text=text).first
    cell.scroll_into_view_if_needed()
    return cell


def run_cell(page, cell):
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def write_cell(page, cell, source):
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Control+Enter")


def test_the_first_thing_seen_is_the_course(lab, page):
    page.goto(f"{lab}/?token={TOKEN}")
    page.get_by_role("heading", name="Embeddings, built by hand").wait_for()
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".jp-toast-message, .Toastify__toast").count() == 0
    assert page.get_by_text("Nbgrader").count() == 0
    page.get_by_role("link", name="From SNE to t-SNE").click()
    page.locator(".jp-Notebook").get_by_role("heading", name="01 · From SNE to t-SNE").wait_for()
    assert page.locator(".jp-Dialog").count() == 0


def test_an_exercise_wrong_then_right_then_a_widget(lab, page):
    from playwright.sync_api import expect

    page.goto(f"{lab}/lab/tree/notebooks/01_sne_to_tsne.ipynb?token={TOKEN}")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    run_cell(page, code_cell(page, "default_rng(0)"))
    exercise = code_cell(page, "def squared_distances(X):")
    check = code_cell(page, 'check("squared-distances")')

    run_cell(page, exercise)
    run_cell(page, check)
    check.get_by_text("still raises NotImplementedError").wait_for()

    write_cell(page, exercise, ANSWER.format(factor="0.5 * "))
    run_cell(page, check)
    check.get_by_text("The cross term of the square counts twice").wait_for()
    check.get_by_text("First case that fails: three points on a line").wait_for()
    assert check.get_by_text("Traceback").count() == 0

    write_cell(page, exercise, ANSWER.format(factor=""))
    run_cell(page, check)
    check.get_by_text("right. 7 of 7 cases pass, 1 point.").wait_for()

    # the widget of part A needs the digits, and their distances by the function that was just written
    run_cell(page, code_cell(page, "images, labels = data.mnist(500)"))
    run_cell(page, code_cell(page, "D = squared_distances(X)"))
    widget = code_cell(page, "widgets.sigma_explorer(")
    run_cell(page, widget)
    picture = widget.locator(".jp-OutputArea img").first
    before = picture.get_attribute("alt")
    assert re.match(r"σ = 1\.\d+: perplexity \d", before)
    widget.locator(".noUi-handle").first.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    expect(picture).to_have_attribute("alt", re.compile(r"σ = 2\.\d+: perplexity \d\d"), timeout=WAIT)
    assert picture.get_attribute("src").startswith("data:image/png;base64,")
