"""Reads pickled dictionaries of thresholds without unpickling them: nothing that a pickle asks for is ever called.

A pickle is a program for a small stack machine that may call any function of any module. Its opcodes are interpreted
here as far as plain data take them: dicts, lists, tuples, numbers, text and bytes. Of calls, those by which numpy's
numbers and arrays and OrderedDict are written are understood, and what they would make is made of their bytes here.
Everything else is refused by its name.
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

_PUSHED = {
    *("INT", "LONG", "FLOAT", "UNICODE"),
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
"""Opcodes that put their own argument on the stack."""

_KEYS = (int, float, str, bytes)
"""Types of keys. The hash of a tuple is that of all that it holds, as often as it holds it."""

_MOST = 1_000_000
"""So many values are read: a small pickle can hold one list as often as it likes, and so on within it."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()

_KNOWN = {
    "collections.OrderedDict",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy._core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.numeric._frombuffer",
    "_codecs.encode",
}
"""What pickles of thresholds may refer to, by the names since numpy 2."""

_Kind = TypeVar("_Kind")


class UnsafePickle(ValueError):
    """A pickle that holds something else than plain data and numpy's numbers, or a damaged one."""


@dataclass(frozen=True)
class _Name:
    """One of `_KNOWN`; it is never looked up."""

    name: str


@dataclass
class _Dtype:
    code: str
    order: str = "<"

    def numbers(self, content: Any) -> list[Any]:
        if not re.fullmatch("[fiu][1248]", self.code) or not isinstance(content, (bytes, bytearray)):
            raise UnsafePickle(f"it holds an array or number of numpy's type '{self.code}'")
        order = self.order if self.order in ("<", ">") else "="
        return list(np.frombuffer(bytes(content), np.dtype(f"{order}{self.code}")).tolist())


@dataclass
class _Array:
    values: list[Any] = field(default_factory=list)


def read_plain_pickle(content: bytes) -> Any:
    """What a pickle holds: dicts, lists, tuples, numbers, text and bytes; arrays of numpy become flat lists.

    Raises:
        UnsafePickle: It holds or calls something else, or is damaged.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                return _plain(machine.pop())
            machine.run(opcode.name, argument)
    except UnsafePickle:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise UnsafePickle(f"it is no pickle, or a damaged one ({error})") from error
    raise UnsafePickle("it is no pickle: it has no end")


def _plain(value: Any) -> Any:
    left = _MOST

    def plain(value: Any) -> Any:
        nonlocal left
        left -= 1 + (len(value.values) if isinstance(value, _Array) else 0)
        if left < 0:
            raise UnsafePickle(f"it holds more than {_MOST:,} values")
        if isinstance(value, _Array):
            return value.values
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(plain(each) for each in value)
        if isinstance(value, (_Name, _Dtype)) or value is _MARK:
            raise UnsafePickle(f"it holds {value.name if isinstance(value, _Name) else 'no data'}")
        return value

    return plain(value)


class _Machine:
    """The stack and the memo."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def pop(self) -> Any:
        return self._stack.pop()

    def run(self, name: str, argument: Any) -> None:
        """Does what one opcode says.

        Raises:
            UnsafePickle: It is none of those that plain data take.
        """
        push, pop = self._stack.append, self._stack.pop
        match name:
            case "PROTO" | "FRAME":
                pass
            case _ if name in _PUSHED:
                push(argument)
            case _ if name in _CONSTANTS:
                push(_CONSTANTS[name])
            case "MARK":
                push(_MARK)
            case "EMPTY_LIST" | "EMPTY_DICT":
                push([] if name == "EMPTY_LIST" else {})
            case "LIST":
                push(self._marked())
            case "TUPLE":
                push(tuple(self._marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(reversed([pop() for _ in range(_TUPLES[name])])))
            case "DICT":
                items = self._marked()
                push({})
                self._set(items)
            case "APPEND" | "APPENDS":
                items = [pop()] if name == "APPEND" else self._marked()
                _checked(self._stack[-1], list).extend(items)
            case "SETITEM":
                value, key = pop(), pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._marked())
            case "MEMOIZE" | "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self._memo[argument])
            case "GLOBAL":
                push(_named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = pop(), pop()
                push(_named(module, attribute))
            case "REDUCE":
                arguments, called = pop(), pop()
                push(_made(_checked(called, _Name).name, _checked(arguments, tuple)))
            case "BUILD":
                state = pop()
                _complete(self._stack[-1], state)
            case _:
                raise UnsafePickle(f"it uses the opcode {name}, which thresholds do not take")

    def _marked(self) -> list[Any]:
        """Takes all down to the last mark from the stack, and the mark."""
        mark = len(self._stack) - 1
        while self._stack[mark] is not _MARK:  # from the top: what lies below a mark is not looked at again and again
            mark -= 1
        items = self._stack[mark + 1 :]
        del self._stack[mark:]
        return items

    def _set(self, items: list[Any]) -> None:
        """Sets keys and values in turn in the dict that is on top of the stack."""
        target = _checked(self._stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS):
                raise UnsafePickle("a key is no number")
            target[key] = value


def _named(module: str, attribute: str) -> _Name:
    """A name; it is not looked up.

    Raises:
        UnsafePickle: It is nothing that thresholds are made with.
    """
    name = f"{module}.{attribute}".replace("numpy.core.", "numpy._core.")
    if name not in _KNOWN:
        raise UnsafePickle(f"it calls or refers to {name}, which is not run")
    return _Name(name)


def _made(name: str, arguments: tuple[Any, ...]) -> Any:
    """What a call would make.

    Raises:
        UnsafePickle: It would make something else than thresholds take.
    """
    match name, arguments:
        case "collections.OrderedDict", ():
            return {}
        case "numpy.dtype", (str(code), *_):
            return _Dtype(code)
        case "numpy._core.multiarray.scalar", (_Dtype() as dtype, content):
            (number,) = dtype.numbers(content)
            return number
        case "numpy._core.multiarray._reconstruct", _:
            return _Array()
        case "numpy._core.numeric._frombuffer", (content, _Dtype() as dtype, *_):
            return _Array(dtype.numbers(content))
        case "_codecs.encode", (str(text), "latin1"):
            return text.encode("latin1")
    raise UnsafePickle(f"it calls {name} in a way that is not understood")


def _complete(value: Any, state: Any) -> None:
    """Gives a dtype or an array its state."""
    if isinstance(value, _Dtype):
        value.order = state[1]
    elif isinstance(value, _Array):
        value.values = _checked(state[2], _Dtype).numbers(state[4])
    else:
        raise UnsafePickle(f"it gives a state to a {type(value).__name__}")


def _checked(value: Any, kind: type[_Kind]) -> _Kind:
    if not isinstance(value, kind):
        raise UnsafePickle(f"it uses a {type(value).__name__} as a {kind.__name__.lstrip('_').lower()}")
    return value
