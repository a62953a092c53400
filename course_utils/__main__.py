"""`python -m course_utils ...` is `course ...`."""

from course_utils.cli import app

if __name__ == "__main__":
    app(prog_name="course")
