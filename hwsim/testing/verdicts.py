"""What a law says, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What one law found on one subject.

    cases : comparisons made.  counterexample : the simplest failing one in words; empty if none.
    """

    cases: int
    counterexample: str = ""

    def __add__(self, other: Finding) -> Finding:
        return Finding(self.cases + other.cases, self.counterexample or other.counterexample)


class FunctionError(AssertionError):
    """A function under test raised; every law on it is broken."""


@dataclass(frozen=True)
class Law:
    """A statement about any subject to which it applies.

    judge : the finding on a subject.  applies : why it does not apply, or an empty text.
    """

    name: str
    statement: str
    judge: Callable[[Any], Finding]
    applies: Callable[[Any], str] = lambda subject: ""

    def __call__(self, subject: Any) -> Finding:
        """Judge ``subject``; AssertionError with the counterexample where the law does not hold.

        Raises ValueError where the law does not apply, which would be no test.
        """
        if why := self.applies(subject):
            raise ValueError(f"the law {self.name!r} does not apply to {subject}: {why}")
        found = self.judge(subject)
        assert not found.counterexample, f"{self.name}: {found.counterexample}"
        return found


@dataclass(frozen=True)
class Verdict:
    """A law on a whole specification: cases compared, or why none were."""

    law: str
    statement: str
    cases: int
    counterexample: str = ""
    skipped: str = ""

    @property
    def ok(self) -> bool:
        """Whether the law holds, or does not apply."""
        return not self.counterexample

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ok": self.ok}


@dataclass(frozen=True)
class Report:
    """All laws on a specification.  exhaustive : what was compared in whole, in words."""

    subject: str
    verdicts: tuple[Verdict, ...]
    exhaustive: str = ""

    @property
    def ok(self) -> bool:
        """Whether no law was broken."""
        return all(verdict.ok for verdict in self.verdicts)

    @property
    def cases(self) -> int:
        """Comparisons made, all laws together."""
        return sum(verdict.cases for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        verdicts = [verdict.to_dict() for verdict in self.verdicts]
        head = {"subject": self.subject, "ok": self.ok, "cases": self.cases}
        return head | {"exhaustive": self.exhaustive, "verdicts": verdicts}

    def __str__(self) -> str:
        lines = [f"{self.subject}: {self.cases:,} cases"]
        for v in self.verdicts:
            end = f"does not apply: {v.skipped}" if v.skipped else "holds" if v.ok else "BROKEN"
            lines.append(f"  {v.law:<28} {v.cases:>10,}  {end}")
            if v.counterexample:
                lines.append(f"    {v.counterexample}")
        return "\n".join(lines)


def judged(law: Law, subjects: list[Any]) -> Verdict:
    """The law on every subject to which it applies."""
    reasons = [law.applies(subject) for subject in subjects]
    chosen = [s for s, why in zip(subjects, reasons, strict=True) if not why]
    if not chosen:
        return Verdict(law.name, law.statement, 0, skipped=reasons[0] if reasons else "no subject")
    total = Finding(0)
    for subject in chosen:
        try:
            total += law.judge(subject)
        except FunctionError as error:
            total += Finding(1, str(error))
    if not total.cases:
        return Verdict(law.name, law.statement, 0, skipped="every case is refused")
    return Verdict(law.name, law.statement, total.cases, total.counterexample)
