"""What a rule is: data, and a predicate that yields where it is broken.

A predicate is a generator ``(Subject) -> Iterator[Hit]``. Its docstring is the documentation: the first
line says what must hold, the rest why. ``Rules`` collects the rules of one module.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from birdnet_deploy.npu.finding import Finding, Severity
from birdnet_deploy.npu.subject import Subject


@dataclass(frozen=True)
class Hit:
    """One place where a rule is broken. ``fix`` stands in for the rule's own where it differs."""

    where: str
    message: str
    fix: str | None = None


Predicate = Callable[[Subject], Iterator[Hit]]


@dataclass(frozen=True)
class Rule:
    """One rule. ``limit`` is empty where there is none; ``needs`` are the parts of a subject that it looks at.

    ``bad`` and ``good`` are a piece of a model, config or command that breaks the rule and one that holds it.
    ``processor`` is ``npu`` where the rule is not asked of a target without one, else empty.
    """

    id: str
    name: str
    severity: Severity
    summary: str
    why: str
    limit: str
    source: str
    fix: str
    bad: str
    good: str
    needs: tuple[str, ...]
    processor: str
    predicate: Predicate

    @property
    def needs_bundle(self) -> bool:
        """Whether a model alone is not enough."""
        return not {"graph", "int8"}.issuperset(self.needs)

    def concerns(self, subject: Subject) -> bool:
        """Says whether the rule is asked of the subject's target at all."""
        return self.processor in ("", subject.target.processor)

    def applies(self, subject: Subject) -> bool:
        """Says whether the subject has what the rule looks at."""
        return subject.parts.issuperset(self.needs)

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yields a finding for each place where the subject breaks the rule."""
        for hit in self.predicate(subject):
            yield Finding(self.id, self.severity, hit.message, hit.where, hit.fix or self.fix)


class Rules:
    """Collects the rules of one module by decorating their predicates; all need the same parts of a subject."""

    def __init__(self, *needs: str) -> None:
        self.all: list[Rule] = []
        self._needs = needs

    def add(
        self, rule_id: str, name: str, severity: Severity, *, source: str, fix: str, bad: str, good: str,
        limit: str = "", needs: tuple[str, ...] | None = None, processor: str = "",
    ) -> Callable[[Predicate], Predicate]:  # fmt: skip
        """Makes a rule of the decorated predicate; summary and why come from its docstring."""

        def register(predicate: Predicate) -> Predicate:
            summary, _, why = inspect.cleandoc(predicate.__doc__ or "").partition("\n\n")
            rule = Rule(
                id=rule_id, name=name, severity=severity, summary=summary, why=" ".join(why.split()),
                limit=limit, source=source, fix=fix, bad=bad, good=good,
                needs=self._needs if needs is None else needs, processor=processor, predicate=predicate,
            )  # fmt: skip
            self.all.append(rule)
            return predicate

        return register
