"""Mutants: a solution with one small thing changed, to see whether its specification notices.

The changes are those of mutation testing (operators, constants, statements; Offutt and others, An experimental
determination of sufficient mutant operators, 1996) and those that array code invites: axes, signs, dropped terms,
dropped transposes and dropped functions.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from course_utils.release import BEGIN, END

OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
OTHER_NAMES = {
    one: other
    for pair in ("min max", "minimum maximum", "argmin argmax", "sum mean", "zeros ones", "exp log", "any all")
    for one, other in (pair.split(), pair.split()[::-1])
}
AXES = ("axis", "dim")
SYMMETRIC = ("min", "max", "minimum", "maximum", "hypot", "allclose", "logaddexp")  # in their first two arguments


@dataclass(frozen=True)
class Mutant:
    """A changed answer cell: what was changed, as `line 4: `n - 1` -> `n + 1``, and the compiled cell."""

    name: str
    code: CodeType

    def function(self, name: str, namespace: dict[str, Any]) -> Callable[..., Any]:
        """The mutated function or class `name`, among the definitions that the solution sees."""
        own = dict(namespace)
        exec(self.code, own)
        return own[name]


def mutants(source: str) -> list[Mutant]:
    """All mutants of an answer cell, changed between its solution's delimiters, in the order of its lines."""
    solved = _solved_lines(source)
    tree = ast.parse(source)
    local = _local_names(tree)
    made: dict[str, Mutant] = {}
    seen = {ast.unparse(tree)}
    places = [(node.lineno, index) for index, node in enumerate(ast.walk(tree)) if getattr(node, "lineno", 0) in solved]
    for line, index in sorted(places):
        original = _node(tree, index)
        for replacement in changes(original, local, _context(tree, original)):
            changed = copy.deepcopy(tree)
            _replace(changed, _node(changed, index), copy.deepcopy(replacement))
            text = ast.unparse(changed)
            if text in seen:
                continue
            seen.add(text)
            name = _distinct(f"line {line}: `{_short(original)}` -> `{_short(replacement)}`", made)
            made[name] = Mutant(name, compile(ast.fix_missing_locations(changed), "<mutant>", "exec"))
    return list(made.values())


def _solved_lines(source: str) -> frozenset[int]:
    """The numbers of the lines between delimiters; a class has a pair of these in each method to be written."""
    inside, solved = False, set()
    for number, line in enumerate(source.splitlines(), start=1):
        inside = (inside or BEGIN in line) and END not in line
        if inside and BEGIN not in line:
            solved.add(number)
    return frozenset(solved)


def changes(node: ast.AST, local: frozenset[str], context: str) -> Iterator[ast.AST]:
    """What a node of a syntax tree is replaced by, one thing at a time.

    `local` are the names that the function binds; `context` says where the node stands: axis, statement, index or
    nothing.
    """
    match node:
        case ast.BinOp():
            yield from _changed_operation(node)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            for other in COMPARISONS.get(type(operator), ()):
                yield ast.Compare(left, [other()], [right])
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=value):
            yield from map(ast.Constant, _other_values(value, context))
        case ast.Attribute(value=value, attr="T" | "mT", ctx=ast.Load()):
            yield value
        case ast.Call():
            yield from _changed_call(node, local, context)
        case ast.If(body=body, orelse=orelse):
            yield from (ast.If(ast.Constant(truth), body, orelse) for truth in (True, False))
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Tuple):
            yield ast.Return(ast.UnaryOp(ast.USub(), value))
        case ast.Return(value=ast.Tuple(elts=[first, second])):
            yield ast.Return(ast.Tuple([second, first], ast.Load()))
        case ast.AugAssign(target=target, op=operator, value=value):
            yield from (ast.AugAssign(target, other(), value) for other in OPERATORS.get(type(operator), ()))
            yield ast.Pass()
        case ast.Expr(value=ast.Call()) | ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.Assign(targets=[target]) if context == "again" or isinstance(target, ast.Subscript):
            yield ast.Pass()


def _changed_operation(node: ast.BinOp) -> Iterator[ast.AST]:
    """Another operator, or one side alone."""
    for other in OPERATORS.get(type(node.op), ()):
        yield ast.BinOp(node.left, other(), node.right)
    yield node.left
    if isinstance(node.op, ast.Add | ast.Mult):
        yield node.right
    if isinstance(node.op, ast.Sub):
        yield ast.BinOp(node.right, ast.Sub(), node.left)


def _other_values(value: Any, context: str) -> tuple[Any, ...]:
    """What a literal is replaced by; an axis by the other axis."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        if context == "axis":
            return (0,) if value else (1,)
        return (value + 1, 0) if value == 1 else (value + 1,)
    if isinstance(value, float):
        return (2 * value,) if value else (1.0,)
    return ()


def _changed_call(node: ast.Call, local: frozenset[str], context: str) -> Iterator[ast.AST]:
    """Another function, its arguments exchanged, a keyword left out, or its (first) argument alone."""
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in OTHER_NAMES:
        yield ast.Call(ast.Attribute(function.value, OTHER_NAMES[function.attr], ast.Load()), node.args, node.keywords)
    if isinstance(function, ast.Name) and function.id in OTHER_NAMES:
        yield ast.Call(ast.Name(OTHER_NAMES[function.id], ast.Load()), node.args, node.keywords)
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    starred = any(isinstance(argument, ast.Starred) for argument in node.args)
    if len(node.args) >= 2 and not starred and name not in SYMMETRIC:
        yield ast.Call(function, [node.args[1], node.args[0], *node.args[2:]], node.keywords)
    for index in range(len(node.keywords)):
        yield ast.Call(function, node.args, node.keywords[:index] + node.keywords[index + 1 :])
    if context == "statement":
        return
    of_self = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "self"
    if isinstance(function, ast.Attribute) and _root(function.value) in local and not of_self:
        yield function.value
    elif node.args and not isinstance(node.args[0], ast.Starred):
        yield node.args[0]


def _root(node: ast.expr) -> str | None:
    """The name at the root of an expression like `x.a.b`; any other expression counts as the first local name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else LOCAL


LOCAL = "(an expression)"


def _local_names(tree: ast.AST) -> frozenset[str]:
    """The names that functions in the tree bind, and LOCAL."""
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return frozenset(arguments | {name.id for name in names if isinstance(name.ctx, ast.Store)} | {LOCAL})


def _context(tree: ast.AST, node: ast.AST) -> str:
    """Where a node stands: "axis" of a call, "statement", an assignment to a name that is bound "again", or ""."""
    for parent in ast.walk(tree):
        if isinstance(parent, ast.keyword) and parent.value is node and parent.arg in AXES:
            return "axis"
        if isinstance(parent, ast.Expr) and parent.value is node:
            return "statement"
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        name = node.targets[0].id
        bound = [one for one in ast.walk(tree) if isinstance(one, ast.arg) and one.arg == name]
        bound += [
            one
            for one in ast.walk(tree)
            if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store)
        ]
        return "again" if len(bound) > 1 else ""
    return ""


def _node(tree: ast.AST, index: int) -> ast.AST:
    """The node of this index in the order of ast.walk."""
    return next(node for place, node in enumerate(ast.walk(tree)) if place == index)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put a node in another's place, in a tree, in place."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if item is old:
                        value[index] = new


def _short(node: ast.AST) -> str:
    """A node's first line of source, without what stands inside a block."""
    if isinstance(node, ast.If):
        return f"if {ast.unparse(node.test)}:"
    return ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines()[0]


def _distinct(name: str, taken: dict[str, Mutant]) -> str:
    """The name, numbered where the same change stands twice in a line."""
    number = 2
    distinct = name
    while distinct in taken:
        distinct = f"{name} ({number})"
        number += 1
    return distinct
