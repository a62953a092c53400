"""How JupyterLab is started: on the course's start page, with settings of its own, asking nothing."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from pathlib import Path

from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]
START_PAGE = "notebooks/START_HERE.md"
HOME = Path(".course") / "jupyter"  # of everything that Jupyter remembers, below the project folder
FIRST_PORT = 8888
NBGRADER = ("assignment_list", "course_list", "formgrader", "validate_assignment")

# JupyterLab's defaults as the course sets them; what the learner changes in its menus has the last word.
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/notebook-extension:tracker": {"autoStartDefaultKernel": True},
}


def private_environment(environ: dict[str, str], root: Path) -> dict[str, str]:
    """`environ` with Jupyter's and IPython's own folders under `root`/.course.

    The user's global settings, extensions and kernels can then not change the course, nor the course them.
    The kernel called python3 is the one of this Python's environment.
    """
    private = {k: v for k, v in environ.items() if k not in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")}
    home = root / HOME
    private.update(
        JUPYTER_PREFER_ENV_PATH="1",
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        IPYTHONDIR=str(home / "ipython"),
    )
    return private


def write_settings(home: Path) -> None:
    """Write the course's defaults where JupyterLab and its kernels look for them below `home`.

    nbgrader is there once the tests were installed; its panels and its server are none of a learner's business.
    """
    config = home / "config"
    files = {
        config / "labconfig" / "default_setting_overrides.json": SETTINGS,
        config / "labconfig" / "page_config.json": {"disabledExtensions": {"@jupyter/nbgrader": True}},
        config / "jupyter_server_config.d" / "course.json": {
            "ServerApp": {"jpserver_extensions": {f"nbgrader.server_extensions.{part}": False for part in NBGRADER}}
        },
        home / "ipython" / "profile_default" / "ipython_kernel_config.json": {"IPKernelApp": {"log_level": "ERROR"}},
    }
    for file, content in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2), encoding="utf-8")


def port_problem(port: int) -> str | None:
    """Why nobody can listen on `port` of this machine now; None where one can."""
    with socket.socket() as probe:
        if os.name != "nt":  # there the option lets two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None


def choose_port(wanted: int | None) -> int:
    """`wanted` if it is free, or without a wish the first free port from FIRST_PORT on; else raises CourseError."""
    if wanted is None:
        for port in range(FIRST_PORT, FIRST_PORT + 100):
            if port_problem(port) is None:
                return port
        raise CourseError(f"The ports {FIRST_PORT} to {FIRST_PORT + 99} are all in use: name a free one with --port.")
    problem = port_problem(wanted)
    if problem is not None:
        raise CourseError(
            f"Port {wanted} cannot be used ({problem}): leave --port out and a free one is found, or stop the "
            "program that listens there."
        )
    return wanted


def lab_arguments(browser: bool, port: int, token: str, more: list[str]) -> list[str]:
    """The command line for JupyterLab; `more` is added to it."""
    arguments = [
        f"--ServerApp.root_dir={ROOT}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--LabApp.default_url=/lab/tree/{START_PAGE}",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
        "--KernelSpecManager.allowed_kernelspecs=python3",
        "--Application.log_level=ERROR",
    ]
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container there is often nobody else
        arguments.append("--allow-root")
    return arguments + more


def open_lab(browser: bool, port: int | None, token: str | None, more: list[str]) -> None:
    """Run JupyterLab until it is stopped. Raises CourseError where it has no port to listen on."""
    port, token = choose_port(port), token or secrets.token_hex(16)
    environment = private_environment(dict(os.environ), ROOT)
    os.environ.clear()
    os.environ.update(environment)
    write_settings(ROOT / HOME)
    from jupyterlab.labapp import LabApp

    print(f"JupyterLab: http://localhost:{port}/lab?token={token}\nIt runs until Ctrl-C is pressed here.", flush=True)
    sys.argv[0] = "jupyter-lab"
    LabApp.launch_instance(lab_arguments(browser, port, token, more))
