"""The errors whose messages are written for the person at the screen."""


class CourseError(Exception):
    """Something that the user can mend: the message is one sentence that says what, where, and what to do."""


class Misfit(Exception):
    """What a learner wrote is not the kind of thing that the exercise asks for; the text is a sentence for them."""
