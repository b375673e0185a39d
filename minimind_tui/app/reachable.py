"""Which keys of the table belong to a screen: the application's, its own, and those of the widgets in it."""

from collections.abc import Iterator
from dataclasses import dataclass

from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

from minimind_tui.core.keys import Key, key_table


@dataclass(frozen=True)
class Reachable:
    """A key and the node whose action it starts. `active` when pressing it now would start it."""

    key: Key
    node: DOMNode
    active: bool


def reachable_keys(screen: Screen[object]) -> list[Reachable]:
    """The keys of a screen in the table's order; of several widgets alike (charts), the first or the focused one."""
    nodes: dict[str, DOMNode] = {}
    for node in (*screen.query("*").results(), screen, screen.app):
        for name in _declared(type(node)):
            nodes.setdefault(name, node)
    active = {entry.binding.id: entry.node for entry in screen.active_bindings.values() if entry.binding.id}
    nodes |= {name: node for name, node in active.items() if name in nodes}
    return [Reachable(key, nodes[key.id], key.id in active) for key in key_table() if key.id in nodes]


def _declared(kind: type[DOMNode]) -> Iterator[str]:
    """The ids of the bindings that a class and the classes it comes from declare."""
    for base in kind.__mro__:
        for binding in vars(base).get("BINDINGS", ()):
            if isinstance(binding, Binding) and binding.id:
                yield binding.id
