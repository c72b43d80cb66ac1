"""Tensors keep their layout in memory, on which some operations and the last bits depend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import causalmod as cm
from tests.compiler.networks import Net

X = torch.randn(5, 64, 7, generator=torch.Generator().manual_seed(0))


def halves(values: Tensor) -> Tensor:
    """Read each number as two of half the size, which takes a last dimension without gaps."""
    return (values.view(torch.int16) > 0).float()


def test_contiguous_is_an_operation() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return halves(net.fc(x).transpose(1, 2).contiguous())

    net = Net(run, fc=nn.Linear(7, 3)).eval()
    scm = cm.compile(net, X, sites="*")
    with torch.no_grad():
        assert torch.equal(scm.observe()["output"], net(X))


def test_interventions_keep_the_layout() -> None:
    """Variables of a sequence lie along the last dimension, so setting them transposes twice."""
    net = Net(lambda net, x: halves(net.fc(x)), fc=nn.Linear(7, 3)).eval()
    scm = cm.compile(net, X, sites=["fc", "output"])
    assert scm.sites["fc"].axes == (1,)
    natural = scm.observe()["fc"]
    changed = torch.cat([natural[..., :2], torch.ones(5, 64, 1)], dim=-1)
    assert torch.equal(scm.do({"fc[2]": 1.0}).observe()["output"], halves(changed))


def test_patches_keep_the_dtype() -> None:
    net = Net(lambda net, x: halves(net.fc(x)), fc=nn.Linear(7, 3)).eval()
    scm = cm.compile(net, X, sites=["fc", "output"])
    found = scm.replay(torch.arange(5), {"fc": lambda blocks: blocks.double()}, ["fc", "output"])
    assert found["fc"].dtype == torch.float32
    assert torch.equal(found["output"], scm.blocks("output"))


def test_replay_from_a_transposed_tensor_gives_the_same_bits() -> None:
    """A sum is rounded in the order in which its terms lie in memory."""

    def run(net: Any, x: Tensor) -> Tensor:
        return (net.fc(x).transpose(1, 2) + net.shift(x[:, 0])[:, :, None]).sum(2)

    net = Net(run, fc=nn.Linear(7, 16), shift=nn.Linear(7, 16)).eval()
    scm = cm.compile(net, X, sites=["shift", "output"])
    rows = torch.arange(5)
    found = scm.replay(rows, {"shift": lambda blocks: blocks.clone()}, ["output"], clamp=False)
    assert torch.equal(found["output"], scm.blocks("output"))


def test_reshaping_what_a_module_cut_out() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        hidden = net.first(net.fc(x)).reshape(x.shape[0], -1)
        hidden += 1
        return hidden.relu_()

    first = Net(lambda _, x: x[..., :2])
    net = Net(run, fc=nn.Linear(7, 3), first=first).eval()
    scm = cm.compile(net, X)
    with torch.no_grad():
        assert torch.equal(scm.observe()["output"], net(X))


def test_kernels_that_look_at_the_weights() -> None:
    """This one rounds otherwise when its weights want no gradient; compile() compares the bits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gru, x = nn.GRU(3, 4, batch_first=True), torch.randn(5, 3, 3)
    net = Net(lambda net, x: net.gru(x)[0], gru=gru).eval()
    with torch.no_grad():
        assert torch.equal(cm.compile(net, x).observe()["output"], net(x))
