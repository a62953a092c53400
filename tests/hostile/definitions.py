"""Attacks on how definitions are made, by code that runs before any function is called or that is hard to read."""

from hostile.attack import Attack, attack

LATER = "def perplexity(P):\n    return 0.0\n"

ATTACKS = {
    "a decorator": attack("import os\ndef forge(f):\n    return lambda P: os._exit(0)\n@forge\n" + LATER),
    "a default argument": attack("import os\ndef perplexity(P, now=os.system('touch /tmp/MARK')):\n    return 0.0\n"),
    "an annotation": attack("import os\ndef perplexity(P: os.system('touch /tmp/MARK')) -> exit():\n    return 0.0\n"),
    "a metaclass": attack(
        """
        class Meta(type):
            def __new__(cls, *args):
                raise SystemExit
        class Now(metaclass=Meta):
            pass
        def perplexity(P):
            return Now
        """
    ),
    "a callable object": attack(
        """
        class Answer:
            __globals__ = {"right": True}
            __name__ = "perplexity"
            def __call__(self, P):
                return 0.0
            def __getattr__(self, name):
                raise SystemExit
        def make(f):
            return Answer()
        @make
        def perplexity(P):
            return 0.0
        """
    ),
    "no function at all": attack("perplexity = 99.0\n"),
    "a builtin as the answer": attack("perplexity = len\n"),
    "numpy as the answer": attack("import numpy as perplexity\n"),
    "names of builtins": attack(
        "len = range = float = str = dict = type = None\nclass BaseException(Exception):\n    pass\n" + LATER
    ),
    "names of the machinery": attack("__builtins__ = {}\n__name__ = 'course_utils'\n__file__ = '/'\n" + LATER),
    "another future": attack("from __future__ import annotations, barry_as_FLUFL\n" + LATER),
    "ten thousand definitions": attack("".join(f"def f{i}(x):\n    return x\n" for i in range(10_000)) + LATER),
    "one line of a megabyte": attack("x = [" + "1, " * 300_000 + "]\n" + LATER),
    "brackets without end": attack("x = " + "(" * 5000 + ")" * 5000 + "\n" + LATER),
    "operators without end": attack("x = " + "-" * 200_000 + "1\n" + LATER),
    "attributes without end": attack("def g(a):\n    return a" + ".b" * 100_000 + "\n" + LATER),
    "blocks without end": attack(
        "def g():\n" + "".join(" " * (i + 1) + "if 1:\n" for i in range(99)) + " " * 100 + "pass\n" + LATER
    ),
    "a number without end": attack("x = " + "9" * 100_000 + "\n" + LATER),
    "a product that the compiler makes": attack("def g():\n    return 'x' * 4096 * 4096 * 4096 * 64\n" + LATER),
    "a NUL and a form feed": attack("x = 1\x0c\x00\n" + LATER),
    "a declared encoding": attack("# -*- coding: utf-7 -*-\n# +AAo-import os\n" + LATER),
    "magics": attack("%%bash\ntouch /tmp/MARK\n" + LATER),
    "shell lines": attack("!touch /tmp/MARK\nfiles = !ls /\n%run -i x.py\n" + LATER),
    "a syntax error": attack("def perplexity(P:\n    return 99\n", "cannot be read"),
    "an import that is not there": attack("import answers_of_the_course\n" + LATER),
    "an import that runs for ever": attack(
        """
        import os, sys
        class Now:
            with open("slow_module.py", "w") as file:
                file.write("import time; time.sleep(20)")
            sys.path.insert(0, os.getcwd())
        import slow_module
        def perplexity(P):
            return 0.0
        """,
        "stopped",
    ),
    "defined in two cells": Attack(((LATER, None), ("def perplexity(P):\n    return 1.0\n", "perplexity"))),
    "an answer in the cell of another exercise": Attack(((LATER, "squared-distances"), ("x = 1\n", "perplexity"))),
    "points in the names of things": attack("points = score = grade = max_score = 99\npassed = True\n" + LATER),
}
