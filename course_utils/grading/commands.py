"""The instructor's commands: grade, report, export, override, late, demo-class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from course_utils.errors import CourseError
from course_utils.grading.sandbox.limits import Limits

if TYPE_CHECKING:
    from rich.console import Console

    from course_utils.grading.desk import Settings
    from course_utils.grading.gradebook import Change
    from course_utils.grading.replay import Replay
    from course_utils.grading.run import Summary

Submissions = Annotated[Path, typer.Argument(help="A folder of handed-in notebooks, or a zip of one.")]
Graded = Annotated[Path, typer.Option("--out", help="The folder with the gradebook and what comes out of it.")]
LIMITS = "Limits of a submission"
MOST_PAIRS = 100  # that `--similar` prints
WIDTH = 120  # characters, where the output is no terminal


def limit(least: float, what: str) -> Any:
    """The option for a limit of a submission, `least` being the smallest that makes sense."""
    return typer.Option(min=least, rich_help_panel=LIMITS, help=what)


def add_to(app: typer.Typer) -> None:
    """Add the instructor's commands to `course`."""
    for command in (grade, report, export, override, late):
        app.command()(command)
    app.command("demo-class")(demo_class)


def grade(
    submissions: Submissions,
    out: Graded = Path("graded"),
    seed: Annotated[str | None, typer.Option(help="The master seed; by default random, and kept.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core by default.")] = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Grade on a Dask cluster instead.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Let marks under changed specifications count.")] = False,
    show_inputs: Annotated[bool, typer.Option("--show-inputs", help="Show hidden inputs in the feedback.")] = False,
    replay: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="STUDENT EXERCISE", help="Only show what this mark was made of."),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help="With --replay: write it into this zip too.")] = None,
    similar: Annotated[
        bool, typer.Option("--similar", help="Only list pairs whose code is alike after renaming.")
    ] = False,
    wall: Annotated[float, limit(1, "Seconds a submission may take.")] = Limits.wall,
    cpu: Annotated[int, limit(1, "Seconds of CPU time each of its processes may take.")] = Limits.cpu,
    memory: Annotated[int, limit(64, "MiB of memory it may use.")] = Limits.memory,
    processes: Annotated[int, limit(1, "Processes and threads it may have at once.")] = Limits.processes,
    files: Annotated[int, limit(16, "Files each of its processes may have open at once.")] = Limits.files,
    file_size: Annotated[int, limit(1, "MiB that a file it writes may have.")] = Limits.file_size,
    scratch: Annotated[int, limit(1, "MiB of scratch space it has.")] = Limits.scratch,
    output: Annotated[int, limit(1, "KiB of what it prints that are kept.")] = Limits.output,
    unprotected: Annotated[
        bool, typer.Option("--unprotected", help="Run students' code without a sandbox, where there can be none.")
    ] = False,
) -> None:
    """Grade handed-in notebooks in a sandbox, with fresh inputs; go on where an earlier run was stopped."""
    from course_utils.grading.desk import Settings
    from course_utils.grading.sandbox.launch import Mode

    limits = Limits(
        wall=wall,
        cpu=cpu,
        memory=memory,
        processes=processes,
        files=files,
        file_size=file_size,
        scratch=scratch,
        output=output,
    )

    def settings(master: str) -> Settings:
        mode = Mode.UNPROTECTED if unprotected else None
        return Settings(master, limits, mode, private=(out.resolve(), submissions.resolve()))

    if bundle and not replay:
        raise CourseError("`--bundle` writes what `--replay STUDENT EXERCISE` shows: give both.")
    if replay:
        show_replay(submissions, out, settings, *replay, bundle)
    elif similar:
        show_similar(submissions)
    else:
        grade_all(submissions, out, settings, seed, workers, dask, accept, show_inputs)


def grade_all(
    submissions: Path,
    out: Path,
    settings: Any,
    seed: str | None,
    workers: int | None,
    dask: str | None,
    accept: bool,
    show_inputs: bool,
) -> None:
    """Grade with a progress display, then write feedback and reports, and say what was done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK
    from course_utils.grading.run import grade as run

    console = make_console()
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("grading", total=None)

        def tell(done: int, count: int) -> None:
            progress.update(bar, completed=done, total=count)

        try:
            summary = run(submissions, out, settings, seed, workers, dask, tell)
        except KeyboardInterrupt:
            raise CourseError(
                f"Stopped. What was graded is kept in {out}; the same command goes on from there."
            ) from None
    with Gradebook(out / GRADEBOOK) as book:
        for notebook in summary.pending:
            show_changes(console, notebook, book.diff(notebook), accept)
            if accept:
                left = book.accept(notebook)
                if left:
                    console.print(f"Not graded again, so with their old marks: {', '.join(left)}.", markup=False)
        write_all(book, out, show_inputs)
    tell_summary(console, summary, out)


def write_all(book: Any, out: Path, show_inputs: bool) -> None:
    """Write the feedback pages and the class report."""
    from course_utils.grading.pages import write_feedback
    from course_utils.grading.report import write_report

    results, marks = book.results(), book.marks()
    write_feedback(results, marks, out / "feedback", show_inputs)
    write_report(results, marks, out)


def tell_summary(console: Console, summary: Summary, out: Path) -> None:
    """Say in a few lines what the run did and where things are."""
    parts = [f"{summary.graded} submissions of {summary.students} students graded"]
    parts += [f"{summary.known} known from an earlier run"] * bool(summary.known)
    parts += [f"{summary.unreadable} not readable"] * bool(summary.unreadable)
    parts += [f"{summary.again} tried again because something timed out or was killed"] * bool(summary.again)
    console.print(f"{'; '.join(parts)}.", markup=False)
    if summary.protection:
        console.print(summary.protection, markup=False)
    for name, what in (
        ("gradebook.sqlite", "the marks"),
        ("feedback/index.html", "a page for each student"),
        ("report.html", "what the class got wrong; report.csv has the numbers"),
    ):
        console.print(f"  {out / name}  {what}", markup=False)


def show_changes(console: Console, notebook: str, changes: list[Change], accepted: bool) -> None:
    """Say which marks changed specifications change, and what to do."""
    from rich.table import Table
    from rich.text import Text

    console.print(f"The specifications of {notebook} have changed since its marks were given.", markup=False)
    if changes:
        table = Table("student", "exercise", "old", "new", "", box=None)
        for one in changes:
            remark = "stays: decided by hand" if one.overridden else ""
            old, new = ("-" if points is None else f"{points:g}" for points in (one.old, one.new))
            table.add_row(Text(one.student), one.exercise, old, new, remark)
        console.print(table)
    else:
        console.print("No mark changes.")
    if not accepted:
        console.print("The old marks count until you grade with --accept.")


def show_replay(submissions: Path, out: Path, settings: Any, student: str, exercise: str, bundle: Path | None) -> None:
    """Print the cases of one mark: inputs, expected, got."""
    from rich.text import Text

    from course_utils.grading.replay import replay, write_bundle

    console = make_console()
    shown: Replay = replay(submissions, out, settings, student, exercise)
    points = f"{shown.verdict.points:g} of {shown.exercise.points} points"
    console.print(
        Text(f"{student}, {shown.exercise.title} ({exercise}), seed {shown.seed}: {points} with these inputs.")
    )
    for index, verdict in enumerate(shown.verdict.cases):
        said = f": {verdict.difference.message}" if verdict.difference else ""
        console.print(Text(f"\n{'✓' if verdict.passed else '✗'} {verdict.label}{said}", style="bold"))
        for label, text in shown.blocks(index):
            console.print(Text(f"  {label}:\n{indented(text)}"))
    if bundle:
        write_bundle(shown, bundle)
        console.print(Text(f"\nAll of it is in {bundle}."))


def indented(text: str) -> str:
    """A block of text, four blanks in, without control characters."""
    from course_utils.feedback import plain

    return "\n".join(f"    {line}" for line in plain(text).splitlines())


def show_similar(submissions: Path) -> None:
    """Print pairs of submissions whose code is alike."""
    from rich.table import Table
    from rich.text import Text

    from course_utils.grading.run import alike

    console = make_console()
    found = alike(submissions)
    if not found:
        console.print("No two submissions are more alike than the exercises make them.")
        return
    table = Table("student", "student", "notebook", "most of it in", "alike", "tokens", box=None)
    for one in found[:MOST_PAIRS]:
        row = (one.notebook, one.exercise, f"{one.share:.0%}", str(one.tokens))
        table.add_row(Text(one.one), Text(one.other), *row)
    console.print(table)
    more = f" The first {MOST_PAIRS} of {len(found)}." if len(found) > MOST_PAIRS else ""
    console.print(f"A list of pairs to look at; being alike proves nothing.{more}")


def report(
    out: Graded = Path("graded"),
    show_inputs: Annotated[bool, typer.Option("--show-inputs", help="Show hidden inputs in the feedback.")] = False,
) -> None:
    """Write the feedback pages and the class report again, from the gradebook."""
    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK

    with Gradebook(out / GRADEBOOK, writing=False) as book:
        write_all(book, out, show_inputs)
    typer.echo(f"{out / 'feedback'} and {out / 'report.html'} are written.")


def export(
    to: Annotated[str, typer.Option(help="csv, canvas, gradescope or nbgrader.")],
    file: Annotated[Path, typer.Option(help="The file to write.")],
    out: Graded = Path("graded"),
    roster: Annotated[Path | None, typer.Option(help="The CSV that Canvas or Gradescope exports, to fill in.")] = None,
) -> None:
    """Export the marks for another system."""
    from course_utils.grading.export import export as write_export
    from course_utils.grading.export import left_out
    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK

    with Gradebook(out / GRADEBOOK, writing=False) as book:
        marks = book.marks()
        sentences = write_export(marks, to, file, roster)
        for sentence in [*sentences, *left_out((one.student for one in book.results()), marks)]:
            typer.echo(sentence)


def override(
    student: str,
    exercise: str,
    points: Annotated[str, typer.Argument(help="The points that count, or `none` to take an override back.")],
    reason: Annotated[str, typer.Option(help="Why; the student reads it.")],
    out: Graded = Path("graded"),
) -> None:
    """Give an exercise of a student other points; recorded with reason and time, and kept when it is graded again."""
    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK

    try:
        value = None if points == "none" else float(points)
    except ValueError:
        raise CourseError(f"{points!r} are no points: give a number, or `none` to take an override back.") from None
    with Gradebook(out / GRADEBOOK) as book:
        book.override(student, exercise, value, reason)
        write_all(book, out, False)
    now = "has its own points again" if value is None else f"has {value:g} points"
    typer.echo(f"{exercise} of {student} {now}; the feedback pages and the report say so.")


def late(
    student: str,
    notebook: str,
    minus: Annotated[float, typer.Option(min=0, max=100, help="Per cent of the points that are taken off.")],
    reason: Annotated[str, typer.Option(help="Why; the student reads it.")],
    out: Graded = Path("graded"),
) -> None:
    """Record that a notebook was handed in late, and what that costs; 0 takes it back."""
    from course_utils.grading.gradebook import Gradebook
    from course_utils.grading.run import GRADEBOOK

    with Gradebook(out / GRADEBOOK) as book:
        book.late(student, notebook, minus, reason)
        write_all(book, out, False)
    typer.echo(f"{notebook} of {student}: {minus:g} % off for lateness; the feedback pages and the report say so.")


def demo_class(
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    students: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    seed: Annotated[int, typer.Option(help="Another one gives another class.")] = 0,
) -> None:
    """Make a class to try grading on: right, wrong, broken and hostile submissions, and the truth about them."""
    from course_utils.grading.demo_class import make_class

    make_class(out, students, seed)
    typer.echo(f"{out / 'submissions'} has what they handed in, {out / 'truth.json'} what it is worth.")


def make_console() -> Console:
    """A console that prints text from students as it is."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)
