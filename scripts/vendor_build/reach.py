"""Who is reached from the reset: the graph of sections and what their relocations mention.

With ``-ffunction-sections`` a section is a function or an object, so a path through this graph is a chain of calls, or
of addresses that are handed on. What only stands in the ELF, or is mentioned by nobody on the way, is not reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from scripts.vendor_build.objects import ObjectFile, Symbol

Node = tuple[int, int]  # object, section


class Graph:
    """The objects of one firmware, joined as the linker joins them: by name, strong before weak."""

    def __init__(self, objects: Sequence[ObjectFile]) -> None:
        self._objects = objects
        self._by_name: dict[str, tuple[Node, Symbol]] = {}
        for number, part in enumerate(objects):
            for symbol in part.symbols:
                if symbol.section is None or symbol.is_section or symbol.is_local:
                    continue
                known = self._by_name.get(symbol.name)
                if known is None or (known[1].is_weak and not symbol.is_weak):
                    self._by_name[symbol.name] = ((number, symbol.section), symbol)

    def names(self) -> set[str]:
        """All global names that are defined."""
        return set(self._by_name)

    def _next(self, node: Node) -> Iterable[Node]:
        number, section = node
        for symbol in self._objects[number].mentions.get(section, ()):
            if symbol.section is not None and (symbol.is_local or symbol.is_section):
                yield number, symbol.section
            elif symbol.name in self._by_name:
                yield self._by_name[symbol.name][0]

    def _title(self, node: Node) -> str:
        number, section = node
        names = [s.name for s in self._objects[number].symbols if s.section == section and not s.is_section]
        named = [name for name in names if name and not name.startswith("$")]
        return named[0] if named else f"{self._objects[number].path.name}#{section}"

    def path(self, start: str, target: str) -> list[str] | None:
        """Gives the shortest chain of names from ``start`` to ``target``, None where there is none."""
        if start not in self._by_name or target not in self._by_name:
            return None
        first, last = self._by_name[start][0], self._by_name[target][0]
        came: dict[Node, Node | None] = {first: None}
        waiting = deque([first])
        while waiting and last not in came:
            node = waiting.popleft()
            for following in self._next(node):
                if following not in came:
                    came[following] = node
                    waiting.append(following)
        if last not in came:
            return None
        chain: list[str] = []
        step: Node | None = last
        while step is not None:
            chain.append(self._title(step))
            step = came[step]
        chain.reverse()
        return [start, *chain[1:-1], target] if len(chain) > 1 else [target]
