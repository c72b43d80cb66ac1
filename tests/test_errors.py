"""One family of errors, each of which also is what Python would raise; and suggestions."""

from __future__ import annotations

import inspect
import pickle

import pytest

from causalmod import errors
from causalmod.errors import CausalmodError, Interrupted, OutputError, nearest

CLASSES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, Exception) and each.__module__ == errors.__name__
]


@pytest.mark.parametrize("error", [c for c in CLASSES if not issubclass(c, Warning)])
def test_errors_are_of_one_family(error: type[CausalmodError]) -> None:
    assert issubclass(error, CausalmodError)
    if error not in {CausalmodError, OutputError}:
        assert issubclass(error, ValueError)
    raised = pickle.loads(pickle.dumps(error("what, and what to change")))
    assert str(raised) == "what, and what to change"


def test_an_output_error_is_an_os_error() -> None:
    assert issubclass(OutputError, OSError)


def test_an_interruption_carries_what_was_found() -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        raise Interrupted({"found": 3})
    assert isinstance(raised.value, Interrupted)
    assert raised.value.partial == {"found": 3}
    assert not isinstance(raised.value, Exception), "except Exception does not swallow it"


@pytest.mark.parametrize(
    ("name", "known", "clause"),
    [
        ("fc11", ["fc1", "fc2"], "did you mean 'fc1'?"),
        ("FC1", ["fc1", "fc2"], "did you mean 'fc1'?"),
        ("layer.0.att", ["layer.0.attn", "layer.1.attn"], "did you mean 'layer.0.attn'?"),
        ("zzz", ["a", "b"], "known names are 'a', 'b'"),
        ("zzz", [f"name{i}" for i in range(10)], "'name7' and 2 more"),
        ("zzz", [], "there are none"),
    ],
)
def test_suggestions(name: str, known: list[str], clause: str) -> None:
    assert clause in nearest(name, iter(known))
