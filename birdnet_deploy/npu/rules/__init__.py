"""All rules, in the order of their ids. A new module of rules is imported here and nowhere else."""

from __future__ import annotations

from birdnet_deploy.npu.rules import contract, graph, kernels, memory, operators, project, quantization, ranges, tools
from birdnet_deploy.npu.rules.rule import Rule

_MODULES = (graph, operators, kernels, quantization, ranges, contract, project, memory, tools)
ALL_RULES: tuple[Rule, ...] = tuple(
    sorted((rule for module in _MODULES for rule in module.RULES), key=lambda rule: rule.id)
)
BY_ID = {rule.id: rule for rule in ALL_RULES}
