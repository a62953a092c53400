"""Hostile answers, by theme. All are bounded in count and time, end by themselves, and name no outside address."""

from hostile import definitions, follow_through, forgery, limits, machine, returned
from hostile.attack import Attack

THEMES = {
    "machine": machine.ATTACKS,
    "forgery": forgery.ATTACKS,
    "follow-through": follow_through.ATTACKS,
    "returned": returned.ATTACKS,
    "definitions": definitions.ATTACKS,
    "limits": limits.ATTACKS,
}
ALL: dict[str, Attack] = {f"{theme}: {name}": one for theme, attacks in THEMES.items() for name, one in attacks.items()}
