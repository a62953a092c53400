"""Attacks on the wire: messages that the student's code writes in the place of the worker's."""

from hostile.attack import Attack, attack

# A student can read all of the worker, and imports it here, to forge as well as can be.
TOOLS = """
import json
import os
import struct
import sys
import threading
import time
from dataclasses import asdict

from course_utils.grading import wire
from course_utils.judge import Outcome

def number():
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["request"]["id"]

def reply(number, value=1.0, **more):
    outcome = asdict(Outcome()) | {"value": value}
    return wire.encode({"re": number, "problems": [], "found": True, "outcome": outcome} | more)

def raw(tree, arrays=(), payload=b""):
    header = json.dumps({"tree": tree, "arrays": list(arrays)}).encode()
    return struct.pack("<II", len(header), len(payload)) + header + payload
"""
NOTHING_ELSE = "no function call sends"
CLOSED = "closed the connection"


def forgery(body: str, says: str = "") -> Attack:
    """An attack whose function runs these lines, then returns a wrong answer."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return attack(f"def perplexity(P):\n{lines}    return 0.0\n", says, before=TOOLS)


ATTACKS = {
    "before the real one": forgery("os.write(4, reply(number()))", NOTHING_ELSE),
    "before it, for the next requests": forgery(
        "os.write(4, b''.join(reply(number() + one) for one in range(9)))", NOTHING_ELSE
    ),
    "instead of it": forgery("os.write(4, reply(number()))\ntime.sleep(0.1)\nos._exit(0)"),
    "after it": forgery(
        "threading.Thread(target=lambda: (time.sleep(0.05), os.write(4, reply(1)))).start()\ntime.sleep(0.01)"
    ),
    "after it, by another process": forgery(
        "if os.fork() == 0:\n    time.sleep(0.05)\n    os.write(4, reply(number()))\n    os._exit(0)"
    ),
    "on every descriptor": forgery(
        "for one in range(256):\n"
        "    try:\n        os.write(one, reply(number(), points=99))\n    except OSError:\n        pass"
    ),
    "wrong number": forgery("os.write(4, reply(number() + 1))\nos._exit(0)"),
    "points claimed": forgery(
        "os.write(4, reply(number(), points=99, status='right', score=1.0, exercise='kl-divergence'))\nos._exit(0)"
    ),
    "the outcome of another exercise": forgery(
        "os.write(4, reply(number(), 0.5, exercise='kl-divergence', ask=None))\nos._exit(0)"
    ),
    "a number that is an array": forgery("os.write(4, reply(np.full(3, number())))\nos._exit(0)", NOTHING_ELSE),
    "a number that is true": forgery("os.write(4, reply(True))\nos._exit(0)", NOTHING_ELSE),
    "no dict": forgery("os.write(4, wire.encode([1, 2]))\nos._exit(0)", NOTHING_ELSE),
    "an outcome that is none": forgery(
        "os.write(4, reply(number(), outcome={'value': 1.0, 'points': 99}))\nos._exit(0)", NOTHING_ELSE
    ),
    "changed arguments that are not there": forgery(
        "outcome = asdict(Outcome()) | {'value': 1.0, 'changed': (10**6,)}\n"
        "os.write(4, reply(number(), outcome=outcome))\nos._exit(0)",
        NOTHING_ELSE,
    ),
    "time that never was": forgery(
        "outcome = asdict(Outcome()) | {'value': 1.0, 'timed_out': float('nan')}\n"
        "os.write(4, reply(number(), outcome=outcome))\nos._exit(0)",
        "stopped after",
    ),
    "a line number beyond": forgery(
        "outcome = asdict(Outcome()) | {'error': 'x', 'error_type': 'x', 'line': 10**9}\n"
        "os.write(4, reply(number(), outcome=outcome))\nos._exit(0)",
        NOTHING_ELSE,
    ),
    "a measure with digits to spare": forgery(
        "outcome = asdict(Outcome()) | {'value': 1.0, 'held': 10**300}\n"
        "os.write(4, reply(number(), outcome=outcome))\nos._exit(0)",
        NOTHING_ELSE,
    ),
    "part of a frame": forgery("os.write(4, reply(number())[:-3])\ntime.sleep(20)", NOTHING_ELSE),
    "byte by byte": forgery(
        "import signal\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "for byte in reply(number(), 'x' * 10_000):\n    os.write(4, bytes([byte]))\n    time.sleep(0.01)",
        "stopped",
    ),
    "huge lengths": forgery("os.write(4, struct.pack('<II', 2**32 - 1, 2**32 - 1))\nos._exit(0)", NOTHING_ELSE),
    "random bytes": forgery(
        "os.write(4, np.random.default_rng(0).bytes(1 << 14))\ntime.sleep(0.1)\nos._exit(0)", NOTHING_ELSE
    ),
    "a frame nested without end": forgery(
        "text = b'{\"tree\": ' + b'[' * 200_000 + b']' * 200_000 + b', \"arrays\": []}'\n"
        "rest = memoryview(struct.pack('<II', len(text), 0) + text)\n"
        "while rest:\n    rest = rest[os.write(4, rest):]\n"
        "os._exit(0)",
        NOTHING_ELSE,
    ),
    "one array named a thousand times": forgery(
        "size = 8 << 20\n"
        "frame = raw({'list': [{'array': 0}] * 5000}, [['u1', [size]]], bytes(size))\n"
        "rest = memoryview(frame)\n"
        "while rest:\n    rest = rest[os.write(4, rest):]\n"
        "os._exit(0)",
        NOTHING_ELSE,
    ),
    "negative shapes": forgery("os.write(4, raw({'array': 0}, [['f8', [-1]]]))\nos._exit(0)", NOTHING_ELSE),
    "shapes beyond the frame": forgery(
        "os.write(4, raw({'array': 0}, [['f8', [10**6, 10**6]]]))\nos._exit(0)", NOTHING_ELSE
    ),
    "objects in an array": forgery(
        "os.write(4, raw({'array': 0}, [['O8', [1]]], bytes(8)))\nos._exit(0)", NOTHING_ELSE
    ),
    "closes the pipes": forgery("os.closerange(0, 256)", ""),
    "closes the pipes and waits": forgery(
        "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nos.closerange(0, 256)\ntime.sleep(20)", CLOSED
    ),
    "puts other files over the pipes": forgery(
        "for one in range(5):\n    os.dup2(os.open('/dev/zero', os.O_RDWR), one)", ""
    ),
    "joins the pipes": forgery("os.dup2(3, 4)\nos.dup2(4, 3)", ""),
    "eats the next requests": forgery(
        "if os.fork() == 0:\n    while os.read(3, 1 << 16):\n        os.write(4, reply(99))\n    os._exit(0)", ""
    ),
    "asks where nothing is answered": forgery(
        "os.write(4, wire.encode({'ask': 'perplexity', 'args': (P,), 'options': {}}))\n"
        "return wire.decode(os.read(3, 1 << 16))['value']",
        NOTHING_ELSE,
    ),
    "blocks its pipes": forgery("os.set_blocking(3, False)\nos.set_blocking(4, False)", ""),
}
