"""All rules, in the order of their ids. A new module of rules is imported here and nowhere else."""

from __future__ import annotations

from birdnet_deploy.npu.rules import contract, graph, memory, quantization
from birdnet_deploy.npu.rules.rule import Rule

ALL_RULES: tuple[Rule, ...] = tuple(
    sorted((*graph.RULES, *quantization.RULES, *contract.RULES, *memory.RULES), key=lambda rule: rule.id)
)
BY_ID = {rule.id: rule for rule in ALL_RULES}
