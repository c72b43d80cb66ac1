"""Say why a network cannot be traced, and which line of the user's code is to blame."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from causalmod.compiler.ops import argument, module_path, op_name
from causalmod.errors import CompileError

_STANDARD = sysconfig.get_path("stdlib") + os.sep
_NOT_THE_USERS = tuple(
    str(folder) + os.sep for folder in (Path(torch.__file__).parent, Path(__file__).parent.parent)
)
_DATA_DEPENDENT = ("GuardOnDataDependent", "data-dependent", "DataDependentOutput", "_local_scalar")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in [^\n]*(?:\n\s+(?P<code>.*))?')


def refusal(model: nn.Module, error: Exception) -> CompileError:
    """Turn an error of the exporter into one about the user's network."""
    place = user_line(error)
    where = f" at {place}" if place else ""
    module = _module_of(model, error)
    inside = f" in module {module!r}" if module else ""
    name, kind, text = type(model).__name__, type(error).__name__, str(error).strip()
    if any(sign in kind or sign in text for sign in _DATA_DEPENDENT):
        return CompileError(
            f"the forward of {name} branches on the values of a tensor{inside}{where}; a "
            "structural causal model needs one graph for every input: replace the branch by "
            "torch.where, or by arithmetic on masks"
        )
    if "specialized it to be a constant" in text:
        return CompileError(
            f"the forward of {name} fixes the number of rows{where}: a shape in it is written as "
            "the size of this very batch (a number, or len(x)); use x.shape[0] or -1 instead"
        )
    if "is mutated in the forward" in text or "register it as buffer" in text:
        return CompileError(
            f"the network writes to one of its own tensors while it runs ({text}); a structural "
            "causal model needs a network without state: copy before writing"
        )
    unknown = re.search(r"Found <class '([^']+)'> in output", text)
    if unknown:
        return CompileError(
            f"{name} returns a {unknown[1]}, in which tensors cannot be found; return tensors, or "
            "tuples, lists, dicts or dataclasses of them (a cache: switch it off, such as by "
            "model.config.use_cache = False)"
        )
    custom = re.search(r"CustomOpDef\(([^)]+)\)", text)
    operation = custom[1] if custom else _operation_of(error)
    if operation:
        return CompileError(
            f"{name} uses the operation {operation}{inside}{where}, which cannot be traced: its "
            "result has no shape that follows from the input shape, or torch has no rule for it "
            "(torch.library.register_fake gives one); replace it by operations of torch"
        )
    first = text.splitlines()[0].rstrip(".") if text else kind
    return CompileError(
        f"{name} cannot be traced{inside}{where}: {kind}: {first}. The network must be built of "
        "tensor operations whose shapes depend on the input shape alone, with the rows of the data "
        "in dimension 0"
    )


def refuse_random(graph: fx.Graph) -> None:
    """Refuse operations that draw random numbers.

    Raises:
        CompileError: the operation, its module and the user's line.
    """
    for node in graph.nodes:
        if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
            continue
        switches = (_setting(node, "train"), _setting(node, "training"))
        shares = (_setting(node, key) for key in ("p", "dropout", "dropout_p"))
        if False in switches or any(share == 0 for share in shares if share is not None):
            continue
        raise CompileError(
            f"the network draws random numbers ({describe(node)}); a structural causal model needs "
            "the same output for the same input: pass training=self.training to dropout and call "
            "model.eval(), or pass the noise as an input"
        )


def _setting(node: fx.Node, name: str) -> Any:
    """Return an argument, or what stands for it by default; None if there is no such argument."""
    schema: Any = getattr(node.target, "_schema", None)
    found = [each.default_value for each in schema.arguments if each.name == name]
    given = argument(node, name)
    return given if given is not None or not found else found[0]


def describe(node: fx.Node) -> str:
    """Name an operation, its module and the line of the user's code.

    Returns:
        str: such as ``softmax in module 'attn' at net.py:7 (return torch.softmax(x, 0))``.
    """
    path, place = module_path(node), _line_of(node)
    inside = f" in module {path!r}" if path else ""
    return f"{op_name(node)}{inside}{f' at {place}' if place else ''}"


def user_line(error: BaseException) -> str | None:
    """Return ``file:line (code)`` of the innermost frame that is the user's.

    So it lies outside torch, this package and the standard library.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_the_users(frame.filename):
            code = f" ({frame.line})" if frame.line else ""
            return f"{frame.filename}:{frame.lineno}{code}"
    return None


def _line_of(node: fx.Node) -> str | None:
    """Return ``file:line (code)`` of the user's line that an operation comes from."""
    for frame in reversed(list(_FRAME.finditer(node.meta.get("stack_trace") or ""))):
        if _is_the_users(frame["file"]):
            code = f" ({frame['code'].strip()})" if frame["code"] else ""
            return f"{frame['file']}:{frame['line']}{code}"
    return None


class _UserFrames:
    """The frames that an operation remembers: torch asks whether a (file, function) is one."""

    def __contains__(self, frame: tuple[str, str]) -> bool:
        return _is_the_users(frame[0])


@contextlib.contextmanager
def whole_stack_traces() -> Iterator[None]:
    """Let operations remember every line of the user's, not only those of functions ``forward``.

    The switch is not public; without it, errors name the line in ``forward`` that leads there.
    """
    name = "_STACK_TRACE_ANCHORS"
    proxy: Any = sys.modules["torch.fx.proxy"]
    before = getattr(proxy, name, None)
    if before is None:
        yield
        return
    setattr(proxy, name, _UserFrames())
    try:
        yield
    finally:
        setattr(proxy, name, before)


@cache
def _is_the_users(file: str) -> bool:
    standard = file.startswith(_STANDARD) and "site-packages" not in file
    return not standard and not file.startswith((*_NOT_THE_USERS, "<"))


def _module_of(model: nn.Module, error: BaseException) -> str:
    """Return the path of the innermost module in whose methods an error was raised."""
    paths = {id(module): path for path, module in model.named_modules()}
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found = paths.get(id(frame.f_locals.get("self")), found)
    return found


def _operation_of(error: BaseException) -> str | None:
    """Return the operation that the exporter blames, if it names one."""
    for each in _causes(error):
        func: Any = getattr(each, "func", None)  # torch's own exceptions about one operation
        if isinstance(func, torch._ops.OpOverload):
            return str(func)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
