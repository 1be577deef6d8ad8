"""The constants of the format stand once."""

import ast
from pathlib import Path

import texcodec
from texcodec import constants

PACKAGE = Path(texcodec.__file__).parent
NAMES = {name for name in vars(constants) if name.isupper()}


def _assigned(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_no_other_module_assigns_a_constant_of_the_format():
    assert _assigned(Path(constants.__file__)) >= NAMES and len(NAMES) > 20
    others = [path for path in PACKAGE.rglob("*.py") if path != Path(constants.__file__)]
    again = {str(path.relative_to(PACKAGE)): sorted(_assigned(path) & NAMES) for path in others}
    assert {path: names for path, names in again.items() if names} == {}


def test_the_constants_need_no_other_module():
    tree = ast.parse(Path(constants.__file__).read_text("utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
