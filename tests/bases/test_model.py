"""A model in a basis: variables are coordinates, for observing, setting, sweeping and saving."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import causalmod as cm
from tests.bases.networks import data, pair, rotation, seeded, two_tracks
from tests.strategies import SOME


def perceptron(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    generator = seeded(1)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    with torch.no_grad():
        for held in net.parameters():
            held.copy_(torch.randn(held.shape, generator=generator))
    return net.to(dtype).eval()


def test_values_are_coordinates_and_the_network_stays_as_it_is() -> None:
    net, matrix = perceptron(), rotation(6)
    plain = cm.compile(net, data())
    scm = plain.with_basis({"1": matrix})
    assert torch.equal(scm.observe()["output"], net(data()))
    expected = plain.observe()["1"] @ matrix.T
    torch.testing.assert_close(scm.observe()["1"], expected, rtol=0, atol=1e-12)
    assert scm.observe()["0"].equal(plain.observe()["0"])
    assert scm.with_basis(None).sites == plain.sites
    assert scm.with_basis({"1": None}).sites == plain.sites


def test_setting_a_direction_leaves_the_others_and_acts_as_a_projection_does() -> None:
    net, matrix = perceptron(), rotation(6)
    scm = cm.compile(net, data(), basis={"1": matrix})
    before, after = scm.observe(), scm.do({"1[2]": 0.5}).observe()
    moved = (after["1"] - before["1"]).abs()
    assert float(moved[:, [0, 1, 3, 4, 5]].max()) < 1e-12
    assert torch.allclose(after["1"][:, 2], torch.tensor(0.5, dtype=torch.float64))
    hidden = net[:2](data())
    shift = (0.5 - hidden @ matrix[2])[:, None] * matrix[2]
    torch.testing.assert_close(after["output"], net[2:](hidden + shift), rtol=0, atol=1e-11)


@SOME
@given(st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]))
def test_round_trip_of_any_well_conditioned_matrix(seed: int, dtype: torch.dtype) -> None:
    size = 2 + seed % 7
    stretch = torch.rand(size, generator=seeded(seed), dtype=torch.float64) + 0.5
    matrix = rotation(size, seed) @ torch.diag(stretch) @ rotation(size, seed + 1)
    values = torch.randn(30, size, generator=seeded(seed), dtype=torch.float64).to(dtype)
    scm = cm.compile(nn.Tanh().eval(), values, basis={"input": matrix})
    basis = scm.sites["input"].basis
    assert basis is not None
    again = basis.activations(basis.coordinates(values))
    assert float((again - values).abs().max()) < 30 * torch.finfo(dtype).eps * values.abs().max()
    place = seed % size
    after = scm.do({f"input[{place}]": 0.25}).observe()["input"]
    rest = [index for index in range(size) if index != place]
    error = (after - scm.observe()["input"])[:, rest].abs().max()
    assert float(error) < 100 * torch.finfo(dtype).eps * values.abs().max()


def test_all_kinds_of_values() -> None:
    scm = cm.compile(perceptron(), data(), basis={"1": "pca"})
    natural = scm.observe()["1"]
    one = scm.do({"1": natural + 1}).observe()["1"]
    torch.testing.assert_close(one, natural + 1)
    soft = scm.do({"1[0:2]": lambda values: 2 * values}).observe()["1"]
    torch.testing.assert_close(soft[:, :2], 2 * natural[:, :2])
    torch.testing.assert_close(soft[:, 2:], natural[:, 2:])
    mean = scm.do({"1[3]": cm.mean()}).observe()["1"]
    assert float(mean[:, 3].abs().max()) < 1e-12  # coordinates of PCA are centred
    swapped = scm.do({"1[1]": cm.resample(seed=4)}).observe()["1"]
    torch.testing.assert_close(swapped[:, 1].sort().values, natural[:, 1].sort().values)
    other = scm.counterfactual({"1[1]": 0.0}, rows=[3, 9])
    torch.testing.assert_close(other["1"][:, 2:], natural[[3, 9]][:, 2:])


def test_an_edge_from_a_direction() -> None:
    scm = cm.compile(perceptron(), data(), sites=["1", "3"], basis={"1": rotation(6)})
    seen = scm.do({("1[2]", "3[0]"): 1.0}).observe()
    everywhere = scm.do({"1[2]": 1.0}).observe()
    torch.testing.assert_close(seen["3"][:, 0], everywhere["3"][:, 0])
    torch.testing.assert_close(seen["3"][:, 1:], scm.observe()["3"][:, 1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_sweep_gives_what_single_interventions_give(dtype: torch.dtype) -> None:
    plain = cm.compile(perceptron(dtype), data(40, dtype))
    scm = plain.with_basis({"1": "pca", "3": rotation(5)}, blocks={"3": [2, 1]})
    found = scm.sweep("*", record=["2", "3", "output"])
    assert len(found) == len(scm.variables)
    for name, values in found:
        alone = scm.do({name: cm.resample(0)}).observe()
        for site, value in values.items():
            torch.testing.assert_close(value, alone[site], rtol=1e-4, atol=1e-5)
    both = scm.sweep([{"1[0]": 0.0, "3[1]": 1.0}])
    alone = scm.do({"1[0]": 0.0, "3[1]": 1.0}).observe()["output"]
    torch.testing.assert_close(both.values["output"][0], alone, rtol=1e-4, atol=1e-5)


def test_blocks_are_single_variables() -> None:
    scm = cm.compile(perceptron(), data(), basis={"1": "pca"}, blocks={"1": [3, 1, 2]})
    site = scm.sites["1"]
    assert site.variables == ("1[0]", "1[1]", "1[2]")
    assert site.basis is not None
    assert site.basis.labels == ("0:3", "3", "4:6")
    assert (site.count, site.width, site.grain) == (3, 3, "block")
    natural = scm.observe()["1"]
    given_values = torch.randn(160, 2, generator=seeded(9), dtype=torch.float64)
    after = scm.do({"1[2]": given_values}).observe()["1"]
    torch.testing.assert_close(after[:, 4:], given_values)
    torch.testing.assert_close(after[:, :4], natural[:, :4])
    three = scm.do({"1[0,1]": torch.tensor([1.0, 2.0, 3.0, 4.0])}).observe()["1"]
    torch.testing.assert_close(three[0, :4], torch.tensor([1.0, 2.0, 3.0, 4.0]).double())
    soft = scm.do({"1[1:3]": lambda values: values + torch.arange(3)}).observe()["1"]
    torch.testing.assert_close(soft[:, 3:], natural[:, 3:] + torch.arange(3))


def test_blocks_of_neurons_are_bit_exact() -> None:
    scm = cm.compile(perceptron(), data(), blocks={"1": [2, 4]})
    plain = cm.compile(perceptron(), data())
    assert scm.observe()["1"].equal(plain.observe()["1"])
    values = torch.ones(160, 4, dtype=torch.float64)
    block = scm.do({"1[1]": values}).observe()
    units = plain.do({"1[2:6]": 1.0}).observe()
    assert all(block[name].equal(units[name]) for name in ("1", "3", "output"))
    assert set(scm.units.names) == {
        "1[0]", "1[1]", *(f"3[{i}]" for i in range(5)), *(f"output[{i}]" for i in range(3))
    }  # fmt: skip


def test_structural_edges_follow_the_matrix() -> None:
    # the middle site is rotated among its last two neurons only
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[2:, 2:] = rotation(2)
    net = two_tracks()
    scm = cm.compile(net, data(), basis={"2": matrix})
    assert scm.edges["1", "2"].int().tolist() == [
        [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]
    ]  # fmt: skip
    assert scm.edges["2", "output"].int().tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert ("2[2]", "output[1]") in scm.graph.edges
    assert scm.receivers("2[2]") == ["output"]


def test_a_site_in_a_basis_stands_for_its_chain() -> None:
    on_activation = cm.compile(perceptron(), data(), basis={"1": rotation(6)})
    assert on_activation.representative["0"] == "1"
    assert on_activation.units.sites == ("1", "3", "output")
    before = cm.compile(perceptron(), data(), basis={"0": rotation(6)})
    assert before.representative["1"] == "0"
    assert before.units.sites == ("0", "3", "output")
    with pytest.raises(cm.PartitionError, match=r"0\[1\] is part of several units.*'1'"):
        cm.exchange(on_activation, cm.Partition({"a": ["0[1]"], "b": ["1", "3", "output"]}))


def test_a_submodel_in_a_basis() -> None:
    scm = cm.compile(perceptron(), data(), basis={"1": rotation(6)})
    inside = scm.submodel(["1[0:3]", "3[0:2]"])
    assert inside.units.names == ("1[0]", "1[1]", "1[2]", "3[0]", "3[1]")
    assert inside.observe()["output"].equal(scm.observe()["output"])
    moved = inside.do({"1[0]": 1.0}).observe()
    outside = scm.do({"1[0]": 1.0, "3[2:5]": scm.observe()["3"][:, 2:]}).observe()
    torch.testing.assert_close(moved["3"], outside["3"])


def test_saved_and_loaded(tmp_path: Path) -> None:
    scm = cm.compile(perceptron(), data(), basis={"1": "pca"}, blocks={"1": [4], "3": [2]})
    loaded = cm.load(scm.do({"1[0]": 0.0}).save(tmp_path / "model.scm"))
    mine, other = scm.sites["1"].basis, loaded.sites["1"].basis
    assert mine is not None
    assert other.matrix.equal(mine.matrix)
    assert other.spectrum.equal(mine.spectrum)
    assert (other.labels, other.sizes) == (mine.labels, mine.sizes)
    assert loaded.observe()["1"].equal(scm.do({"1[0]": 0.0}).observe()["1"])
    assert loaded.digests == scm.digests
    assert scm.digests != scm.with_basis({"1": None}).digests


def test_a_stream_of_positions_and_channels() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.read = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.read(self.embed(x))

    torch.manual_seed(0)
    values = torch.randn(20, 5, 3)
    net = Attending().eval()
    scm = cm.compile(net, values, sites=["embed"], basis={"embed": rotation(4)})
    plain = cm.compile(net, values, sites=["embed"])
    assert scm.sites["embed"].shape == (5, 4)
    assert (scm.sites["embed"].count, scm.sites["embed"].width) == (4, 5)
    expected = plain.observe()["embed"] @ rotation(4).float().T
    torch.testing.assert_close(scm.observe()["embed"], expected)
    for name, found in scm.sweep("embed", 0.5):
        alone = scm.do({name: 0.5}).observe()["output"]
        torch.testing.assert_close(found["output"], alone, rtol=1e-4, atol=1e-5)

    image = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 2)).eval()
    pictures = torch.randn(10, 1, 6, 6)
    scm = cm.compile(image, pictures, basis={"1": rotation(3)}, blocks={"1": [2, 1]})
    assert (scm.sites["1"].count, scm.sites["1"].width) == (2, 32)
    activation = image[:2](pictures)
    turned = torch.einsum("kc,ncxy->nkxy", rotation(3).float(), activation)
    torch.testing.assert_close(scm.observe()["1"], turned)
    after = scm.do({"1[1]": 0.0}).observe()
    turned[:, 2] = 0
    back = torch.einsum("kc,nkxy->ncxy", rotation(3).float(), turned)
    torch.testing.assert_close(after["output"], image[2](back), rtol=1e-4, atol=1e-5)


def test_bad_requests() -> None:
    scm = cm.compile(perceptron(), data())
    with pytest.raises(cm.SelectorError, match="no site is 'fc9'"):
        scm.with_basis({"fc9": "pca"})
    with pytest.raises(cm.InputError, match="unknown basis 'pcc': did you mean 'pca'"):
        scm.with_basis({"1": "pcc"})
    with pytest.raises(cm.InputError, match=r"shape \[3, 3\]; expected \[coordinate, 6\]"):
        scm.with_basis({"1": torch.eye(3)})
    with pytest.raises(cm.InputError, match="singular: it has 6 rows and rank 1"):
        scm.with_basis({"1": torch.ones(6, 6)})
    with pytest.raises(cm.InputError, match="NaN"):
        scm.with_basis({"1": torch.full((6, 6), float("nan"))})
    with pytest.raises(cm.InputError, match=r"more than the 6 features.*dictionary"):
        scm.with_basis({"1": torch.randn(7, 6)})
    with pytest.raises(cm.InputError, match="given object"):
        scm.with_basis({"1": object()})
    with pytest.raises(cm.InputError, match="is to be called"):
        scm.with_basis({"1": cm.bases.pca})
    with pytest.raises(cm.InputError, match="mapping from sites"):
        scm.with_basis("pca")  # type: ignore[arg-type]
    with pytest.raises(cm.InputError, match="hold 9 coordinates together, and there are 6"):
        scm.with_basis(blocks={"1": [4, 5]})
    with pytest.raises(cm.InputError, match="positive whole numbers"):
        scm.with_basis(blocks={"1": [0, 6]})
    with pytest.raises(cm.InputError, match="list of sizes"):
        scm.with_basis(blocks={"1": 3})  # type: ignore[dict-item]
    with pytest.raises(cm.InputError, match="do\\(\\) or submodel\\(\\) has set"):
        scm.do({"1[0]": 0.0}).with_basis({"1": "pca"})
    with pytest.raises(cm.InputError, match="modules of with_partition"):
        scm.with_partition({"left": "1[0]"}).with_basis({"1": "pca"})
    fitted = scm.with_basis({"1": "pca"}).sites["1"].basis
    with pytest.raises(cm.InputError, match="is of 6 features, and site '3' has 5"):
        scm.with_basis({"3": fitted})


def test_sites_that_can_have_no_basis() -> None:
    net = nn.Sequential(nn.Embedding(5, 3), nn.Flatten(), nn.Linear(6, 2)).eval()
    scm = cm.compile(net, torch.randint(5, (30, 2), generator=seeded()))
    with pytest.raises(cm.InputError, match=r"whole numbers \(torch.int64\)"):
        scm.with_basis({"input": "pca"})
    assert scm.with_basis({"*": "pca"}).sites["input"].basis is None  # a glob leaves it out
    by_position = cm.compile(net, torch.randint(5, (30, 2)), ["0"], {"0": "position"})
    with pytest.raises(cm.InputError, match="cut by position"):
        by_position.with_basis({"0": rotation(3)})


def test_data_of_too_small_a_rank() -> None:
    flat = torch.randn(50, 4, generator=seeded()) @ torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0]))
    scm = cm.compile(nn.Tanh().eval(), flat)
    with pytest.raises(cm.InputError, match=r"have rank 3, fewer than the 4.*components=3"):
        scm.with_basis({"input": cm.bases.pca()})
    three = scm.with_basis({"input": cm.bases.pca(components=3)}).sites["input"]
    assert three.basis is not None
    assert three.basis.labels == ("0", "1", "2", "rest")
    with pytest.raises(cm.InputError, match="whole number from 1 to 3"):
        scm.with_basis({"input": cm.bases.pca(components=4)})
    still = cm.compile(nn.Tanh().eval(), torch.ones(5, 2))
    with pytest.raises(cm.InputError, match="constant on the data"):
        still.with_basis({"input": "pca"})


def test_rotated_and_read_back_observes_the_same() -> None:
    plain, turned = pair()
    for name, values in plain.observe().items():
        torch.testing.assert_close(turned.observe()[name], values, rtol=0, atol=1e-12)
    assert plain.units.names == turned.units.names
