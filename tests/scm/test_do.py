"""Interventions: every kind of value, on every kind of selection, against forward hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import InputError, SelectorError
from tests.compiler.networks import Net, built, compiled, hooked
from tests.strategies import SOME, tensors

ROWS = 6


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hook(name: str, path: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The output when a forward hook changes what a module returns."""
    _, outputs = hooked(*built(name), {path: change})
    return outputs["output"]


def set_to(columns: list[int], value: Any) -> Callable[[Tensor], Tensor]:
    def change(natural: Tensor) -> Tensor:
        changed = natural.clone()
        changed[:, columns] = value
        return changed

    return change


# In the mlp, "2" is a ReLU of 4 units.
VALUES: dict[str, tuple[str, Any, list[int], Any]] = {
    "number": ("2[1]", 0.5, [1], 0.5),
    "whole number": ("2[1]", 2, [1], 2.0),
    "truth value": ("2[1]", True, [1], 1.0),
    "scalar tensor": ("2[1]", torch.tensor(0.5), [1], 0.5),
    "group": ("2[0,3]", -1.0, [0, 3], -1.0),
    "slice": ("2[1:3]", 2.0, [1, 2], 2.0),
    "steps": ("2[0:4:2]", 2.0, [0, 2], 2.0),
    "site": ("2", 0.0, [0, 1, 2, 3], 0.0),
    "one per row": ("2[1]", numbers(ROWS), [1], numbers(ROWS)[:, None]),
    "one per row, for all": ("2[0:2]", numbers(ROWS), [0, 1], numbers(ROWS)[:, None]),
    "one per row, as a column": ("2[1]", numbers(ROWS, 1), [1], numbers(ROWS, 1)),
    "one per variable": ("2[2,0]", numbers(2), [2, 0], numbers(2)),
    "one per variable of a site": ("2", numbers(4), [0, 1, 2, 3], numbers(4)),
    "constant row": ("2", numbers(1, 4), [0, 1, 2, 3], numbers(1, 4)),
    "one number in a list": ("2[0:2]", torch.tensor([0.5]), [0, 1], 0.5),
    "everything": ("2", numbers(ROWS, 4), [0, 1, 2, 3], numbers(ROWS, 4)),
    "some of everything": ("2[3,1]", numbers(ROWS, 2), [3, 1], numbers(ROWS, 2)),
    "list": ("2[0:2]", [1.0, 2.0], [0, 1], torch.tensor([1.0, 2.0])),
    "another dtype": ("2", numbers(ROWS, 4).double(), [0, 1, 2, 3], numbers(ROWS, 4)),
    "with a gradient": ("2[1]", torch.ones(ROWS, requires_grad=True), [1], 1.0),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    selector, value, columns, meant = VALUES[name]
    after = compiled("mlp").do({selector: value}).observe()
    assert torch.equal(after["output"], by_hook("mlp", "2", set_to(columns, meant)))
    assert not after["output"].requires_grad


def test_one_value_per_row_wins_when_there_are_as_many_variables() -> None:
    model, x = built("mlp")
    assert isinstance(x, Tensor)
    scm = cm.compile(model, x[:4])
    value = numbers(4)
    after = scm.do({"2": value}).observe()["2"]
    assert torch.equal(after, value[:, None].expand(4, 4))


FUNCTIONS: dict[str, tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "elementwise": ("2", lambda v: v * 2 + 1, lambda v: v * 2 + 1),
    "whole site": ("2", lambda v: v @ torch.eye(4).flip(0), lambda v: v.flip(1)),
    "some": ("2[1,2]", lambda v: v.flip(1), lambda v: v[:, [0, 2, 1, 3]]),
    "one": ("2[1]", lambda v: v - v.mean(0), lambda v: set_to([1], v[:, [1]] - v[:, 1].mean())(v)),
    "in place": ("2", lambda v: v.add_(1), lambda v: v + 1),
    "constant": ("2[0]", torch.zeros_like, set_to([0], 0.0)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    selector, function, meant = FUNCTIONS[name]
    after = compiled("mlp").do({selector: function}).observe()
    assert torch.equal(after["output"], by_hook("mlp", "2", meant))


def test_functions_see_sites_in_their_own_shape() -> None:
    scm = compiled("convolutions")
    seen: list[tuple[int, ...]] = []

    def look(values: Tensor) -> Tensor:
        seen.append(tuple(values.shape))
        return values

    for selector in ("act", "act[1]", "act[0:2]"):
        scm.do({selector: look}).observe()
    assert seen == [(6, 3, 4, 4), (6, 1, 16), (6, 2, 16)]


IMAGES = {
    "channel": ("c2[1]", 0.5, (1, slice(None))),
    "map of a channel": ("act[1]", numbers(ROWS, 4, 4), (1, numbers(ROWS, 4, 4))),
    "map with its channel": ("act[1]", numbers(ROWS, 1, 4, 4), (1, numbers(ROWS, 4, 4))),
    "flat map": ("act[1]", numbers(ROWS, 16), (1, numbers(ROWS, 4, 4))),
    "same map": ("act[1]", numbers(1, 4, 4), (1, numbers(1, 4, 4))),
    "two maps": ("act[2,0]", numbers(ROWS, 2, 4, 4), ([2, 0], numbers(ROWS, 2, 4, 4))),
    "one number per channel": ("act[2,0]", torch.tensor([1.0, 2.0]), ([2, 0], None)),
    "one number per row and channel": ("act[0:2]", numbers(ROWS, 2), ([0, 1], None)),
    "whole site": ("act", numbers(ROWS, 3, 4, 4), ([0, 1, 2], numbers(ROWS, 3, 4, 4))),
}


@pytest.mark.parametrize("name", IMAGES)
def test_values_of_variables_with_many_coordinates(name: str) -> None:
    selector, value, (columns, meant) = IMAGES[name]
    if not isinstance(meant, Tensor):
        meant = value if not isinstance(value, Tensor) else value[..., None, None]
    path = selector.split("[")[0]
    after = compiled("convolutions").do({selector: value}).observe()

    def change(natural: Tensor) -> Tensor:
        changed = natural.clone()
        changed[:, columns] = meant
        return changed

    assert torch.equal(after["output"], by_hook("convolutions", path, change))


def test_values_of_sequences_are_given_as_the_site_is() -> None:
    """Variables of a sequence lie along its last dimension."""
    scm = compiled("recurrent")
    value = numbers(ROWS, 3, 2)
    after = scm.do({"lstm.0[2,0]": value}).observe()["lstm.0"]
    assert torch.equal(after[..., [2, 0]], value)
    assert torch.equal(after[..., 1], scm.observe()["lstm.0"][..., 1])


# --- wrong values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(5,), (ROWS, 3), (ROWS + 1, 4), (2, 4), (4, ROWS), (ROWS, 4, 2), (1, 1, 4), (0,)]
)
def test_values_of_the_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as error:
        compiled("mlp").do({"2": torch.zeros(shape)})
    for part in ("do('2')", f"shape {list(shape)}", "expected a number", "[6]", "[4]", "[6, 4]"):
        assert part in str(error.value)


@pytest.mark.parametrize("shape", [(ROWS, 2, 3), (ROWS, 3, 3), (ROWS, 6)])
def test_transposed_values_of_sequences_are_not_scrambled(shape: tuple[int, ...]) -> None:
    selector = "lstm.0[2,0]"
    if shape == (ROWS, 2, 3):  # variable, position: the blocks themselves
        after = compiled("recurrent").do({selector: numbers(*shape)}).observe()["lstm.0"]
        assert torch.equal(after[..., [2, 0]], numbers(*shape).transpose(1, 2))
    else:
        with pytest.raises(InputError, match=r"\[6, 3, 2\]"):
            compiled("recurrent").do({selector: numbers(*shape)})


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), torch.tensor([0, 1, 2, float("nan")])]
)
def test_values_that_are_not_finite(value: Any) -> None:
    with pytest.raises(InputError, match=r"do\('2'\): the value holds NaN or infinity"):
        compiled("mlp").do({"2": value})


def test_values_beyond_the_dtype() -> None:
    with pytest.raises(InputError, match=r"holds NaN or infinity \(the site is torch.float32\)"):
        compiled("mlp").do({"2": 1e300})
    with pytest.raises(InputError, match=r"int64 and cannot hold the torch.float64 value; round"):
        compiled("whole_numbers").do({"input[0]": 0.5})
    assert compiled("whole_numbers").do({"input[0]": 2.0}).observe()["input"][0, 0] == 2


@pytest.mark.parametrize("value", ["0", None, object(), ["a"]])
def test_values_of_no_kind(value: Any) -> None:
    with pytest.raises(InputError, match=r"do\('2\[1\]'\): expected a number, a tensor"):
        compiled("mlp").do({"2[1]": value})


def test_functions_that_give_something_else() -> None:
    scm = compiled("mlp")
    wrong: list[tuple[Any, str]] = [(lambda v: v[:, :1], r"\[6, 1\]"), (lambda v: 3.0, "float")]
    for function, back in wrong:
        with pytest.raises(InputError, match=rf"shape that it is given, \[6, 4\]; .* {back}"):
            scm.do({"2": function}).observe()
    with pytest.raises(InputError, match="NaN"):
        scm.do({"2": lambda v: v / 0}).observe()


def test_a_variable_set_twice() -> None:
    with pytest.raises(InputError) as error:
        compiled("mlp").do({"2[1]": 0.0, "2[0:2]": 1.0})
    assert "2[1] is set twice: by '2[1]' and '2[0:2]'" in str(error.value)
    with pytest.raises(InputError, match="set twice"):
        compiled("hook_points").do({"in_line[0]": 0.0, "relu[0]": 1.0})


@pytest.mark.parametrize("interventions", [{}, None, [("2", 0.0)], "2"])
def test_no_interventions(interventions: Any) -> None:
    with pytest.raises(InputError, match="non-empty mapping from selector to value"):
        compiled("mlp").do(interventions)


def test_unknown_names() -> None:
    scm = compiled("residual")
    with pytest.raises(SelectorError, match=r"unknown site 'rellu' in 'rellu\[2\]'.*'relu'\?"):
        scm.do({"rellu[2]": 0.0})
    with pytest.raises(SelectorError, match="site 'relu' has 5 variables, numbered 0 to 4"):
        scm.do({"relu[5]": 0.0})
    with pytest.raises(SelectorError, match=r"'relu\[3:2\]' selects nothing"):
        scm.do({"relu[3:2]": 0.0})
    with pytest.raises(SelectorError, match=r"not one of the chosen sites; compile with sites="):
        scm.do({"embed": 0.0})
    with pytest.raises(SelectorError, match="did you mean 'in_line'"):
        compiled("hook_points").do({"in_lin": 0.0})
    with pytest.raises(SelectorError, match="did you mean 'relu'"):
        compiled("hook_points").do({"rell": 0.0})  # a further name
    with pytest.raises(SelectorError, match=r"each key is one selector.*given 3"):
        scm.do({3: 0.0})


# --- resampling ---------------------------------------------------------------------------------


def test_resampling_keeps_marginals_and_breaks_dependence() -> None:
    scm = compiled("mlp")
    before, after = scm.observe()["2"], scm.do({"2": cm.resample(3)}).observe()["2"]
    donors = [int((before == row).all(1).nonzero()) for row in after]
    assert sorted(donors) == list(range(ROWS)), "one donor row for all variables, each used once"
    assert donors != list(range(ROWS))
    assert torch.equal(after, scm.do({"2": cm.resample(3)}).observe()["2"])
    assert not torch.equal(after, scm.do({"2": cm.resample(4)}).observe()["2"])


def test_keys_with_one_seed_share_donors() -> None:
    scm = compiled("mlp")
    together = scm.do({"2": cm.resample(3)}).observe()["2"]
    apart = scm.do({"2[0:2]": cm.resample(3), "2[2:4]": cm.resample(3)}).observe()["2"]
    assert torch.equal(together, apart)


def test_resampling_one_by_one() -> None:
    model, _ = built("mlp")
    scm = cm.compile(model, numbers(50, 3))
    before = scm.observe()["0.1"]
    after = scm.do({"0.1": cm.resample(3, joint=False)}).observe()["0.1"]
    assert torch.equal(after.sort(0).values, before.sort(0).values), "marginals are kept"
    donors = [(before[:, i][None] == after[:, i, None]).float().argmax(1) for i in range(5)]
    shared = [(a == b).float().mean() for i, a in enumerate(donors) for b in donors[:i]]
    assert max(shared) < 0.2, "each variable has donors of its own"
    again = scm.do({"0.1[3]": cm.resample(3, joint=False)}).observe()["0.1"]
    assert torch.equal(again[:, 3], after[:, 3]), "whoever else is set"


def test_resampling_takes_values_of_the_model_it_is_called_on() -> None:
    scm = compiled("mlp").do({"input": 1.0})
    after = scm.do({"2": cm.resample(0)}).observe()["2"]
    assert torch.equal(after, scm.observe()["2"]), "all rows hold the same"


def test_the_global_generators_are_left_alone() -> None:
    state = torch.get_rng_state()
    compiled("mlp").do({"2": cm.resample(0), "0.1": cm.resample(1, joint=False)}).observe()
    assert torch.equal(torch.get_rng_state(), state)


# --- one after the other ------------------------------------------------------------------------


@SOME
@given(st.data())
def test_interventions_add_up(draw: st.DataObject) -> None:
    """``do(a).do(b)`` is ``do(a and b)``, in either order, when they set different variables."""
    scm = compiled("residual")
    names = draw.draw(st.lists(st.sampled_from(scm.variables), min_size=2, max_size=5, unique=True))
    values = {name: draw.draw(tensors(ROWS)) for name in names}
    cut = draw.draw(st.integers(1, len(names) - 1))
    first, second = ({n: values[n] for n in part} for part in (names[:cut], names[cut:]))
    together = scm.do(values).observe()
    for a, b in ((first, second), (second, first)):
        apart = scm.do(a).do(b).observe()
        assert all(torch.equal(apart[site], together[site]) for site in together)
    for name, value in values.items():
        site, index = name.rstrip("]").split("[")
        assert torch.equal(together[site][:, int(index)], value)


@SOME
@given(st.data())
def test_what_does_not_descend_from_an_intervention_stays(draw: st.DataObject) -> None:
    import networkx as nx

    scm = compiled("towers")
    name = draw.draw(st.sampled_from(scm.variables))
    before, after = scm.observe(), scm.do({name: draw.draw(tensors(ROWS))}).observe()
    moved = {name, *nx.descendants(scm.graph, name)}
    for site in scm.sites.values():
        for index, variable in enumerate(site.variables):
            if variable not in moved:
                same = torch.equal(before[site.name][:, index], after[site.name][:, index])
                assert same, variable


def test_the_later_intervention_wins() -> None:
    scm = compiled("mlp").do({"2[1]": 1.0}).do({"2[1]": 2.0})
    assert (scm.observe()["2"][:, 1] == 2).all()
    grown = scm.do({"2[1]": lambda natural: natural + 1})
    assert (grown.observe()["2"][:, 1] == 3).all(), "functions see what earlier ones did"


def test_a_soft_intervention_follows_what_comes_before() -> None:
    scm = compiled("mlp").do({"2": lambda natural: natural * 2}).do({"input": 0.3})
    fresh = compiled("mlp").do({"input": 0.3}).observe()["2"]
    assert torch.equal(scm.observe()["2"], fresh * 2)


def test_models_are_not_changed_by_interventions() -> None:
    scm = compiled("mlp")
    before = scm.observe()
    value = numbers(ROWS, 4)
    changed = scm.do({"2": value})
    value.zero_()
    assert torch.equal(changed.observe()["2"], numbers(ROWS, 4)), "values are copied"
    assert all(torch.equal(scm.observe()[site], before[site]) for site in before)
    assert "1 intervention)" in repr(changed)
    assert "interventions" not in repr(scm)


def test_both_of_a_tied_pair() -> None:
    """A unit and its activation are two nodes: each can be set, the later one has the last word."""
    scm = compiled("mlp")
    before = scm.observe()
    pre = scm.do({"1[0]": -3.0}).observe()
    assert (pre["2"][:, 0] == 0).all(), "through the mechanism"
    post = scm.do({"2[0]": 5.0}).observe()
    assert torch.equal(post["1"], before["1"]), "nothing flows backwards"
    both = scm.do({"1[0]": -3.0, "2[0]": 5.0}).observe()
    assert torch.equal(both["output"], post["output"])


def test_inputs() -> None:
    model, x = built("mlp")
    assert isinstance(x, Tensor)
    changed = x.clone()
    changed[:, 1] = 0.25
    with torch.no_grad():
        expected = model(changed)
    assert torch.equal(compiled("mlp").do({"input[1]": 0.25}).observe()["output"], expected)


def test_hook_points_in_line_and_on_a_branch() -> None:
    scm = compiled("hook_points")
    zero = {"branch": 0.0}
    by_branch = scm.do(zero).observe()
    assert torch.equal(by_branch["output"], by_hook("hook_points", "branch", torch.zeros_like))
    assert torch.equal(by_branch["in_line"], scm.observe()["in_line"])
    in_line = scm.do({"in_line": 0.0}).observe()
    assert torch.equal(in_line["output"], by_hook("hook_points", "in_line", torch.zeros_like))
    assert not torch.equal(in_line["output"], by_branch["output"])
    assert in_line["branch"].abs().sum() == 0


def test_only_what_is_needed_is_computed_again() -> None:
    calls: list[str] = []
    scm = cm.compile(*built("residual"))
    program = scm.program
    run = program.run

    def spy(known: Any, wanted: Any, *args: Any, **options: Any) -> Any:
        calls.extend(wanted)
        return run(known, wanted, *args, **options)

    scm.observe()
    program.run = spy
    scm.do({"tanh[0]": 0.0}).observe()
    assert len(calls) == 2, "the site that is set, and the output behind it"


def test_values_may_be_set_under_no_parameters_at_all() -> None:
    net = Net(lambda _, x: x * 2 + 1)
    scm = cm.compile(net.eval(), numbers(3, 2))
    assert (scm.do({"input": 1.0}).observe()["output"] == 3).all()
    assert scm.parameters == {}


def test_scalar_sites() -> None:
    net = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    scm = cm.compile(net.eval(), numbers(5, 3))
    assert scm.sites["output"].shape == ()
    after = scm.do({"output[0]": numbers(5)}).observe()["output"]
    assert torch.equal(after, numbers(5))


def test_pythons_numbers_keep_their_precision() -> None:
    model = torch.nn.Linear(2, 1, dtype=torch.float64).eval()
    scm = cm.compile(model, torch.eye(2, dtype=torch.float64))
    assert scm.do({"input[0]": 0.1}).observe()["input"][:, 0].tolist() == [0.1, 0.1]
    listed: Any = [[0.1, 0.2]]
    assert scm.do({"input": listed}).observe()["input"].tolist() == [[0.1, 0.2]] * 2
