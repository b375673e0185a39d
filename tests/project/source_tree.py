"""What the source says about itself, read without running it: modules and their imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("engine", "minimind_tui")


@dataclass(frozen=True)
class Import:
    """One import statement's target: a module of ours by its full name, or a top-level name of another's."""

    target: str
    line: int
    eager: bool
    """Made when the module is imported; not within a function, nor for the type checker alone."""


@dataclass(frozen=True)
class Module:
    """A module of ours, by its dotted name."""

    name: str
    path: Path
    imports: tuple[Import, ...]

    @property
    def place(self) -> str:
        """Its path in the checkout."""
        return str(self.path.relative_to(ROOT))


def read_modules(root: Path = ROOT) -> dict[str, Module]:
    """Every module of the two packages by name."""
    paths = {_name(path, root): path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))}
    return {
        name: Module(name, path, tuple(_imports(path, package=_package(name, path), ours=set(paths))))
        for name, path in paths.items()
    }


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _imports(path: Path, package: str, ours: set[str]) -> Iterator[Import]:
    def visit(node: ast.AST, eager: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(_target(alias.name, "", ours), child.lineno, eager)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parents = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*parents, *([base] if base else [])])
                for alias in child.names:
                    yield Import(_target(base, alias.name, ours), child.lineno, eager)
            else:
                yield from visit(child, eager and not _runs_later(child))

    return visit(ast.parse(path.read_text(encoding="utf-8"), str(path)), True)


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _target(base: str, name: str, ours: set[str]) -> str:
    if f"{base}.{name}" in ours:
        return f"{base}.{name}"
    return base if base in ours or base.partition(".")[0] in PACKAGES else base.partition(".")[0]
