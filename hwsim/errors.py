"""The errors that hwsim raises at its public boundary."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class HwsimError(Exception):
    """Base of every error that is hwsim's own."""


class SpecError(HwsimError, ValueError):
    """A description (format or MAC unit) that cannot be read, or that no hardware could obey.

    ``str(error)`` shows the text with a caret under the wrong part; ``error.line`` is the same
    on one line, for command lines and logs.
    """

    def __init__(
        self,
        message: str,
        text: str = "",
        start: int = 0,
        length: int = 0,
        known: Iterable[str] = (),
        part: str = "",
    ) -> None:
        self.known = tuple(known)  # names that could have stood there
        wrong = text[start : start + length]
        near = get_close_matches(wrong, self.known, n=1, cutoff=0.5) if wrong else []
        self.message = message
        self.text = text
        self.start = start
        self.part = part  # name of the wrong field, where the text is not known
        self.hint = f"did you mean {near[0]!r}?" if near else ""
        lines = [message]
        if text:
            lines += ["  " + text, "  " + " " * start + "^" * max(1, length)]
        super().__init__("\n".join(lines + ([self.hint] if near else [])))

    @property
    def line(self) -> str:
        """The error on one line."""
        where = f" (in {self.text!r}, column {self.start + 1})" if self.text else ""
        return "; ".join(filter(None, [self.message + where, self.hint]))


class UnsupportedOperator(HwsimError, NotImplementedError):  # noqa: N818 - the public name
    """A network node that multiplies and accumulates, but that no simulated unit can run."""

    def __init__(self, node: str, operator: str, advice: str) -> None:
        super().__init__(f"node {node!r}: operator {operator} is not simulated; {advice}")
        self.node = node
        self.operator = operator
