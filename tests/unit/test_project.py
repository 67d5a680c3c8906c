"""The rules of CONTRIBUTING.md that a program can check."""

import ast
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import astpp_billing

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "astpp_billing"
MODULES = sorted(SOURCE.rglob("*.py"))
TEST_MODULES = sorted((ROOT / "tests").rglob("test_*.py"))

MAX_LINES = 400

# Exceptions, by path within the package, each with its reason.
MAY_NAME_FLOAT: dict[str, str] = {}
MAY_WRITE_FLOATS = {
    "cli": "no money: widths and pauses of the terminal",
    "freeswitch": "no money: time-outs of a connection, in seconds",
}


def inside(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def float_names(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "float"]


def float_literals(tree: ast.AST) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float]


def functions_that_test(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function that pytest would run; state machines have none, and check themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node


def asserts(function: ast.AST) -> bool:
    """Whether a function asserts: by itself, by an exception or warning it expects, or through a helper."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = node.func
            if ast.unparse(called) in {"pytest.raises", "pytest.warns", "run_state_machine_as_test"}:
                return True
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name.startswith(("assert_", "check_")):
                return True
    return False


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_no_module_is_longer_than_a_reader_can_hold(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= MAX_LINES, f"{relative(path)} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_no_module_names_float(path: Path) -> None:
    if inside(path) not in MAY_NAME_FLOAT:
        assert float_names(parse(path)) == [], f"{relative(path)} names float in these lines"


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_no_module_writes_a_float(path: Path) -> None:
    if path.relative_to(SOURCE).parts[0] not in MAY_WRITE_FLOATS:
        assert float_literals(parse(path)) == [], f"{relative(path)} has float literals in these lines"


def test_no_exception_is_left_that_nothing_needs() -> None:
    assert [name for name in MAY_NAME_FLOAT if not float_names(parse(SOURCE / name))] == []


@pytest.mark.parametrize("path", TEST_MODULES, ids=relative)
def test_every_test_asserts(path: Path) -> None:
    without = [f"{node.name} (line {node.lineno})" for node in functions_that_test(parse(path)) if not asserts(node)]

    assert without == [], f"{relative(path)} has tests that assert nothing"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def test_a(): assert x", True),
        ("def test_a():\n with pytest.raises(ValueError): f()", True),
        ("def test_a(): check_balance(x)", True),
        ("def test_a(): suite.assert_all()", True),
        ("def test_a(): f()", False),
        ("def test_a(): asserted = recheck_balance(x)", False),
    ],
)
def test_an_assertion_is_known_when_seen(code: str, expected: bool) -> None:
    assert asserts(ast.parse(code)) is expected


@pytest.mark.parametrize(
    "code", ["x = float(y)", "def f(x: float): ...", "x: list[float] = []", "isinstance(x, float)"]
)
def test_a_float_is_known_by_its_name(code: str) -> None:
    assert float_names(ast.parse(code)) == [1]


def test_a_float_is_known_by_its_value() -> None:
    assert float_literals(ast.parse("x = 1 + 0.5")) == [1]
    assert float_literals(ast.parse("x = True + 1")) == []


def test_the_installed_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert version("astpp-billing") == project["version"]


def test_the_package_says_that_it_is_typed() -> None:
    assert astpp_billing.__file__ is not None
    assert (Path(astpp_billing.__file__).parent / "py.typed").is_file()
