"""The rules as text: one explained, or all of them as the document ``docs/rules.md``."""

from __future__ import annotations

from collections.abc import Sequence

from birdnet_deploy.errors import UsageError
from birdnet_deploy.npu.profile import suggestion
from birdnet_deploy.npu.rules import BY_ID
from birdnet_deploy.npu.rules.rule import Rule

_GROUPS = {
    "BD1": "Graph and operators",
    "BD2": "Quantization",
    "BD3": "Contract between model, labels, config, lock and firmware",
    "BD4": "Memory and speed",
    "BD5": "Tools and board",
}
_PARTS = {
    "graph": "the graph", "int8": "the int8 tensors", "contract": "labels and config", "lock": "the lock",
    "evidence": "report, calibration and golden windows", "project": "the rendered project",
    "run": "the output of stedgeai", "versions": "the rendered project, the output of stedgeai",
}  # fmt: skip
_HEAD = """\
# Rules of `birdnet-deploy validate`

<!-- Made by: birdnet-deploy rule --all --output-format markdown > docs/rules.md -->

An *error* is what ST's compiler or the generated engine refuses, or what makes results wrong (exit code 4).
A *warning* is slower, in software, split or less faithful. An *info* is worth knowing. A rule is asked of what it
looks at: one that needs a bundle, a rendered project or a run of `stedgeai` is skipped without, and one that is asked
of targets with an NPU only is left out for others. [validate.md](validate.md) has how to select, ignore and lower.
"""


def find_rule(rule_id: str) -> Rule:
    """Gives a rule by its id.

    Raises: UsageError (exit 2) with the nearest id.
    """
    rule = BY_ID.get(rule_id.upper())
    if rule is None:
        raise UsageError(f"unknown rule {rule_id!r}", fix=suggestion(rule_id))
    return rule


def rule_text(rule: Rule) -> str:
    """Gives the explanation of one rule for a terminal."""
    lines = [f"{rule.id} {rule.name} ({rule.severity})", "", rule.summary, "", rule.why, ""]
    if rule.limit:
        lines.append(f"limit:  {rule.limit}")
    lines += [f"source: {rule.source}", f"fix:    {rule.fix}", "", f"bad:    {rule.bad}", f"good:   {rule.good}"]
    return "\n".join(lines)


def rule_json(rule: Rule) -> dict[str, object]:
    """Gives the mapping of one rule for JSON."""
    return {
        "id": rule.id, "name": rule.name, "severity": rule.severity, "summary": rule.summary, "why": rule.why,
        "limit": rule.limit, "source": rule.source, "fix": rule.fix, "bad": rule.bad, "good": rule.good,
        "needs": list(rule.needs), "needs_bundle": rule.needs_bundle, "processor": rule.processor,
    }  # fmt: skip


def rules_markdown(rules: Sequence[Rule]) -> str:
    """Gives the document of rules, grouped by the first digit of their ids."""
    parts = [_HEAD]
    for prefix, title in _GROUPS.items():
        group = [rule for rule in rules if rule.id.startswith(prefix)]
        if group:
            parts.append(f"## {prefix}xx {title}\n")
            parts += [_section(rule) for rule in group]
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    limit = f"- Limit: {rule.limit}\n" if rule.limit else ""
    return (
        f"### {rule.id} {rule.name} ({rule.severity})\n\n{rule.summary} {rule.why}\n\n"
        f"{limit}- Source: {rule.source}\n- Fix: {rule.fix}\n- Looks at: {_looks_at(rule)}\n"
        f"- Bad: `{rule.bad}`\n- Good: `{rule.good}`\n"
    )


def _looks_at(rule: Rule) -> str:
    text = ", ".join(_PARTS[part] for part in rule.needs)
    return f"{text}; targets with an NPU" if rule.processor else text
