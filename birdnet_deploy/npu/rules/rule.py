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
    """One rule. ``limit`` is empty where there is none; ``needs_bundle`` rules skip a lone ``.tflite``."""

    id: str
    name: str
    severity: Severity
    summary: str
    why: str
    limit: str
    source: str
    fix: str
    needs_bundle: bool
    predicate: Predicate

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yields a finding for each place where the subject breaks the rule."""
        for hit in self.predicate(subject):
            yield Finding(self.id, self.severity, hit.message, hit.where, hit.fix or self.fix)


class Rules:
    """Collects the rules of one module by decorating their predicates."""

    def __init__(self, *, needs_bundle: bool = False) -> None:
        self.all: list[Rule] = []
        self._needs_bundle = needs_bundle

    def add(
        self, rule_id: str, name: str, severity: Severity, *, source: str, fix: str, limit: str = ""
    ) -> Callable[[Predicate], Predicate]:
        """Makes a rule of the decorated predicate; summary and why come from its docstring."""

        def register(predicate: Predicate) -> Predicate:
            summary, _, why = inspect.cleandoc(predicate.__doc__ or "").partition("\n\n")
            rule = Rule(
                id=rule_id, name=name, severity=severity, summary=summary, why=" ".join(why.split()),
                limit=limit, source=source, fix=fix, needs_bundle=self._needs_bundle, predicate=predicate,
            )  # fmt: skip
            self.all.append(rule)
            return predicate

        return register
