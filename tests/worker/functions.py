"""Functions that run in other processes."""

from __future__ import annotations

import os
import time


def square(number: int) -> int:
    return number * number


def where() -> int:
    return os.getpid()


def fail(text: str) -> None:
    raise KeyError(text)


class Odd(Exception):
    """Pickles, and does not come back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


def fail_oddly() -> None:
    raise Odd(1, 2)


def spin() -> None:
    while True:
        pass


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


class Box:
    """A class with a method that can be named."""

    @staticmethod
    def double(text: str) -> str:
        return text * 2

    def bound(self) -> None: ...
