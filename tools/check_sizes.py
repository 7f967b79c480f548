"""Refuse a source file or a function that has grown past what is read in one go."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tollhouse"
FILE_LINES_MAX = 250
FUNCTION_LINES_MAX = 40


def find_long_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    """A line for each function longer than the limit, its docstring not counted."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if ast.get_docstring(node) is not None:
            lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines, {FUNCTION_LINES_MAX} at most"


def find_problems(path: Path) -> Iterator[str]:
    """What is too long in one file."""
    text = path.read_text()
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"{path.relative_to(ROOT)}: has {lines} lines, {FILE_LINES_MAX} at most"
    yield from find_long_functions(path, ast.parse(text))


def main() -> int:
    """Print every problem; 0 when there is none."""
    problems = [
        problem
        for path in sorted(SOURCE.rglob("*.py"))
        if "versions" not in path.parts
        for problem in find_problems(path)
    ]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
