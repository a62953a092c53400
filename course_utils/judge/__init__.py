"""Judge outcomes against a specification. The same code serves the learner's check and the instructor's grading."""

from course_utils.judge.compare import Difference, agree, compare
from course_utils.judge.verdict import CaseVerdict, JudgedCase, Outcome, Verdict, judge

__all__ = ["CaseVerdict", "Difference", "JudgedCase", "Outcome", "Verdict", "agree", "compare", "judge"]
