"""Attacks by what is returned or raised: values that lie, have no end, or are no values."""

from hostile.attack import attack, returns

LIAR = """
import os

class Liar:
    __class__ = np.ndarray
    shape, ndim, dtype, size = (4,), 1, np.dtype(float), 4
    __array_interface__ = {"shape": (4,), "typestr": "<f8", "data": (8, False), "version": 3}
    def __eq__(self, other):
        return True
    def __len__(self):
        return 10**18
    def __getitem__(self, index):
        return self
    def __iter__(self):
        return self
    def __next__(self):
        return 1.0
    def __bool__(self):
        return True
    def __float__(self):
        return 1.0
    def __array__(self, *args, **options):
        os._exit(0)
    def __reduce__(self):
        return os.system, ("touch /tmp/MARK",)
    def __repr__(self):
        return "<script>alert(1)</script>"
    __hash__ = None
"""
EVIL_ARRAY = """
class Evil(np.ndarray):
    def __array_finalize__(self, other):
        raise SystemExit
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return np.ones(4, bool)
    def __eq__(self, other):
        return np.ones(4, bool)
    def tobytes(self, *args):
        raise SystemExit
    dtype = shape = property(lambda self: 1 / 0)

class EvilList(list):
    def __len__(self):
        return 10**18
    def __iter__(self):
        while True:
            yield 1.0

class EvilFloat(float):
    def __eq__(self, other):
        return True
    def hex(self):
        return "0x1p0"
    def __float__(self):
        return 1.0

class EvilTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), options=None):
        raise SystemExit
"""
LOUD = """
class Loud(type):
    @property
    def __name__(cls):
        raise SystemExit
    __qualname__ = __name__

class Rude(Exception, metaclass=Loud):
    pass
"""

ATTACKS = {
    "an object that lies about everything": returns("Liar()", before=LIAR),
    "a list of liars": returns("[Liar() for _ in P]", before=LIAR),
    "an array of liars": returns("np.array([Liar() for _ in range(1)] + [None] * 3, dtype=object)", before=LIAR),
    "an array of a hostile class": returns("np.ndarray.__new__(Evil, 4)", before=EVIL_ARRAY),
    "a list of a hostile class": returns("EvilList([1.0])", before=EVIL_ARRAY),
    "a number of a hostile class": returns("EvilFloat(0.0)", before=EVIL_ARRAY),
    "a tensor of a hostile class": returns("torch.zeros(4).as_subclass(EvilTensor)", before=EVIL_ARRAY),
    "a tensor": returns("torch.zeros(len(P))"),
    "a sparse tensor": returns("torch.eye(4).to_sparse()"),
    "a list in itself": attack("def perplexity(P):\n    value = []\n    value.append(value)\n    return value"),
    "nested without end": attack(
        """
        def perplexity(P):
            value = 0.0
            for _ in range(100_000):
                value = [value]
            return value
        """
    ),
    "a generator": returns("(1.0 for _ in P)"),
    "an iterator without end": returns("itertools.count()", before="import itertools"),
    "a coroutine": attack("async def perplexity(P):\n    return 0.0"),
    "a function": returns("perplexity"),
    "a class": returns("np.ndarray"),
    "a module": returns("np"),
    "bytes": returns("b'\\x80\\x04.'"),
    "a dict with other keys": returns("{1: 2, None: 3}"),
    "a dict of points": returns("{'points': 99, 'passed': True}"),
    "true": returns("True"),
    "text": returns("'right'"),
    "nothing": returns("None"),
    "NaN": returns("np.full(len(P), np.nan)"),
    "NaN with a message in it": returns("np.full(len(P), 0x7FF8DEADBEEF0000).view(float)"),
    "infinite": returns("np.full(len(P), np.inf)"),
    "infinite both ways": returns("np.where(np.arange(len(P)) % 2, np.inf, -np.inf)"),
    "as large as can be": returns("np.full(len(P), np.finfo(float).max)"),
    "as small as can be": returns("np.full(len(P), -5e-324)"),
    "minus zero": returns("np.full(len(P), -0.0)"),
    "complex": returns("np.ones(len(P)) * 1j"),
    "truth values": returns("np.ones(len(P), bool)"),
    "unsigned": returns("np.full(len(P), 2**64 - 1, np.uint64)"),
    "text in an array": returns("np.full(len(P), 'right')"),
    "dates": returns("np.zeros(len(P), 'm8[s]')"),
    "fields": returns("np.zeros(len(P), [('points', float), ('passed', bool)])"),
    "hidden by a mask": returns("np.ma.masked_all(len(P))"),
    "longer floats": returns("np.full(len(P), np.longdouble('1e4000'))"),
    "no dimensions": returns("np.array(1.0)"),
    "many dimensions": returns("np.zeros((1,) * 32)"),
    "an empty array": returns("np.zeros(0)"),
    "a view beyond its memory": returns("np.lib.stride_tricks.as_strided(np.zeros(1), (10**6,), (10**6,))"),
    "a view of one number": returns("np.lib.stride_tricks.as_strided(np.zeros(1), (len(P),), (0,))"),
    "backwards": returns("np.arange(float(len(P)))[::-1]"),
    "big-endian": returns("np.zeros(len(P), '>f8')"),
    "a huge int": returns("10**100_000"),
    "an int beyond floats": returns("10**400"),
    "a name that is markup": returns("type('<b>x</b>\\x1b[31m[red]=1+1', (), {})()"),
    "the argument itself": returns("P"),
    "a changed argument": attack("def perplexity(P):\n    P[:] = 0\n    return P.sum(1)"),
    "the seeded generator": returns("values.SeededGenerator(0)", before="from course_utils import values"),
    "what stands for foreign values": returns("values.Foreign('x' * 10**6)", before="from course_utils import values"),
    "text that is no text": attack("def perplexity(P):\n    raise ValueError('\\ud800\\0\\x1b[2J\\u202e\\n\\n' * 99)"),
    "the stub's error": attack("def perplexity(P):\n    raise NotImplementedError('perplexity: not solved')"),
    "an error that cannot be told": attack(
        """
        class Mute(Exception):
            def __str__(self):
                raise SystemExit
        def perplexity(P):
            raise Mute
        """
    ),
    "an error without a name": attack(LOUD + "def perplexity(P):\n    raise Rude\n"),
    "an error that holds a path": attack(
        """
        import course_utils
        def perplexity(P):
            raise ImportError(f"cannot import name 'x' from 'y' ({course_utils.__file__})")
        """,
        "(__init__.py)",
    ),
    "an error with a cause without end": attack(
        """
        def perplexity(P):
            error = ValueError()
            error.__cause__ = error.__context__ = error
            error.__traceback__ = None
            raise ExceptionGroup("all", [error] * 1000) from error
        """
    ),
    "a limit that was not met": attack("def perplexity(P):\n    raise MemoryError('99 points')"),
}
