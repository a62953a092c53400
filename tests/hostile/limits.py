"""Attacks on limits that hold for a whole exercise or a whole reply, not for one call, one process or one array."""

from hostile.attack import attack, returns

ATTACKS = {
    "a little late at every call": attack(
        """
        import signal, time
        def perplexity(P):
            signal.setitimer(signal.ITIMER_REAL, 0)
            time.sleep(0.9)
            return np.zeros(len(P))
        """,
        "stopped",
    ),
    "a definition that never ends, timer off": attack(
        """
        import signal, time
        class Endless:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            time.sleep(20)
        def perplexity(P):
            return 0.0
        """,
        "stopped",
    ),
    "one long call into C": attack("def perplexity(P):\n    return len(str(pow(3, 10**8)))", "stopped"),
    "an object that sleeps when it is freed": attack(
        """
        import time
        class Slow:
            def __del__(self):
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    try:
                        time.sleep(1)
                    except BaseException:
                        pass
        def perplexity(P):
            Slow()
            return 0.0
        """
    ),
    "memory of processes, while others come and go": attack(
        """
        import os, signal, time
        def perplexity(P):
            signal.setitimer(signal.ITIMER_REAL, 0)
            for _ in range(6):
                if os.fork() == 0:
                    kept = np.ones(25 << 20)  # 200 MiB
                    time.sleep(20)
                    os._exit(0)
            end = time.monotonic() + 20
            while time.monotonic() < end:
                child = os.fork()
                if child == 0:
                    os._exit(0)
                os.waitpid(child, 0)
        """
    ),
    "a large array made of little": returns("np.broadcast_to(1.0, (10**9,))", "array of shape (1000000000,)"),
    "a large array": returns("np.ones(9 << 20)", "too much to be judged"),
    "an array of no size, and of a large one": returns("np.zeros((10**9, 0))"),
    "a long text": returns("'x' * (8 << 20)"),
    "many arrays": returns("[np.zeros(1) for _ in range(10_001)]"),
    "many lists": returns("[[0.0] * 99_990] + [0.0] * 99_000"),
    "both sides of a fork return": attack("import os\ndef perplexity(P):\n    os.fork()\n    return 0.0"),
    "every file there is": attack("def perplexity(P):\n    kept = [open('/dev/null') for _ in range(1000)]", "files"),
    "a file of a terabyte": attack(
        "def perplexity(P):\n    open('x', 'wb').truncate(1 << 40)", "MiB that a submission may write"
    ),
}
