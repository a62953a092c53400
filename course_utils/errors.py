"""The one kind of error whose message is written for the person at the screen."""


class CourseError(Exception):
    """Something that the user can mend: the message is one sentence that says what, where, and what to do."""
