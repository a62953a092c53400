"""Hostile answers to `perplexity` that know the grader's code: they forge, ask, lie and hide, beyond `attacks`."""

from hostile import definitions, follow_through, forgery, limits, returned
from hostile.attack import Attack

THEMES = {
    "forgery": forgery.ATTACKS,
    "follow-through": follow_through.ATTACKS,
    "returned": returned.ATTACKS,
    "definitions": definitions.ATTACKS,
    "limits": limits.ATTACKS,
}
ALL: dict[str, Attack] = {f"{theme}: {name}": one for theme, attacks in THEMES.items() for name, one in attacks.items()}
