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
# # Which heads matter, and what do they tell each other?
#
# A small transformer learns to look something up in its own input. We then take it apart: every
# head is resampled, the few that matter are found, and path patching shows along which wire they
# talk. The answer is a textbook circuit, the *induction head* (Elhage et al. 2021; Olsson et al.
# 2022), and we get there by intervening only.

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

import causalmod as cm

# %% [markdown]
# ## The task
#
# Eight different letters, then one of the first seven again. What came after it the first time?
#
#     c a f h b e d g   f   ->   h
#
# No letter says more than another, so the answer cannot be learnt by heart: it has to be read off
# this very row. One layer of attention cannot do that, because the place that holds the answer
# looks like any other place, until somebody has told it what stands before it.

# %%
LETTERS, SHOWN, HEADS, WIDTH = 12, 8, 4, 32
generator = torch.Generator().manual_seed(0)


def examples(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows of letters, the right answers, and the place of the letter that is asked for."""
    letters = torch.rand(count, LETTERS, generator=generator).argsort(1)[:, :SHOWN]
    place = torch.randint(0, SHOWN - 1, (count,), generator=generator)
    every = torch.arange(count)
    asked = letters[every, place]
    return torch.cat([letters, asked[:, None]], 1), letters[every, place + 1], place


# %% [markdown]
# ## The network
#
# Two blocks of attention, four heads each, and nothing else. It is an ordinary module: causalmod
# needs no hooks and no special classes.


# %%
class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1)
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        pattern = scores.masked_fill(later, -torch.inf).softmax(-1)
        return self.out((pattern @ v).transpose(1, 2).flatten(2))

    def size_of_heads(self) -> Tensor:
        """How large the weights are by which each head reads its values and writes."""
        read = self.qkv.weight[2 * WIDTH :].unflatten(0, (HEADS, -1)).norm(dim=(1, 2))
        return read + self.out.weight.unflatten(1, (HEADS, -1)).norm(dim=(0, 2))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.attn(x)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(LETTERS, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(SHOWN + 1, WIDTH))
        self.h = nn.Sequential(Block(), Block())
        self.unembed = nn.Linear(WIDTH, LETTERS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.unembed(self.h(self.embed(tokens) + self.position)[:, -1])


# %% [markdown]
# Training takes a few seconds. A small price on the size of each head (a group lasso) makes the
# network use few of them, as large networks tend to do by themselves.

# %%
with torch.random.fork_rng():
    torch.manual_seed(3)
    model = Transformer()
optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, betas=(0.9, 0.98))
for _ in range(700):
    tokens, answers, _ = examples(128)
    price = sum(block.attn.size_of_heads().sum() for block in model.h)
    loss = nn.functional.cross_entropy(model(tokens), answers) + 0.01 * price
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
model.eval()
tokens, answers, places = examples(512)


def accuracy(logits: Tensor) -> float:
    return float((logits.argmax(-1) == answers).double().mean())


with torch.no_grad():
    print(f"accuracy {accuracy(model(tokens)):.3f}")
    assert accuracy(model(tokens)) > 0.97

# %% [markdown]
# ## Compile
#
# The sites have the names that people who work on transformers use: queries, keys, values and heads
# of each attention, and the residual stream before and after each block. One variable of an
# attention is a head.

# %%
scm = cm.compile(model, tokens)
with torch.no_grad():
    assert torch.equal(scm.observe()["output"], model(tokens))  # bit for bit
scm.sites

# %% [markdown]
# ## Which heads matter?
#
# *Resample ablation*: each head is set to what it gives on another row, at all positions. Unlike a
# zero, that is a value that the later layers know how to read; what is lost is only its tie to this
# row. `sweep` makes all eight interventions as one job, and keeps one number for each: how much
# more the right answer surprises, in bits.


# %%
def surprise(logits: Tensor, right: Tensor = answers) -> Tensor:
    """From ``[..., rows, letters]`` to the mean of -log2 of the chance of the right answer."""
    chances = logits.log_softmax(-1)[..., torch.arange(len(right)), right]
    return -chances.mean(-1) / math.log(2)


def lost(after: dict[str, Tensor], before: dict[str, Tensor]) -> Tensor:
    return surprise(after["output"]) - surprise(before["output"])


heads = scm.sweep("h.*.attn.heads", cm.resample(seed=0), reduce=lost, progress=False)
bits = dict(zip(heads.names, heads.values["value"].tolist(), strict=True))
heads.to_frame().round(2)

# %%
figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
axes.barh(list(bits), list(bits.values()), color=["#0072b2"] * HEADS + ["#e69f00"] * HEADS)
axes.invert_yaxis()
axes.set_xlabel("surprise at the right answer that is added, in bits")
axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# A few heads matter and the others do not. Take the ones that add more than a tenth of a bit, and
# check that they are the whole story: resample all *others* together (rows keep their donors, so it
# is one consistent intervention), and the network still knows the answer. Resample the few, and it
# guesses.

# %%
matter = [name for name, added in bits.items() if added > 0.1]
others = [name for name in bits if name not in matter]
early = max((n for n in matter if n.startswith("h.0.")), key=lambda name: bits[name])
late = max((n for n in matter if n.startswith("h.1.")), key=lambda name: bits[name])
print("these matter:", ", ".join(matter))
assert bits[early] > 0.5
assert bits[late] > 0.5
assert 2 <= len(matter) < len(bits)

without_others = scm.do({name: cm.resample(seed=1) for name in others}).observe()["output"]
without_these = scm.do({name: cm.resample(seed=1) for name in matter}).observe()["output"]
print(f"without the others {accuracy(without_others):.2f}, without these", end=" ")
print(f"{accuracy(without_these):.2f}, at random {1 / SHOWN:.2f}")
assert accuracy(without_others) > 0.9
assert accuracy(without_these) < 0.4

# %% [markdown]
# ## What do they tell each other?
#
# A head of block 0 writes into the residual stream, and a head of block 1 reads it three times: to
# form its queries, its keys and its values. *Path patching* (Wang et al. 2022; Goldowsky-Dill et
# al. 2023) changes what one reader sees of one writer, and nothing else. In causalmod it is an
# intervention on an edge, `(sender, receiver)`.

# %%
print(scm.receivers(early))
by_reader = {
    part: scm.do({(early, f"h.1.attn.{part}"): cm.resample(seed=0)}).observe()["output"]
    for part in ("q", "k", "v")
}
added = {p: float(surprise(o) - surprise(scm.observe()["output"])) for p, o in by_reader.items()}
print({part: f"{value:.2f} bits" for part, value in added.items()})
assert added["k"] > 0.25
assert added["k"] > 10 * max(abs(added["q"]), abs(added["v"]))

# %% [markdown]
# The early head speaks to the *keys* of block 1 alone. (In the words of Elhage et al. this is
# K-composition.) To find the pairs that talk, sweep over all edges from a head to one later head's
# queries, keys or values: 4 x 12 interventions.

# %%
readers = [f"h.1.attn.{part}[{head}]" for part in "qkv" for head in range(HEADS)]
wires = scm.sweep(
    [("h.0.attn.heads", reader) for reader in readers],
    cm.resample(seed=0),
    reduce=lost,
    progress=False,
)
table = wires.values["value"].reshape(len(readers), HEADS).T.numpy()
figure, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
image = axes.imshow(table, cmap="Blues", vmin=0)
axes.set_xticks(range(len(readers)), [reader.removeprefix("h.1.attn.") for reader in readers])
axes.set_yticks(range(HEADS), [f"heads[{head}]" for head in range(HEADS)])
axes.set_xlabel("reader in block 1")
axes.set_ylabel("writer in block 0")
figure.colorbar(image, label="bits")
plt.show()
writer, reader = np.unravel_index(table.argmax(), table.shape)
print(f"strongest: h.0.attn.heads[{writer}] -> {readers[reader]}, {table.max():.2f} bits")
assert readers[reader].startswith("h.1.attn.k")
assert np.abs(table[:, [r for r, name in enumerate(readers) if ".k[" not in name]]).max() < 0.1

# %% [markdown]
# ## Where does the answer travel?
#
# *Activation patching* (also called causal tracing; Meng et al. 2022) takes pairs of runs. In the
# corrupted run the network cannot know the answer: the letter that is asked for was rubbed out
# where it stood. One piece of the clean run after the other is put into the corrupted one; what
# brings the answer back carries it. The pieces here are the residual stream at one position, so we
# compile again, at the grain of positions; and take rows that all ask for the letter at place 3.

# %%
PLACE = 3
clean, right = tokens[places == PLACE], answers[places == PLACE]
unused = torch.ones(len(clean), LETTERS).scatter(1, clean, 0).argmax(1)
corrupted = clean.clone()
corrupted[:, PLACE] = unused

stream = ["h.0.resid_pre", "h.1.resid_pre", "h.1.resid_post"]
grain = dict.fromkeys(stream, "position")
good = cm.compile(model, clean, sites=stream, variables=grain).observe()
bad = cm.compile(model, corrupted, sites=stream, variables=grain)
best, worst = surprise(good["output"], right), surprise(bad.observe()["output"], right)
print(f"surprise: {best:.2f} bits in the clean run, {worst:.2f} bits in the corrupted one")
assert worst - best > 2

# %%
patches = [
    {f"{site}[{position}]": good[site][:, position]}
    for site in stream
    for position in range(SHOWN + 1)
]
patched = bad.sweep(
    patches,
    reduce=lambda after, _: (worst - surprise(after["output"], right)) / (worst - best),
    progress=False,
)
restored = patched.values["value"].reshape(len(stream), -1).numpy()

figure, axes = plt.subplots(figsize=(6, 2.2), layout="constrained")
image = axes.imshow(restored, cmap="Blues", vmin=0, vmax=1)
axes.set_yticks(range(len(stream)), stream)
axes.set_xticks(range(SHOWN + 1), [*map(str, range(SHOWN)), "asked"])
axes.set_xlabel("position")
figure.colorbar(image, label="share restored")
plt.show()
print("restored most at position", restored.argmax(1).tolist())
assert restored.argmax(1).tolist() == [PLACE, PLACE + 1, SHOWN]
assert restored.max(1).min() > 0.8

# %% [markdown]
# So the letter at place 3 is first at its own place; block 0 moves it one place on, to the letter
# that comes after it; and block 1 carries that letter to the end. The attention patterns say the
# same: the early heads look one place back, the late head looks from the end to the place after
# the letter that is asked for.

# %%
names = ["h.0.attn.pattern", "h.1.attn.pattern"]
seen = cm.compile(model, tokens, sites=names).observe()
back = seen[names[0]].diagonal(-1, 2, 3)[..., : SHOWN - 1].mean((0, 2))  # to the place before
to_answer = seen[names[1]][torch.arange(len(tokens)), :, -1, places + 1].mean(0)
early_heads = [head for head in range(HEADS) if f"h.0.attn.heads[{head}]" in matter]
late_head = int(late[-2])
print("one place back:", {f"h.0 head {h}": f"{float(back[h]):.2f}" for h in early_heads})
print(f"from the end to the answer: h.1 head {late_head}: {float(to_answer[late_head]):.2f}")
assert back[early_heads].max() > 0.4
assert to_answer[late_head] > 0.6

# %% [markdown]
# ## A hypothesis, tested
#
# We now claim: *of all that the early heads say, the late head uses one thing only, which letter
# comes before each place.* Causal scrubbing (Chan et al. 2022) turns a claim into an experiment:
# whatever the claim says does not matter may be resampled, as long as what does matter is kept. By
# the claim an early head's output at a position may come from any row in which the *same letter*
# stands one place before, whatever stands elsewhere. So we take it from such a row, position by
# position, and let only the keys of block 1 see it.

# %%
donors = torch.Generator().manual_seed(2)
before = tokens[:, :-1]  # the letter one place before positions 1, 2, ...
natural = scm.observe()["h.0.attn.heads"]  # [rows, head, position, coordinate]


def scrubbed(kept_letters: bool) -> Tensor:
    """Outputs of the early heads, each position's from a row that agrees with the claim."""
    made = natural.clone()
    for position in range(1, SHOWN + 1):
        fits = torch.ones(len(tokens), len(tokens))
        if kept_letters:
            fits = (before[:, None, position - 1] == before[None, :, position - 1]).float()
        rows = torch.multinomial(fits, 1, generator=donors)[:, 0]
        made[:, :, position] = natural[rows, :, position]
    return made


edge = ("h.0.attn.heads", "h.1.attn.k")
agrees = scm.do({edge: scrubbed(kept_letters=True)}).observe()["output"]
anything = scm.do({edge: scrubbed(kept_letters=False)}).observe()["output"]
print(f"as the claim has it: {accuracy(agrees):.2f}; from any row: {accuracy(anything):.2f}")
assert accuracy(agrees) > 0.8
assert accuracy(anything) < 0.6

# %% [markdown]
# The network does not notice: the claim stands. It is a claim about what is *said* along one edge,
# and only an experiment that changes that edge and nothing else could have refuted it.
