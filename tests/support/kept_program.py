"""A program of which everything can be changed while it runs, and a module that it imports."""

PROGRAM = """
import abc, collections, contextlib, dataclasses, enum, functools, math, statistics, types
import numpy, pandas
import kept_helpers as helpers
from kept_helpers import shared

RATE = 2
LIMITS = [1, 2, 3]
TABLE = {"a": 1, "b": [1, 2]}
ARRAY = numpy.arange(4)
PAIR = (1, [2])
NAMES = {"x"}


def one(x):
    return x + RATE


def other(x):
    return x - RATE


def spare(x, *, scale=1):
    return x * scale


def keyed(x, *, scale=1, limits=[1]):
    return x * scale + len(limits)


TOOLS = {"first": one}


class Base:
    factor = 3
    kept = [1]

    def apply(self, x):
        return x * self.factor

    @property
    def size(self):
        return 1

    @staticmethod
    def fixed(x):
        return x


class Spare:
    pass


class Model(Base):
    pass


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Square:
    def area(self):
        return 4


class Round:
    def area(self):
        return 3


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    layers: list = dataclasses.field(default_factory=list)


class Colour(enum.Enum):
    RED = 1


class Holder:
    def __init__(self, x):
        self.x = x

    def get(self):
        return self.x


HELD = Holder([1])
HOLDERS = [Holder(1)]


def counter():
    count = 0
    state = [0]

    def step(x):
        nonlocal count
        count += 0
        return x + count + state[0]

    return step


STEP = counter()


def around(function):
    return lambda x: function(x)


class Outer:
    class Inner:
        kept = 1

        def get(self):
            return 1


@functools.singledispatch
def dispatched(x):
    return 0


HALF = functools.partial(keyed, scale=2)


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@wrapping
def wrapped(x):
    return x


@functools.lru_cache
def remembered(x):
    return x + RATE


MADE = types.FunctionType((lambda x: x).__code__, vars(statistics))


@contextlib.contextmanager
def managed():
    yield 1


class Proxy:
    def __init__(self, function):
        self._function = function

    __wrapped__ = property(lambda self: self._function)

    def __call__(self, x):
        return self._function(x)


PROXY = Proxy(one)


def by_proxy(x):
    return PROXY(x)


def by_text(x):
    return globals()["RATE"] + x


def by_doc(x):
    return one.__doc__


def by_subclasses(x):
    return [one.factor for one in Base.__subclasses__()]


def by_import(x):
    from kept_helpers import shared
    return shared(x)


def computed(x):
    return helpers.computed + x


def f(x):
    import statistics as st
    total = one(x) + len(LIMITS) + TABLE["a"] + PAIR[0] + len(NAMES) + int(ARRAY.sum()) + keyed(x)
    total += Model().apply(x) + helpers.offset(x) + shared(x) + HELD.get()[0] + HOLDERS[0].get() + STEP(x)
    total += dispatched(x) + HALF(x) + wrapped(x) + remembered(x) + TOOLS["first"](x) + Config().lr
    total += MADE(x) + managed().__enter__()
    total += isinstance(Square(), Shape) + math.floor(x) + len(pandas.DataFrame()) + int(st.mean([1, 2]))
    return total + Colour.RED.value + MISSING_YET if x > 1_000_000 else total
"""
HELPERS = """
OFFSET = 1


def offset(x):
    return x + OFFSET


def shared(x):
    return x * 2


def replacement(x):
    return x * 5


STATE = [1]


def __getattr__(name):
    if name == "computed":
        return STATE[0]
    raise AttributeError(name)
"""
