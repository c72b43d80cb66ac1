"""Each kind of basis against what it is defined as, computed here in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import causalmod as cm
from causalmod.bases import SiteData
from causalmod.variables import FittedDictionary
from tests.bases.networks import data, rotation, seeded, two_tracks

DOUBLE = torch.float64


def linear(weight: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False).to(DOUBLE).eval()
    with torch.no_grad():
        layer.weight.copy_(weight)
    return layer


def basis_of(net: nn.Module, values: Tensor, kind: object, site: str = "input") -> Any:
    found = cm.compile(net.eval(), values, basis={site: kind}).sites[site].basis
    assert found is not None
    return found


def test_pca_and_whitened_against_numpy() -> None:
    values = data() @ torch.randn(4, 4, generator=seeded(8), dtype=DOUBLE)
    fitted = basis_of(nn.Tanh(), values, cm.bases.pca())
    expected = np.linalg.eigvalsh(np.cov(values.numpy().T, bias=True))[::-1]
    np.testing.assert_allclose(fitted.spectrum.numpy(), expected, rtol=1e-9)
    assert fitted.is_orthogonal
    scm = cm.compile(nn.Tanh().eval(), values, basis={"input": cm.bases.whitened()})
    covariance = np.cov(scm.observe()["input"].numpy().T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(4), atol=1e-9)


def test_ica_finds_the_sources() -> None:
    sources = torch.rand(2000, 4, generator=seeded(1), dtype=DOUBLE) - 0.5
    mixed = sources @ torch.randn(4, 4, generator=seeded(2), dtype=DOUBLE)
    scm = cm.compile(nn.Tanh().eval(), mixed, basis={"input": cm.bases.ica(seed=3)})
    both = np.corrcoef(np.concatenate([sources.T.numpy(), scm.observe()["input"].T.numpy()]))
    match = np.abs(both[:4, 4:])
    assert (match.max(1) > 0.99).all()
    assert sorted(match.argmax(1)) == [0, 1, 2, 3]


def test_ica_that_does_not_settle() -> None:
    gaussian = torch.randn(60, 4, generator=seeded(1))
    with pytest.raises(cm.InputError, match="does not settle in 1 steps"):
        cm.compile(nn.Tanh().eval(), gaussian, basis={"input": cm.bases.ica(iterations=1)})


def test_svd_of_all_readers() -> None:
    class TwoReaders(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = seeded(4)
            self.one = linear(torch.randn(3, 5, generator=generator, dtype=DOUBLE))
            self.two = linear(torch.randn(1, 5, generator=generator, dtype=DOUBLE))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.one(x), self.two(x)], dim=1)

    net = TwoReaders().eval()
    values = torch.randn(30, 5, generator=seeded(), dtype=DOUBLE)
    fitted = basis_of(net, values, cm.bases.svd())
    stacked = torch.cat([net.one.weight, net.two.weight]).detach()
    expected = np.linalg.svd(stacked.numpy())
    np.testing.assert_allclose(fitted.spectrum[:4].numpy(), expected.S, rtol=1e-9)
    assert fitted.labels == ("0", "1", "2", "3", "rest")
    assert float((stacked @ fitted.directions[4:].T).abs().max()) < 1e-9  # nothing reads the rest
    scm = cm.compile(net, values, basis={"input": cm.bases.svd()})
    assert not bool(scm.edges["input", "output"][4].any())
    with pytest.raises(cm.InputError, match="nothing linear reads site"):
        cm.compile(nn.Tanh().eval(), values, basis={"input": cm.bases.svd()})


def test_gauss_newton_of_a_linear_network_and_of_classes() -> None:
    weight = torch.randn(3, 4, generator=seeded(5), dtype=DOUBLE)
    fitted = basis_of(linear(weight), data(), cm.bases.gauss_newton())
    expected = np.linalg.eigvalsh((weight.T @ weight).numpy())[::-1]
    np.testing.assert_allclose(fitted.spectrum.numpy()[:3], expected[:3], rtol=1e-9)
    assert fitted.labels[-1] == "rest"

    fitted = basis_of(linear(weight), data(), cm.bases.gauss_newton(metric="categorical"))
    p = (data() @ weight.T).softmax(-1)
    fisher = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    mean = torch.einsum("oi,noq,qj->ij", weight, fisher, weight) / len(p)
    expected = np.linalg.eigvalsh(mean.numpy())[::-1]
    np.testing.assert_allclose(fitted.spectrum.numpy()[:2], expected[:2], rtol=1e-9)
    with pytest.raises(cm.InputError, match="metric is one of"):
        basis_of(linear(weight), data(), cm.bases.gauss_newton(metric="l1"))


def test_random_probes_of_many_outputs() -> None:
    weight = torch.randn(200, 4, generator=seeded(5), dtype=DOUBLE)
    kind = cm.bases.gauss_newton(probes=150)
    fitted = basis_of(linear(weight), data(), kind)
    expected = np.linalg.eigvalsh((weight.T @ weight).numpy())[::-1]
    np.testing.assert_allclose(fitted.spectrum.numpy(), expected, rtol=0.15)


def test_interaction_basis_of_a_linear_network_in_closed_form() -> None:
    # y = W x: whitened z, M = D^1/2 V.T W.T W V D^1/2, whose eigenvalues are those of cov(y)
    weight = torch.randn(3, 4, generator=seeded(5), dtype=DOUBLE)
    values = data() @ torch.randn(4, 4, generator=seeded(8), dtype=DOUBLE)
    scm = cm.compile(linear(weight), values, basis={"input": cm.bases.interaction()})
    fitted: Any = scm.sites["input"].basis
    outputs = (values @ weight.T).numpy()
    expected = np.linalg.eigvalsh(np.cov(outputs.T, bias=True))[::-1]
    np.testing.assert_allclose(fitted.spectrum[:3].numpy(), expected, rtol=1e-9)
    assert fitted.labels == ("0", "1", "2", "rest")
    found = np.cov(scm.observe()["input"][:, :3].numpy().T, bias=True)
    np.testing.assert_allclose(found, np.diag(expected), atol=1e-9 * expected[0])
    rest = fitted.directions[3:]
    assert float((rest @ weight.T).abs().max()) < 1e-9  # it moves nothing
    assert "0" not in {name for name in scm.units.names if name.startswith("input")}


def test_interaction_basis_layer_by_layer() -> None:
    net, values = two_tracks(), data()
    plain = cm.compile(net, values, ["0", "1", "2", "output"])
    scm = plain.with_basis({"0": cm.bases.interaction(), "1": cm.bases.interaction()})
    later = scm.sites["1"].basis
    assert later is not None
    # M of site 0 by hand: its next site is "1", read in its own basis
    hidden = plain.observe()["0"]
    centred = hidden - hidden.mean(0)
    variance, axes = np.linalg.eigh((centred.T @ centred / len(hidden)).numpy())
    root = axes * np.sqrt(variance)
    second: Any = net[1]
    read = later.matrix.numpy() @ second.weight.detach().numpy()
    expected = np.linalg.eigvalsh(root.T @ read.T @ read @ root)[::-1]
    found: Any = scm.sites["0"].basis
    np.testing.assert_allclose(found.spectrum.numpy(), expected, rtol=1e-7)
    # between linear sites M of the outputs is the same: C.T C of the next site is its mean J.T J
    alone: Any = plain.with_basis({"0": cm.bases.interaction()}).sites["0"].basis
    np.testing.assert_allclose(alone.spectrum.numpy(), expected, rtol=1e-7)


def test_fourier_of_features_and_of_values() -> None:
    values = torch.eye(7, dtype=DOUBLE)
    fitted = basis_of(nn.Tanh(), values, cm.bases.fourier())
    assert fitted.sizes == (1, 2, 2, 2)
    assert fitted.is_orthogonal
    spectrum = np.abs(np.fft.rfft(np.eye(7), axis=0))
    power = fitted.coordinates(values).reshape(7, -1)[:, 1:].unflatten(1, (3, 2)).norm(dim=2)
    np.testing.assert_allclose(power.numpy().T, spectrum[1:] * np.sqrt(2 / 7), atol=1e-12)
    even = basis_of(nn.Tanh(), torch.eye(6, dtype=DOUBLE), cm.bases.fourier(frequencies=[3, 1]))
    assert even.labels == ("frequency 3", "frequency 1", "rest")
    assert even.sizes == (1, 2, 3)

    p = 11
    labels = torch.arange(5 * p) % p
    angle = 2 * torch.pi * labels.to(DOUBLE) / p
    waves = torch.stack([3 * (2 * angle).cos(), 3 * (2 * angle).sin(), (5 * angle).cos()], 1)
    turn = rotation(6)
    noise = torch.randn(5 * p, 6, generator=seeded(), dtype=DOUBLE)
    site = waves @ turn[:3] + 1e-3 * noise
    kind = cm.bases.fourier(values=labels, frequencies=[1, 2, 5])
    fitted = basis_of(nn.Tanh(), site, kind)
    assert fitted.labels[:2] == ("frequency 2", "frequency 5")
    plane = fitted.directions[:2]
    angles = np.linalg.svd((plane @ turn[:2].T).numpy(), compute_uv=False)
    assert np.degrees(np.arccos(np.clip(angles.min(), 0, 1))) < 0.1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"values": torch.zeros(3, dtype=torch.long)}, "one whole number for each of the 30"),
        ({"values": torch.rand(30)}, "one whole number"),
        ({"values": torch.arange(30), "period": 7}, "a value is 29"),
        ({"values": torch.arange(30) % 5, "frequencies": [3]}, "from 1 to 2"),
        ({"period": 5}, "the site has 4 features"),
        ({"values": torch.arange(30) % 5}, "does not follow the values"),
    ],
)
def test_fourier_refuses(options: dict[str, Any], says: str) -> None:
    values = torch.ones(30, 4) if "does not" in says else torch.randn(30, 4, generator=seeded())
    with pytest.raises(cm.InputError, match=says):
        cm.compile(nn.Tanh().eval(), values, basis={"input": cm.bases.fourier(**options)})


def dictionary(seed: int = 3) -> tuple[Tensor, Tensor]:
    """Directions ``[8, 4]``, and data that are sparse sums of them."""
    generator = seeded(seed)
    atoms = torch.nn.functional.normalize(torch.randn(8, 4, generator=generator), dim=1)
    codes = torch.rand(200, 8, generator=generator) * (
        torch.rand(200, 8, generator=generator) < 0.2
    )
    return atoms.to(DOUBLE), (codes @ atoms).to(DOUBLE)


def test_a_dictionary_loses_nothing_and_writes_its_directions() -> None:
    atoms, values = dictionary()
    net = two_tracks()
    kind = cm.bases.dictionary(atoms, encoder=atoms, bias=-0.1 * torch.ones(8), limit=5.0)
    scm = cm.compile(net, values, basis={"input": kind})
    fitted = scm.sites["input"].basis
    assert isinstance(fitted, FittedDictionary)
    codes = (values @ atoms.T - 0.1).clamp_min(0)
    error = values - codes @ atoms
    torch.testing.assert_close(scm.observe()["input"], torch.cat([codes, error], dim=1))
    share = float(error.square().sum() / (values - values.mean(0)).square().sum())
    assert fitted.unexplained == pytest.approx(share)
    assert scm.sites["input"].count == 9
    after = scm.do({"input[3]": 0.0}).observe()["output"]
    torch.testing.assert_close(after, net(values - codes[:, 3:4] * atoms[3]))
    each = cm.bases.dictionary(atoms, encoder=atoms, error="each", limit=5.0)
    assert scm.with_basis({"input": each}).sites["input"].width == 1


def test_a_dictionary_without_encoder_explains_everything() -> None:
    atoms, values = dictionary()
    fitted = basis_of(nn.Tanh(), values, cm.bases.dictionary(atoms))
    assert fitted.unexplained < 1e-20
    expected = values.numpy() @ np.linalg.pinv(atoms.numpy())
    np.testing.assert_allclose(fitted.coordinates(values)[:, :8].numpy(), expected, atol=1e-10)


def test_dictionaries_that_do_not_fit() -> None:
    atoms, values = dictionary()
    poor = cm.bases.dictionary(atoms[:2], encoder=atoms[:2])
    with pytest.raises(cm.InputError, match=r"leaves \d+\.\d% of the variance.*higher limit="):
        basis_of(nn.Tanh(), values, poor)
    for options, says in (
        ({"decoder": atoms[:, :3]}, r"decoder is a tensor \[coefficient, 4\]"),
        ({"decoder": atoms, "encoder": atoms[:3]}, r"encoder is a tensor \[8, 4\]"),
        ({"decoder": atoms, "encoder": atoms, "bias": torch.zeros(3)}, r"bias is a tensor \[8\]"),
        ({"decoder": atoms, "bias": torch.zeros(8)}, "a bias needs an encoder"),
        ({"decoder": atoms, "offset": torch.zeros(3)}, r"offset is a tensor \[4\]"),
        ({"decoder": atoms, "error": "none"}, "error is 'one' or 'each'"),
        ({"decoder": atoms * float("nan")}, "finite numbers"),
        ({"decoder": "atoms"}, "decoder is a tensor"),
    ):
        with pytest.raises(cm.InputError, match=says):
            basis_of(nn.Tanh(), values, cm.bases.dictionary(**options))


def test_a_dictionary_survives_a_file(tmp_path: Path) -> None:
    atoms, values = dictionary()
    kind = cm.bases.dictionary(atoms, encoder=atoms, bias=-0.1 * torch.ones(8), limit=5.0)
    scm = cm.compile(two_tracks(), values, basis={"input": kind})
    loaded = cm.load(scm.save(tmp_path / "model.scm"))
    assert loaded.observe()["input"].equal(scm.observe()["input"])
    assert loaded.digests == scm.digests


def test_gradients_are_those_of_autograd() -> None:
    net, values = two_tracks(), data(20)
    scm = cm.compile(net, values, ["0", "output"])
    found = SiteData(scm, "0").gradients(rows=20)
    hidden = net[0](values).detach().requires_grad_()
    for number in range(2):
        (expected,) = torch.autograd.grad(net[1:](hidden)[:, number].sum(), hidden)
        torch.testing.assert_close(found[number], expected)
