# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Ask, identify, and check the answer against the network
#
# A compiled network is a causal model in which every intervention and every counterfactual can be
# run. So a question can be put in the field's notation and answered by the network itself.

# %%
import torch
from torch import nn

import causalmod as cm

# %% [markdown]
# ## Seeing is not doing
#
# Textbook models travel the same road as networks. The sprinkler: the season decides on sprinkler
# and rain, and both wet the grass. Noise variables are uniform, and as fine as their tables need;
# they are enumerated, so the answers are exact.

# %%
sprinkler = cm.from_functions(
    {
        "season": [0, 1],
        "n_sprinkler": list(range(10)),
        "n_rain": list(range(5)),
        "n_wet": list(range(100)),
        "sprinkler": lambda season, n_sprinkler: n_sprinkler < torch.where(season == 0, 5, 1),
        "rain": lambda season, n_rain: n_rain < torch.where(season == 0, 1, 4),
        "wet": lambda sprinkler, rain, n_wet: (
            n_wet < 90 * torch.maximum(sprinkler, rain) + 9 * sprinkler * rain
        ),
    }
)
print(sprinkler)
seeing = cm.query(sprinkler, "P(wet = 1 | sprinkler = 1)")
doing = cm.query(sprinkler, "P(wet = 1 | do(sprinkler = 1))")
doing_in_rain = cm.query(sprinkler, "P(wet = 1 | do(sprinkler = 1), rain = 1)")
imagining = cm.query(sprinkler, "P(wet_{sprinkler = 0} = 1 | sprinkler = 1, wet = 1)")
for answer in (seeing, doing, doing_in_rain, imagining):
    print(answer)
assert abs(doing.mean() - 0.945) < 1e-12
assert abs(doing_in_rain.mean() - 0.99) < 1e-12
assert abs(seeing.mean() - 0.927) < 1e-12

# %% [markdown]
# The last one is a counterfactual: the sprinkler was on and the grass is wet; would it be wet had
# the sprinkler been off? The rows that agree with what was seen are kept, the sprinkler is switched
# off in them, and the model runs on.
#
# A value that is left open makes a family.

# %%
family = cm.query(sprinkler, "P(wet = 1 | do(sprinkler), rain)")
print(family.table.to_string(index=False))
figure = family.plot()
figure

# %% [markdown]
# ## Mediation: what passes through one head?
#
# A small attention network learns to recall: it reads four values and then the number of a place,
# and names the value that stood there. So the only way from a value to the answer is attention.

# %%
PLACES, VALUES = 4, 4
generator = torch.Generator().manual_seed(0)


class Recall(nn.Module):
    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(PLACES + VALUES, width)
        self.position = nn.Parameter(torch.zeros(PLACES + 1, width))
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.head = nn.Linear(width, VALUES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens) + self.position
        x = x + self.attn(x, x, x, need_weights=False)[0]
        return self.head(x[:, -1])


def examples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.randint(0, VALUES, (count, PLACES), generator=generator)
    place = torch.randint(0, PLACES, (count, 1), generator=generator)
    return torch.cat([values, place + VALUES], dim=1), values.gather(1, place)[:, 0]


with torch.random.fork_rng():
    torch.manual_seed(0)
    model = Recall()
optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(400):
    tokens, answers = examples(128)
    loss = nn.functional.cross_entropy(model(tokens), answers)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
model.eval()
tokens, answers = examples(400)
accuracy = float((model(tokens).argmax(1) == answers).double().mean())
print(f"accuracy {accuracy:.2f}")
assert accuracy > 0.99

# %%
scm = cm.compile(model, tokens)
print(scm)

# %% [markdown]
# Change the value at place 0 from 1 to 2, on the rows that ask for place 0, and watch the logit of
# answer 2. The **total effect** splits:
#
# - the **natural indirect effect** through a head is what the answer gains when only that head sees
#   the change: everything else stays as it would have been;
# - the **natural direct effect** past the heads is what it gains when the heads do not see it.

# %%
change, asked = "input[0] = 1 -> 2", "input[4] = 4"
total = cm.query(scm, f"TE(output[2] ; {change} | {asked})")
first = cm.query(scm, f"NIE(output[2] ; {change} ; attn.heads[0] | {asked})")
second = cm.query(scm, f"NIE(output[2] ; {change} ; attn.heads[1] | {asked})")
past = cm.query(scm, f"NDE(output[2] ; {change} ; attn.heads | {asked})")
for answer in (total, first, second, past):
    print(answer)
assert total.mean() > 5
assert past.mean() == 0.0  # only attention reads other places

# %% [markdown]
# The heads' outputs are added, and the answer is linear in them: so here the parts sum up. (In
# general they do not; what always holds is TE(x → x′) = NDE(x → x′) − NIE(x′ → x).)

# %%
assert abs(first.mean() + second.mean() - total.mean()) < 1e-3
share = {0: first.mean() / total.mean(), 1: second.mean() / total.mean()}
print({head: f"{part:.0%}" for head, part in share.items()})
reversed_ = cm.query(scm, f"NIE(output[2] ; input[0] = 2 -> 1 ; attn.heads | {asked})")
assert abs(past.mean() - reversed_.mean() - total.mean()) < 1e-3

# %% [markdown]
# An effect is a change on every row, and the mean is only the headline. Here it is nearly the same
# on all of them, whatever the other places hold.

# %%
figure = second.plot()
figure

# %% [markdown]
# One step further: a head can pass the change as *what* it moves (its values) or as *where* it
# looks (its keys). A **path-specific effect** tells the two apart.

# %%
head = max(share, key=lambda each: share[each])
paths = {
    name: f"input[0] -> attn.{name}[{head}] -> attn.heads[{head}] -> output[2]"
    for name in ("k", "v")
}
along = {
    name: cm.query(scm, f"PSE(output[2] ; {change} ; {path} | {asked})").mean()
    for name, path in paths.items()
}
print(f"head {head}: along its keys {along['k']:.2f}, along its values {along['v']:.2f}")
assert along["v"] > along["k"]

# %% [markdown]
# Information is a query as well, equal to the last bit to the function of that name.

# %%
sent = cm.query(scm, "I(attn.heads[0] ; output | do(attn.heads[0]), U)", estimator="gaussian")
print(sent)
same = cm.information(scm, "attn.heads[0]", "output", "conditional", estimator="gaussian")
assert sent.bits == same.bits

# %% [markdown]
# ## From logs alone
#
# Often activations were logged, and the network cannot be run again. Which effects do the logs
# still give? A small network: `x` fires when one of two inputs does, `m` reads `x` and a third
# input, `y` reads `m` and one of the inputs of `x`, so `x` and `y` share a cause.


# %%
class Circuit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x, self.m = nn.Identity(), nn.Identity()

    def forward(self, bits: torch.Tensor) -> torch.Tensor:
        x = self.x((bits[:, :2].sum(1, keepdim=True) > 0.5).float())
        m = self.m((x + bits[:, 2:3] > 1.1).float())
        return (m + bits[:, 1:2] > 0.5).float()


bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3)
circuit = cm.compile(Circuit().eval(), bits, sites=["x", "m", "output"])
effect = "P(output = 1 | do(m = 0))"
logged = {
    "everything": None,
    "no layer before m": ["m", "output"],
    "m and the second input": ["input[1]", "m", "output"],
}
for name, observed in logged.items():
    print(f"{name}: {cm.identify(circuit, effect, observed)}")
assert cm.identify(circuit, effect).through == ("input[1]",)
assert not cm.identify(circuit, effect, logged["no layer before m"]).identifiable
figure = cm.identify(circuit, effect).plot()
figure

# %% [markdown]
# Without the inputs, `m` and the output share the hidden row of the data: the **bow**. The hedge is
# the proof that no formula exists. With one input logged, adjusting for it is enough, and rule 2 of
# do-calculus says so; without it, the rule names the path that is open.

# %%
figure = cm.identify(circuit, effect, logged["no layer before m"]).plot()
figure

# %%
print(cm.rules.exchange_action_and_observation(circuit, "output", "m", given="input[1]"))
print(cm.rules.exchange_action_and_observation(circuit, "output", "m"))
assert cm.rules.exchange_action_and_observation(circuit, "output", "m", given="input[1]")
assert not cm.rules.exchange_action_and_observation(circuit, "output", "m")

# %% [markdown]
# The network is still here, so the formula can be checked against a real intervention.

# %%
checked = cm.verify(circuit, effect, draws=0)
print(checked)
assert checked.agree
assert checked.intervened == 0.5
assert cm.query(circuit, "P(output = 1 | m = 0)").mean() == 0.4  # seeing is not doing

# %% [markdown]
# Information is identified in the same way. Given the row, `m` sends the output what the second
# input lets through; that input stands for the row, so the logs have the figure.

# %%
asked = "I(m[0] ; output[0] | do(m[0]), U)"
from_logs = cm.identify(circuit, asked)
print(from_logs)
print(from_logs(circuit.observe()))
assert abs(from_logs(circuit.observe()).value - cm.query(circuit, asked).bits) < 1e-9
assert not cm.identify(circuit, asked, logged["no layer before m"]).identifiable

# %% [markdown]
# ## The front door, and what determinism does to it
#
# Smoking, tar and cancer: smoker and cancer share a hidden cause, and all of the effect goes
# through tar. With noise in every variable the front door is open.

# %%
front = cm.from_functions(
    {
        "gene": [0, 1],
        "n_smoker": list(range(5)),
        "n_tar": list(range(10)),
        "n_cancer": list(range(10)),
        "smoker": lambda gene, n_smoker: n_smoker < 1 + 3 * gene,
        "tar": lambda smoker, n_tar: n_tar < 1 + 8 * smoker,
        "cancer": lambda tar, gene, n_cancer: n_cancer < 1 + 3 * tar + 5 * gene,
    }
)
answer = cm.verify(front, "P(cancer = 1 | do(smoker = 1))", ["smoker", "tar", "cancer"], draws=0)
print(answer.identification.formula)
print(answer)
assert answer.identification.route == "front-door"
assert answer.agree
figure = answer.identification.plot()
figure

# %%
seen = cm.query(front, "P(cancer = 1 | smoker = 1)").mean()
print(f"seen {seen:.3f}, done {answer.intervened:.3f}")
assert seen - answer.intervened > 0.1

# %% [markdown]
# In a network a bottleneck layer is the same graph, but nothing in it is random. What passes the
# bottleneck is decided by what comes in, so the logs never hold one value of `m` with the other
# value of `x`, and the formula asks for just those cells. causalmod says which, and what share of
# the answer rests on them, instead of giving a number.


# %%
class Bottleneck(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x, self.m = nn.Identity(), nn.Identity()

    def forward(self, bits: torch.Tensor) -> torch.Tensor:
        x = self.x((bits[:, :2].sum(1, keepdim=True) > 0.5).float())
        m = self.m(1.0 - x)
        return (m + bits[:, 1:2] > 0.5).float()


narrow = cm.compile(Bottleneck().eval(), bits, sites=["x", "m", "output"])
broken = cm.verify(narrow, "P(output = 1 | do(x = 1))", ["x", "m", "output"], draws=0)
print(broken)
print(broken.logged.cells)
assert broken.identification.route == "front-door"
assert broken.logged.missing > 0.2
assert broken.agree is None

# %% [markdown]
# ## Does the network do what its graph says?
#
# Independences and rules are tried on random triples, by real interventions. Violations would mean
# a wrong graph; independences beyond the graph are what determinism adds.

# %%
tried = cm.falsify(circuit, triples=100)
print(tried)
print(tried.extra.head().to_string(index=False))
assert not tried.falsified

# %% [markdown]
# ## To other libraries and back

# %%
from causalmod.bridges.extra import load  # imports quietly, and says which extra is missing

elimination = load("pgmpy.inference").VariableElimination
network = cm.to_pgmpy(circuit)
found = elimination(network.do(["m[0]"])).query(
    ["output[0]"], evidence={"m[0]": 0.0}, show_progress=False
)
print(found)
assert abs(found.values[-1] - checked.intervened) < 1e-12
