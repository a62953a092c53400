"""How JupyterLab is started: on the course's start page, with settings of its own, asking nothing."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from course_utils.errors import CourseError

ROOT = Path(__file__).resolve().parents[1]
START_PAGE = "notebooks/START_HERE.md"

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
    home = root / ".course" / "jupyter"
    private.update(
        JUPYTER_PREFER_ENV_PATH="1",
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        IPYTHONDIR=str(home / "ipython"),
    )
    return private


def write_settings(config: Path) -> None:
    """Write SETTINGS where JupyterLab looks for the defaults of its configuration folder `config`."""
    file = config / "labconfig" / "default_setting_overrides.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(SETTINGS, indent=2), encoding="utf-8")


def check_port(port: int) -> None:
    """Raise CourseError where nobody can listen on `port` of this machine."""
    with socket.socket() as probe:
        if os.name != "nt":  # there the option means something else
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            raise CourseError(f"{port} is no port: take a number from 1024 to 65535.") from None
        except OSError as error:
            raise CourseError(
                f"Port {port} cannot be used ({error.strerror}): leave --port out and a free one is found, "
                "or stop the program that listens there."
            ) from None


def lab_arguments(browser: bool, port: int | None, token: str | None, more: list[str]) -> list[str]:
    """The command line for JupyterLab."""
    arguments = [
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{START_PAGE}",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
        "--KernelSpecManager.allowed_kernelspecs=python3",
        "--ServerApp.log_level=ERROR",
    ]
    if not browser:
        arguments.append("--no-browser")
    if port is not None:
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if token is not None:
        arguments.append(f"--IdentityProvider.token={token}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container there is often nobody else
        arguments.append("--allow-root")
    return arguments + more


def open_lab(browser: bool, port: int | None, token: str | None, more: list[str]) -> None:
    """Run JupyterLab until it is stopped. Raises CourseError where the port cannot be used."""
    if port is not None:
        check_port(port)
    private = private_environment(dict(os.environ), ROOT)
    os.environ.clear()
    os.environ.update(private)
    write_settings(Path(os.environ["JUPYTER_CONFIG_DIR"]))
    from jupyterlab.labapp import LabApp

    sys.argv[0] = "jupyter-lab"
    LabApp.launch_instance(lab_arguments(browser, port, token, more))
