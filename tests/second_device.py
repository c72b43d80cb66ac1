"""A second device on a machine that has none: mistakes with devices show without a GPU.

Its tensors say that they are on ``npu:0``, hold a tensor of the processor, and refuse to meet one
in an operation, as those of a GPU do. It takes the place of a private backend of torch, which
cannot be given back; so it is used in a process of its own: ``python -m tests.second_device``.

It cannot show what kernels of a GPU give, nor trace a network there: a model gets to it by a file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import causalmod as cm
from causalmod.measures import MEASURES
from causalmod.search import null_network
from causalmod.search.flow import flow_graph

_MOVES = {"aten::_to_copy", "aten::copy_"}
_INDEXED = {"aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_"}
_ANSWERS = {"aten::_local_scalar_dense", "aten::equal"}  # what they return is no tensor


def _index(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    return torch.tensor(key, dtype=torch.long) if isinstance(key, list) else key


class There(Tensor):
    """A tensor of the second device."""

    here: Tensor

    @staticmethod
    def __new__(cls: type[There], here: Tensor) -> There:
        shape, stride, offset = here.shape, here.stride(), here.storage_offset()
        made: Any = Tensor._make_wrapper_subclass(
            cls, shape, stride, offset, dtype=here.dtype, device=torch.device("npu:0")
        )
        made.here = here
        return made

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, *args, **(kwargs or {}))

    # what torch does not do for subclasses
    def __getitem__(self, key: Any) -> Tensor:
        return super().__getitem__(_index(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_index(key), value)

    def tolist(self) -> Any:
        return self.here.tolist()

    def data_ptr(self) -> int:
        return self.here.data_ptr()

    def new_tensor(self, data: Any, *_: Any, **__: Any) -> Tensor:
        return There(torch.tensor(data, dtype=self.dtype))


def _run(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operation on the processor; its arguments are all there, or all here."""
    name = func._schema.name
    # a tensor there may be indexed by numbers that are here
    met = (args[0], args[2:]) if name in _INDEXED and isinstance(args[0], There) else (args, kwargs)
    tensors = [leaf for leaf in pytree.tree_leaves(met) if isinstance(leaf, Tensor)]
    there = any(isinstance(each, There) for each in tensors)
    here = any(not isinstance(each, There) and each.ndim > 0 for each in tensors)
    if there and here and name not in _MOVES:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device")
    wanted = kwargs.get("device")
    if wanted is not None:
        there = torch.device(wanted).type == "npu"
        kwargs["device"] = "cpu"
    elif name in _MOVES:
        there = isinstance(args[0], There)
    args, kwargs = pytree.tree_map_only(There, lambda each: each.here, (args, kwargs))
    found = func(*args, **kwargs)
    for each in tensors:
        if isinstance(each, There) and each.here is found:  # in place
            return each
    if not there or name in _ANSWERS:
        return found
    return pytree.tree_map_only(Tensor, There, found)


def _set_up() -> torch.library.Library:
    inference = torch.inference_mode
    setattr(torch, "inference_mode", lambda _=True: inference(False))  # noqa: B010
    _setup_privateuseone_for_python_backend("npu")
    library = torch.library.Library("_", "IMPL")
    library.fallback(_run, "PrivateUse1")
    return library


def _compare(name: str, ask: Callable[[Any], Any], here: Any, there: Any) -> None:
    expected, found = (pytree.tree_leaves(dict(enumerate([ask(each)]))) for each in (here, there))
    found = [each.detach().cpu() if isinstance(each, Tensor) else each for each in found]
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5, msg=lambda m: f"{name}: {m}")


def main() -> None:
    """Ask a model on either device the same questions."""
    held = _set_up()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    few: dict[str, Any] = {"contexts": 12, "draws": 8}
    for rows in (24, 160):
        here = cm.compile(net.eval(), torch.randn(rows, 3))
        with tempfile.TemporaryDirectory() as folder:
            there = cm.load(here.save(f"{folder}/model.scm"), device="npu")
        assert there.device == torch.device("npu:0")
        names = here.units.names
        halves = cm.Partition({"left": names[::2], "right": names[1::2]})
        thirds = cm.Partition({"a": names[::3], "b": names[1::3], "c": names[2::3]})
        values: list[Any] = [1.0, torch.linspace(0, 1, rows), cm.resample(1), cm.mean()]
        for value in [*values, lambda natural: natural.cpu() * 2]:
            for key in ("1[2]", "1", ("1[2]", "2"), ("1[2]", "2[1]")):
                if isinstance(value, Tensor) and key == "1":
                    continue
                made: Any = {key: value}
                _compare(f"do {made}", lambda s, made=made: dict(s.do(made).observe()), here, there)
                _compare(
                    f"sweep {made}",
                    lambda s, made=made: dict(s.sweep([made], progress=False).values),
                    here,
                    there,
                )
        ask: dict[str, Callable[[Any], Any]] = {
            "sweep": lambda s: dict(s.sweep(["1", "3"], progress=False).values),
            "rows": lambda s: dict(s.counterfactual({"1": 0.0}, torch.tensor([3, 1]))),
            "units": lambda s: s.units.index,
            "strength": lambda s: {"->".join(e): v for e, v in s.activity().strength.items()},
            "exchange": lambda s, halves=halves: cm.exchange(s, halves).bits,
            "what is sent": lambda s, thirds=thirds: cm.exchange(s, thirds, **few).out["a"].bits,
            "pairs": lambda s, thirds=thirds: cm.exchange(s, thirds, **few).matrix["a", "b"].bits,
            "averaged": lambda s, halves=halves: (
                cm.exchange(s, halves, kind="averaged", **few).to_frame()["upper"].tolist()
            ),
            "arrows": lambda s, halves=halves: cm.exchange(s, halves, kind="strength", **few).bits,
            "counted": lambda s, halves=halves: [
                cm.exchange(s, halves, kind=k, estimator="exact", rows=torch.arange(6)).bits
                for k in ("conditional", "averaged", "strength")
            ],
            "carried": lambda s: s.carried.share,
            "flow graph": lambda s: flow_graph(s, torch.arange(s.rows)),
            "null network": lambda s: dict((null_network(s, 3) or s).observe()),
            "weights": lambda s, halves=halves: MEASURES.get("newman_q")(s, halves),
            "query": lambda s: cm.query(s, "P(output[0] | do(`1`[2]=0.5), `3`[1])").samples,
        }
        for kind in ("observational", "interventional", "conditional"):
            for pair in (("1[0]", "3[1]"), ("1", "3")):
                ask[f"information {kind} {pair}"] = lambda s, kind=kind, pair=pair: (
                    cm.information(s, *pair, kind=kind).bits
                )
            ask[f"flow {kind}"] = lambda s, kind=kind: torch.tensor(
                cm.flow(s, "1", "3", kind=kind).to_frame().to_numpy(float)
            )
        for name, question in ask.items():
            _compare(name, question, here, there)
            print(rows, name, flush=True)
    del held


if __name__ == "__main__":
    main()
