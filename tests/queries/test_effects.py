"""Effects: closed forms of linear models, decompositions, and paths."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import causalmod as cm
from causalmod.errors import QueryError
from causalmod.queries import Effect
from tests.queries.networks import net
from tests.strategies import SOME

ROWS = 40


class Linear(nn.Module):
    """x → m → n → y, with x → n, x → y and m → y, and y's own noise; all coefficients are weights.

    y = c_xy x + c_my m + c_ny n,  n = c_xn x + c_mn m,  m = c_xm x, each plus an input.
    """

    def __init__(self) -> None:
        super().__init__()
        self.x, self.m, self.n, self.y = (nn.Identity() for _ in range(4))
        self.weight = nn.Parameter(torch.zeros(6, dtype=torch.float64))

    def forward(self, noise: Tensor) -> Tensor:
        xm, xn, mn, xy, my, ny = self.weight.unbind()
        u = noise.unbind(1)
        x = self.x((u[0] * 1.0)[:, None])
        m = self.m(u[1][:, None] + xm * x)
        n = self.n(u[2][:, None] + xn * x + mn * m)
        return self.y(u[3][:, None] + xy * x + my * m + ny * n)


NOISE = torch.randn(ROWS, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
BASE = cm.compile(Linear().eval(), NOISE, sites=["x", "m", "n", "y"])
(WEIGHT,) = [node for node, name in BASE.program.trace.parameters.items() if name == "weight"]


def linear(coefficients: list[float]) -> cm.StructuralCausalModel:
    return BASE.with_parameters({WEIGHT: torch.tensor(coefficients, dtype=torch.float64)})


# a coefficient of zero is no arrow
coefficients = st.lists(st.floats(0.1, 3) | st.floats(-3, -0.1), min_size=6, max_size=6)
ends = st.floats(-2, 2)


@given(coefficients, ends, ends)
@SOME
def test_effects_in_a_linear_model_are_products_of_coefficients(
    c: list[float], old: float, new: float
) -> None:
    """Wright (1921): an effect is the sum over paths of the products of their coefficients."""
    scm = linear(c)
    xm, xn, mn, xy, my, ny = c
    step = new - old
    expected = {
        "TE(y ; {})": xy + xm * my + xn * ny + xm * mn * ny,
        "NDE(y ; {} ; m)": xy + xn * ny,
        "NIE(y ; {} ; m)": xm * my + xm * mn * ny,
        "NDE(y ; {} ; m, n)": xy,
        "NIE(y ; {} ; m, n)": xm * my + xn * ny + xm * mn * ny,
        "NDE(y ; {})": xy,
        "CDE(y ; {} ; m = 0.7)": xy + xn * ny,
        "CDE(y ; {} ; m = 0.7, n = -1)": xy,
        "PSE(y ; {} ; x -> y)": xy,
        "PSE(y ; {} ; x -> m -> y)": xm * my,
        "PSE(y ; {} ; x -> m -> n -> y)": xm * mn * ny,
        "PSE(y ; {} ; x -> m -> n -> y, x -> n -> y)": xm * mn * ny + xn * ny,
        "TE(n ; {})": xn + xm * mn,
    }
    change = f"x = {old!r} -> {new!r}"
    for text, slope in expected.items():
        found = cm.query(scm, text.format(change))
        assert found.kind == "effect"
        assert found.mean() == pytest.approx(slope * step, abs=1e-10)
        assert found.samples is not None
        assert float(found.samples.std()) < 1e-10  # the same on every row


@given(st.integers(0, 10**6), ends, ends)
@SOME
def test_the_total_effect_is_direct_minus_reversed_indirect(
    seed: int, old: float, new: float
) -> None:
    """TE(x → x') = NDE(x → x') − NIE(x' → x); Pearl, UAI (2001), theorem 3."""
    model, x = net(seed % 7)
    scm = cm.compile(model, x)
    there, back = f"input[0] = {old!r} -> {new!r}", f"input[0] = {new!r} -> {old!r}"
    total = cm.query(scm, f"TE(output[0] ; {there})").samples
    direct = cm.query(scm, f"NDE(output[0] ; {there} ; act)").samples
    indirect = cm.query(scm, f"NIE(output[0] ; {back} ; act)").samples
    assert total is not None
    assert direct is not None
    assert indirect is not None
    torch.testing.assert_close(total, direct - indirect, rtol=0, atol=1e-5)


def test_natural_effects_in_a_network_are_the_network_run_by_hand() -> None:
    model, x = net()
    scm = cm.compile(model, x)
    before, after = x.clone(), x.clone()
    before[:, 0], after[:, 0] = 0.0, 1.0
    with torch.no_grad():
        hidden = {k: model.act(model.fc1(v)) for k, v in (("old", before), ("new", after))}
        base = model.fc2(hidden["old"]) + model.skip(before)
        direct = model.fc2(hidden["old"]) + model.skip(after) - base
        indirect = model.fc2(hidden["new"]) + model.skip(before) - base
        total = model.fc2(hidden["new"]) + model.skip(after) - base
    for text, expected in (
        ("NDE(output ; input[0] = 0 -> 1 ; act)", direct),
        ("NDE(output ; input[0] = 0 -> 1)", direct),
        ("NIE(output ; input[0] = 0 -> 1 ; act)", indirect),
        ("TE(output ; input[0] = 0 -> 1)", total),
    ):
        found = cm.query(scm, text)
        assert found.samples is not None
        torch.testing.assert_close(found.samples, expected.double(), rtol=0, atol=1e-6)
        assert found.names == ("output[0]", "output[1]")
        assert found.mean().tolist() == pytest.approx(expected.double().mean(0).tolist(), abs=1e-6)


def test_paths_through_one_unit_and_past_all() -> None:
    """In a network one path leads through each hidden unit; with the skip they sum to the rest."""
    model, x = net()
    scm = cm.compile(model, x)
    before, after = x.clone(), x.clone()
    before[:, 0], after[:, 0] = 0.0, 1.0
    change = "input[0] = 0 -> 1"
    with torch.no_grad():
        old, new = model.act(model.fc1(before)), model.act(model.fc1(after))
    sum_ = torch.zeros(len(x), dtype=torch.float64)
    for unit in range(4):
        path = f"input[0] -> fc1[{unit}] -> act[{unit}] -> output[0]"
        found = cm.query(scm, f"PSE(output[0] ; {change} ; {path})").samples
        hidden = old.clone()
        hidden[:, unit] = new[:, unit]
        with torch.no_grad():
            expected = (model.fc2(hidden) - model.fc2(old))[:, 0]
        assert found is not None
        torch.testing.assert_close(found[:, 0], expected.double(), rtol=0, atol=1e-6)
        sum_ += found[:, 0]
    past = cm.query(scm, f"PSE(output[0] ; {change} ; input[0] -> output[0])").samples
    total = cm.query(scm, f"TE(output[0] ; {change})").samples
    assert past is not None
    assert total is not None
    torch.testing.assert_close(sum_ + past[:, 0], total[:, 0], rtol=0, atol=1e-5)


def test_paths_that_cross_do_not_make_a_third() -> None:
    """Paths x → a → z → y and x → b → z → c → y: their edges also hold x → a → z → c → y."""
    scm = cm.from_functions(
        {
            "u": [0, 1],
            "x": lambda u: u,
            "a": lambda x: 2 * x,
            "b": lambda x: 3 * x,
            "z": lambda a, b: 5 * a + 7 * b,
            "c": lambda z: 11 * z,
            "y": lambda z, c: 13 * z + 17 * c,
        }
    )
    found = cm.query(scm, "PSE(y ; x = 0 -> 1 ; x -> a -> z -> y, x -> b -> z -> c -> y)")
    assert found.mean() == pytest.approx(2 * 5 * 13 + 3 * 7 * 11 * 17, abs=1e-9)
    both = "x -> a -> z -> y, x -> b -> z -> y, x -> a -> z -> c -> y, x -> b -> z -> c -> y"
    everything = cm.query(scm, f"PSE(y ; x = 0 -> 1 ; {both})").mean()
    assert everything == pytest.approx(cm.query(scm, "TE(y ; x = 0 -> 1)").mean(), abs=1e-9)


def test_interaction_is_in_neither_part() -> None:
    """y = x m, m = x (Pearl 2001): TE 1, NDE 0, NIE 0 from 0 to 1; 1 + 1 − 1 the other way."""
    scm = cm.from_functions(
        {"u": [0, 1], "x": lambda u: u, "m": lambda x: x, "y": lambda x, m: x * m}
    )
    read = {k: cm.query(scm, f"{k}(y ; x = 0 -> 1{' ; m' if k != 'TE' else ''})").mean()
            for k in ("TE", "NDE", "NIE")}  # fmt: skip
    assert read == {"TE": 1.0, "NDE": 0.0, "NIE": 0.0}


def test_the_published_example_of_a_treatment_an_enzyme_and_a_cure() -> None:
    """Pearl, The causal mediation formula, Prevention Science 13:426 (2012), numerical example.

    E[Y|x,m]: .20, .30, .40, .80 for (x,m) = 00, 01, 10, 11; E[M|x]: .40, .75.
    NDE = .32, NIE = .035, TE = .46.
    """
    scm = cm.from_functions(
        {
            "coin": [0, 1],
            "u": list(range(20)),
            "v": list(range(10)),
            "x": lambda coin: coin,
            "m": lambda x, u: u < 8 + 7 * x,
            "y": lambda x, m, v: v < 2 + m + 2 * x + 3 * x * m,
        }
    )
    change = "x = 0 -> 1"
    assert cm.query(scm, f"NDE(y ; {change} ; m)").mean() == pytest.approx(0.32, abs=1e-12)
    assert cm.query(scm, f"NIE(y ; {change} ; m)").mean() == pytest.approx(0.035, abs=1e-12)
    assert cm.query(scm, f"TE(y ; {change})").mean() == pytest.approx(0.46, abs=1e-12)


def test_an_effect_on_some_rows_only() -> None:
    model, x = net()
    scm = cm.compile(model, x)
    everyone = cm.query(scm, "TE(output[0] ; act[3] = 0 -> 1)").samples
    found = cm.query(scm, "TE(output[0] ; act[3] = 0 -> 1 | output[1] > 0)")
    with torch.no_grad():
        kept = model(x)[:, 1] > 0
    assert everyone is not None
    assert found.rows == int(kept.sum())
    assert found.mean() == pytest.approx(float(everyone[kept].mean()), abs=1e-6)


def test_sampled_effects_have_intervals() -> None:
    model, x = net()
    scm = cm.compile(model, x)
    exact = cm.query(scm, "TE(output[0] ; input[0] = 0 -> 1)")
    assert exact.low == exact.mean() == exact.high
    drawn = cm.query(scm, "TE(output[0] ; input[0] = 0 -> 1)", samples=60, seed=3)
    assert drawn.low < exact.mean() < drawn.high
    assert list(drawn.table.columns) == ["of", "mean", "reference", "changed", "low", "high"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("TE(act ; act[3] = 0 -> 1)", "act[3] is the treatment and the outcome"),
        ("NDE(output ; act[3] = 0 -> 1 ; act)", "act[3] is the treatment and a mediator"),
        ("NDE(output ; act[3] = 0 -> 1 ; output[0])", "output[0] is a mediator and the outcome"),
        (
            "PSE(output[0] ; fc1[3] = 0 -> 1 ; fc1[3] -> output[0])",
            "arrows lead from fc1[3] to act[3]",
        ),
        ("PSE(output[0] ; fc1[3] = 0 -> 1 ; fc1[3] -> act[2] -> output[0])", "no arrow leads"),
        ("PSE(output[0] ; fc1[3] = 0 -> 1 ; fc1[3] -> act[3] -> act -> output[0])", "twice"),
        ("TE(output[0] ; act[3] = 0 -> 1 | act[2] > 1e9)", "0 of 90 rows"),
    ],
)
def test_an_effect_that_makes_no_sense_says_why(text: str, says: str) -> None:
    model, x = net()
    with pytest.raises(QueryError, match=re.escape(says)):
        cm.query(cm.compile(model, x), text)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Effect("XYZ", "y", {"x": (0, 1)}), "unknown effect"),
        (lambda: Effect("TE", "y", ()), "needs a treatment that changes"),
        (lambda: Effect("PSE", "y", {"x": (0, 1)}, paths=[["y"]]), "must lead from a treatment"),
    ],
)
def test_an_effect_that_is_none(build: object, says: str) -> None:
    assert callable(build)
    with pytest.raises(cm.InputError, match=says):
        build()


def test_an_intervention_on_an_edge_can_be_asked() -> None:
    model, x = net()
    scm = cm.compile(model, x)
    expected = scm.do({("act[3]", "output[0]"): 0.5}).observe()["output"].double().mean(0)
    found = cm.query(scm, "E[output | do(act[3] -> output[0] = 0.5)]")
    assert found.mean().tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    plain = scm.observe()["output"].double().mean(0)
    assert found.mean()["output[0]"] != plain[0]
    assert found.mean()["output[1]"] == plain[1]
    both = cm.query(scm, "E[output | do(act[3] -> output[0] = 0.5, act[1] = 0)]").mean()
    two = scm.do({("act[3]", "output[0]"): 0.5, "act[1]": 0.0}).observe()["output"].double()
    assert both.tolist() == pytest.approx(two.mean(0).tolist(), abs=1e-7)


def test_one_path_is_a_chain_of_interventions_on_edges() -> None:
    """Path patching: each step sees the changed value of the step before, and nothing else does."""
    model, x = net()
    scm = cm.compile(model, x).do({"input[0]": 0.0})
    unit = scm.do({("input[0]", "fc1[2]"): 1.0}).observe()["fc1"][:, 2]
    active = scm.do({("fc1[2]", "act[2]"): unit}).observe()["act"][:, 2]
    output = scm.do({("act[2]", "output[0]"): active}).observe()["output"][:, 0]
    expected = (output - scm.observe()["output"][:, 0]).double()
    path = "input[0] -> fc1[2] -> act[2] -> output[0]"
    found = cm.query(cm.compile(model, x), f"PSE(output[0] ; input[0] = 0 -> 1 ; {path})").samples
    assert found is not None
    torch.testing.assert_close(found[:, 0], expected, rtol=0, atol=1e-6)


class Heads(nn.Module):
    """Two heads that each read all positions, and a readout of the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(4, 8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = x + self.attn(x, x, x, need_weights=False)[0]
        return self.head(x[:, -1])


def heads() -> tuple[Heads, Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = Heads()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.eval(), torch.randint(0, 4, (30, 5), generator=generator)


def test_heads_of_many_coordinates_are_mediators() -> None:
    """What passes one head: the head's output is that of the changed tokens, all else is not."""
    model, tokens = heads()
    scm = cm.compile(model, tokens)
    (site,) = [s for s in scm.sites.values() if s.name == "attn.heads"]
    assert site.width > 1
    change = "input[0] = 1 -> 3"
    old, new = scm.do({"input[0]": 1}), scm.do({"input[0]": 3})
    for mediators, chosen in (("attn.heads[1]", [1]), ("attn.heads", [0, 1])):
        mixed = old.observe()["attn.heads"]
        mixed[:, chosen] = new.observe()["attn.heads"][:, chosen]
        expected = old.do({"attn.heads": mixed}).observe()["output"] - old.observe()["output"]
        found = cm.query(scm, f"NIE(output ; {change} ; {mediators})").samples
        assert found is not None
        torch.testing.assert_close(found, expected.double(), rtol=0, atol=1e-5)
    total = cm.query(scm, f"TE(output ; {change})").samples
    assert total is not None
    torch.testing.assert_close(total, expected.double(), rtol=0, atol=1e-5)
    path = "input[0] -> attn.v[1] -> attn.heads[1] -> output[2]"
    along = cm.query(scm, f"PSE(output[2] ; {change} ; {path})").mean()
    assert along != 0
    with pytest.raises(cm.InputError, match="they must be as many"):
        cm.query(scm, "E[output_{attn.heads[0] = input[0]_{input[1] = 2}}]")
