"""The command `course`. Each command imports its work when it is called, so that `course --help` is quick."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from course_utils.errors import CourseError


class CourseGroup(TyperGroup):
    """Commands whose CourseError ends in its sentence, in red, and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except CourseError as problem:
            typer.secho(str(problem), fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None
        except ModuleNotFoundError as missing:
            typer.secho(sentence_for(missing, str(ctx.invoked_subcommand)), fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None


def sentence_for(missing: ModuleNotFoundError, command: str) -> str:
    """What to do where a module is missing: a homework folder has no author's part, a learner's install no extras."""
    name = missing.name or "of that name"
    if name.startswith("course_utils."):
        return f"This folder has no author's part, so `course {command}` does not work here."
    return f"`course {command}` needs the package {name}: `python3 start.py {command}` installs it."


app = typer.Typer(
    cls=CourseGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The embedding course: open it, test it, build it.",
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, and how to get the large ones.")
app.add_typer(data_app, name="data")

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command(context_settings=PASS_ON)
def lab(
    context: typer.Context,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Listen on this port and no other.")] = None,
    token: Annotated[str | None, typer.Option(help="Ask for this token; by default a new one each time.")] = None,
) -> None:
    """Open JupyterLab on the course; further options go to JupyterLab."""
    from course_utils.lab import open_lab

    open_lab(browser=browser, port=port, token=token, more=context.args)


@app.command(context_settings=PASS_ON)
def test(context: typer.Context) -> None:
    """Run ruff, pytest, and nbval over the solutions; further arguments go to pytest."""
    from course_utils.testing import run_tests

    raise typer.Exit(run_tests(context.args))


@app.command()
def doctor() -> None:
    """Print one line per thing that matters on this machine: OK, or what to do."""
    from course_utils.doctor import examine, report

    rows = examine()
    report(rows)
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


@app.command()
def build(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail where anything is stale.")] = False,
) -> None:
    """Execute the solutions, release notebooks/ and freeze the answers."""
    from course_utils.build import build as build_course

    problems = build_course(check)
    for problem in problems:
        typer.secho(problem, fg=typer.colors.RED, err=True)
    raise typer.Exit(1 if problems else 0)


@app.command()
def release(
    out: Annotated[Path, typer.Option(help="The folder to make; for Gradescope a zip.")],
    nbgrader: Annotated[bool, typer.Option("--nbgrader", help="Make nbgrader's source/ folder instead.")] = False,
    gradescope: Annotated[bool, typer.Option("--gradescope", help="Make Gradescope's autograder instead.")] = False,
) -> None:
    """Make the homework folder: notebooks, data and frozen answers, and no solution."""
    from course_utils.release import release as make_release

    make_release(out, nbgrader, gradescope)


@app.command()
def validate(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Notebooks by name; all by default.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of fresh inputs: more of them find rarer faults.")] = 20,
) -> None:
    """Prove the specs: solutions pass, stubs do not, known mistakes are named, mutants are killed."""
    from course_utils.validate import validate as validate_specs

    raise typer.Exit(0 if validate_specs(notebooks, seeds) else 1)


@data_app.command("fetch")
def data_fetch(name: Annotated[str, typer.Argument(help="A name from `course data list`.")]) -> None:
    """Fetch a large data set into the cache, checked by its checksum."""
    from course_utils.data import fetch

    typer.echo(fetch(name))


@data_app.command("list")
def data_list() -> None:
    """List the data sets: the bundled ones and those to be fetched."""
    from course_utils.data import available

    for entry in available():
        typer.echo(entry)


with contextlib.suppress(ModuleNotFoundError):  # a homework folder has no grading
    from course_utils.grading.commands import add_to

    add_to(app)
