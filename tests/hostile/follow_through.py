"""Attacks on the answers that the grader gives in the place of earlier functions that are wrong."""

from hostile.attack import Attack, attack

WRONG = "def squared_distances(X):\n    return np.zeros((len(X), len(X)))\n"
TOOLS = "import os\nimport time\nfrom course_utils.grading import wire\n"


def later(body: str) -> Attack:
    """An attack by an exercise whose earlier one is wrong, and so is answered for it."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    source = f"{TOOLS}def student_t_affinities(Y):\n{lines}"
    return Attack(((WRONG, "squared-distances"), (source, "student-t-q")))


def asks(tree: str, rest: str = "return np.eye(len(Y)), np.eye(len(Y))") -> Attack:
    """An attack that asks by a message of its own."""
    return later(f"os.write(4, wire.encode({tree}))\ntime.sleep(0.1)\nreply = os.read(3, 1 << 16)\n{rest}")


ATTACKS = {
    "asks for the exercise itself": asks(
        "{'ask': 'student_t_affinities', 'args': (Y,), 'options': {}}", "return wire.decode(reply)['value']"
    ),
    "asks for an exercise that it does not need": asks(
        "{'ask': 'kl_divergence', 'args': (Y, Y), 'options': {}}", "return wire.decode(reply)['value']"
    ),
    "takes the answer for its own": later("D = squared_distances(Y)\nreturn D, D"),
    "asks without end": later("while True:\n    squared_distances(Y[:2])"),
    "asks with nonsense": later(
        "for one in (None, 'x', [Y], {}, np.zeros((0, 0)), float('nan'), torch.zeros(3), object()):\n"
        "    try:\n        squared_distances(one)\n    except ValueError:\n        pass\n"
        "return squared_distances(Y, Y, out='x'), 1"
    ),
    "asks what needs much memory": later(
        "for _ in range(3):\n"
        "    try:\n        squared_distances(np.zeros((300_000, 1)))\n    except ValueError:\n        pass\n"
        "return 0.0, 1.0"
    ),
    "asks what cannot be sent on": later(
        "try:\n    squared_distances([0] * 99_992)\nexcept ValueError:\n    pass\n"
        "try:\n    squared_distances(*[0] * 99_993)\nexcept ValueError:\n    pass\n"
        "try:\n    squared_distances('\\u00e9' * 650_000)\nexcept ValueError:\n    pass\n"
        "return 0.0, 1.0"
    ),
    "asks by a message of another kind": asks("{'ask': ['squared_distances'], 'args': 3, 'options': None}"),
    "asks by a name that is an array": asks("{'ask': Y, 'args': (Y,), 'options': {}}"),
    "asks and leaves": later(
        "os.write(4, wire.encode({'ask': 'squared_distances', 'args': (np.zeros((1500, 2)),), 'options': {}}))\n"
        "os._exit(0)"
    ),
    "asks and does not listen": later(
        "os.write(4, wire.encode({'ask': 'squared_distances', 'args': (np.zeros((1500, 2)),), 'options': {}}))\n"
        "time.sleep(20)"
    ),
    "asks twice at once": later(
        "frame = wire.encode({'ask': 'squared_distances', 'args': (Y,), 'options': {}})\n"
        "os.write(4, frame + frame)\ntime.sleep(0.1)\nreturn 0.0, 1.0"
    ),
    "asks what is answered, for another exercise": Attack(
        (
            (WRONG, "squared-distances"),
            ("def joint_affinities(P_cond):\n    return squared_distances(P_cond)\n", "joint-affinities"),
        )
    ),
    "asks before it is wrong": attack(
        "import os\nfrom course_utils.grading import wire\n"
        "def squared_distances(X):\n"
        "    os.write(4, wire.encode({'ask': 'squared_distances', 'args': (X,), 'options': {}}))\n"
        "    return wire.decode(os.read(3, 1 << 16))['value']\n",
        exercise="squared-distances",
    ),
}
