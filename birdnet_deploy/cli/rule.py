"""``birdnet-deploy rule``: explains the rules of ``validate``."""

from __future__ import annotations

import click

from birdnet_deploy.errors import UsageError


@click.command("rule")
@click.argument("rule_id", required=False)
@click.option("--all", "all_rules", is_flag=True, help="All rules.")
@click.option(
    "--output-format", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True,
    help="Text for people, one JSON object, or the page of docs/rules.md.",
)  # fmt: skip
def command(rule_id: str | None, all_rules: bool, output_format: str) -> None:
    """Explain RULE_ID, for example BD105: what must hold, why, where the limit comes from, how to mend it."""
    from birdnet_deploy.npu.explain import find_rule, rule_json, rule_text, rules_markdown
    from birdnet_deploy.npu.rules import ALL_RULES
    from birdnet_deploy.support import jsonfile

    if (rule_id is None) != all_rules:
        raise UsageError("name one rule, or all of them", fix="birdnet-deploy rule BD105, or rule --all")
    rules = ALL_RULES if rule_id is None else (find_rule(rule_id),)
    if output_format == "json":
        text = jsonfile.dumps({"schema_version": 1, "rules": [rule_json(rule) for rule in rules]})
    elif output_format == "markdown":
        text = rules_markdown(rules)
    elif rule_id is None:
        text = "".join(f"{rule.id} {rule.severity:7} {rule.name}: {rule.summary}\n" for rule in rules)
    else:
        text = f"{rule_text(rules[0])}\n"
    click.echo(text, nl=False)
