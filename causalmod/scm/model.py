"""StructuralCausalModel: a trained network as variables that can be observed and intervened on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from causalmod.interventions import (
    Assignment,
    Held,
    Interventions,
    Value,
    chain,
    resample,
)
from causalmod.scm.arguments import row_numbers
from causalmod.scm.assign import assign
from causalmod.scm.observations import Observations
from causalmod.scm.saving import save_model
from causalmod.scm.submodel import hold_outside, members_of
from causalmod.scm.sweep import Chunk, Reduce, Sweep, stream, sweep
from causalmod.scm.sweep.asked import Asked
from causalmod.scm.units import Units, find_units
from causalmod.scm.variants import VariedMechanisms
from causalmod.variables import Variable

_SITES_SHOWN = 12  # with more, the text of a model counts them


class StructuralCausalModel(VariedMechanisms):
    """A network, its data, and the interventions made so far. Made by :func:`compile`.

    One exogenous variable ``U`` is uniform over the rows of the data; inputs are ``X = data[U]``;
    each variable is a coordinate (or block) of a site; mechanisms are the parts of the network
    between sites, replayed exactly. Everything is deterministic given ``U``, so observed
    activations have extra independences, and conditional probabilities given rare values are often
    undefined.

    Source: Pearl, *Causality* (2009), definition 7.1.1.

    Example:
        >>> import torch
        >>> from causalmod import compile
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
        >>> scm = compile(net.eval(), torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
        >>> list(scm.sites)
        ['input', '0', '1', 'output']
        >>> scm.do({"1[0]": 0.0}).observe()["1"][:, 0].abs().sum().item()
        0.0
    """

    # --- the causal verbs ---------------------------------------------------------------------

    def observe(self) -> Observations:
        """Return the activations of every site on the data, as the interventions leave them.

        Returns:
            dict: site name → tensor ``[rows, *site]`` in the network's dtype, yours to change; the
            outputs are always among them. With nothing intervened, outputs are bit-identical to
            the network's own.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Linear(2, 3).eval()
            >>> found = cm.compile(net, torch.eye(2)).observe()
            >>> torch.equal(found["output"], net(torch.eye(2)))
            True
        """
        self.record(self._nodes.values())
        values = {
            name: self.site(name).rows_first(self._recorded[node]).clone()
            for name, node in self._nodes.items()
        }
        return self._observations(values)

    def do(self, interventions: Interventions) -> StructuralCausalModel:
        """Return a mutilated model in which variables are set, whatever their mechanisms say.

        Args:
            interventions: selector → value. A number; a tensor ``[rows]`` (one value per row, which
                this reading gets when it has as many variables), ``[variables]``, or ``[rows,
                variables]``, or of the shape of the site with the rows first; 1 in place of the
                row count gives all rows the same; :func:`causalmod.resample`; or a function from
                the natural values, in the site's own shape (``[rows, variables]`` when only some
                variables are set), to the new ones. A pair ``(sender, receiver)`` of selectors is
                an edge: only that receiver sees the sender's new value, whatever else reads it;
                see :meth:`receivers`.

        Later calls see what earlier ones did, so ``scm.do(a).do(b)`` makes both.

        Raises:
            SelectorError: an unknown name, or an edge that there is not (those that there are are
                listed).
            InputError: a variable set twice, or a value of the wrong shape or not finite.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> scm.do({"output": lambda y: y - y, "input[0]": 5.0}).observe()["output"].tolist()
            [[0.0], [0.0]]
        """
        made, on_edges = assign(self, interventions, torch.arange(self.rows))
        changed = self._with(
            assignments=(*self._assignments, *made), on_edges=(*self._on_edges, *on_edges)
        )
        changed._keep_what_stays(self)
        return changed

    def counterfactual(
        self, interventions: Interventions, rows: int | Sequence[int] | Tensor
    ) -> Observations:
        """Return what would have been on given rows, had the interventions been made.

        Abduction fixes ``U`` to each row, action sets the variables, prediction replays the
        network. With other rows left out, a matrix product may round otherwise in the last bit.

        Args:
            interventions: as for :meth:`do`; a value per row means per row of ``rows``.
            rows: numbers of the data rows.

        Returns:
            dict: site name → tensor ``[len(rows), *site]``.

        Raises:
            SelectorError: an unknown name.
            InputError: ``rows`` is empty, or not made of row numbers; or as for :meth:`do`.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.tensor([[-1.0], [2.0], [3.0]]))
            >>> scm.counterfactual({"input": lambda x: 2 * x}, rows=[0, 2])["output"].tolist()
            [[0.0], [6.0]]
        """
        index = row_numbers(rows, self.rows)
        changes: dict[str, list[Assignment]] = {}
        made, on_edges = assign(self, interventions, index)
        for each in made:
            changes.setdefault(each.site, []).append(each)
        patches = {site: chain(made, None) for site, made in changes.items()}
        values = self.replay(index, patches, clamp=False, on_edges=on_edges)
        return self._observations({n: self.site(n).paste(v).clone() for n, v in values.items()})

    def sweep(
        self,
        interventions: Asked,
        value: Value | None = None,
        *,
        record: Sequence[str] | str | None = None,
        reduce: Reduce | None = None,
        memory: str | int = "2GB",
        progress: bool = True,
    ) -> Sweep:
        """Make many interventions, one at a time, as one job.

        Only what follows an intervention is computed; linear maps that read a changed unit are
        updated rather than computed again; rows on which nothing changes are left out; a GELU or
        SiLU that is written out runs as one operation. So figures agree with :meth:`do` to rounding
        (about 1e-5 relative in float32), whatever the memory and the chunks; the same seed gives
        the same donors.

        Args:
            interventions: selectors or globs (every variable is one intervention); edges
                ``(sender, receiver)`` (every variable of the sender is one); mappings as for
                :meth:`do` (one each); or a list of these.
            value: what selectors and edges are set to, as for :meth:`do`; by default the value that
                the variable takes on another row, ``resample(0)``.
            record: names of the sites and outputs to return; the outputs by default.
            reduce: function of a chunk, ``{site: [intervention, rows, *site]}``, and of what the
                sites hold without intervention, ``{site: [rows, *site]}``; it returns a tensor
                ``[intervention, ...]``, or a dict of such, and only these are kept.
            memory: most memory that results and work may take, such as ``"2GB"``.
            progress: show a bar when run from a terminal.

        Raises:
            SelectorError: an unknown name or edge.
            InputError: a value that does not fit, or results that do not fit the memory.
            Interrupted: Ctrl-C; ``.partial`` holds the interventions that were done.

        Example:
            >>> import torch, causalmod as cm
            >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
            >>> scm = cm.compile(net.eval(), torch.eye(2))
            >>> found = scm.sweep("0", 0.0, reduce=lambda after, before:
            ...     (after["output"] - before["output"]).abs().mean((1, 2)))
            >>> found.names, list(found.values["value"].shape)
            (('0[0]', '0[1]', '0[2]'), [3])
        """
        made = resample(0) if value is None else value
        return sweep(self, interventions, made, record, reduce, memory, progress=progress)

    def stream(
        self,
        interventions: Asked,
        value: Value | None = None,
        *,
        record: Sequence[str] | str | None = None,
        memory: str | int = "2GB",
        progress: bool = True,
    ) -> Iterator[Chunk]:
        """Make many interventions and yield what follows, chunk by chunk; see :meth:`sweep`.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 3).eval(), torch.eye(2))
            >>> [(chunk.names, list(chunk.values["output"].shape)) for chunk in scm.stream("input")]
            [(('input[0]', 'input[1]'), [2, 2, 3])]
        """
        made = resample(0) if value is None else value
        return stream(self, interventions, made, record, memory, progress)

    def _observations(self, values: Mapping[str, Tensor]) -> Observations:
        further = {alias: s.name for s in self._readouts.values() for alias in s.aliases}
        return Observations(values, {**self._aliases, **further})

    # --- what follows -----------------------------------------------------------------------------

    @cached_property
    def units(self) -> Units:
        """The live units that a partition splits, and the inert ones with the reason.

        Example:
            >>> import torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.ReLU().eval(), torch.tensor([[-1.0, 2.0], [-3.0, 4.0]]))
            >>> scm.units.names, scm.units.inert
            (('output[1]',), {'output[0]': 'constant on the data'})
        """
        return find_units(self)

    # --- other models of the same shape ---------------------------------------------------------

    def submodel(self, module: str | Variable | Iterable[str | Variable]) -> StructuralCausalModel:
        """Return the model inside a module, on which every call works, this one too.

        Its members are the variables: they answer for themselves. All other variables keep, on
        each row, the value that they have there, so with nothing intervened the two models are the
        same. Inputs and what is held are the environment of the module.

        Args:
            module: name of a module of :meth:`with_partition`, or selectors. Inert units stay out;
                a unit brings along what is tied to it (its pre-activation).

        Raises:
            SelectorError: an unknown name.
            PartitionError: an input, a variable outside this submodel, or no live unit.

        Example:
            >>> import causalmod as cm
            >>> case = cm.zoo.isolated()
            >>> scm = case.compile().with_partition(cm.Partition(case.modules))
            >>> inside = scm.submodel(next(iter(case.modules)))
            >>> set(inside.units.names) < set(scm.units.names)
            True
        """
        members = members_of(self, module)
        inside = self._with(assignments=(*self._assignments, *hold_outside(self, members)))
        inside._members = frozenset(members)
        inside._recorded = dict(self._recorded)  # every value stays as it is
        inside._read = dict(self._read)
        edges = {pair: matrix.clone() for pair, matrix in self.edges.items()}
        inside._cut(edges)
        inside.__dict__["_influence"] = (edges, self.to_readouts)
        return inside

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model with its data and interventions to one file; see :func:`load`.

        The file has no pickles in it. An earlier one is replaced once the new one is complete.

        Raises:
            InputError: an intervention is a function, which no file can hold.
            CompileError: the network calls an operator that a file may not call.
            OutputError: the file cannot be written there.

        Example:
            >>> import tempfile, torch, causalmod as cm
            >>> scm = cm.compile(torch.nn.Linear(2, 1).eval(), torch.eye(2))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     cm.load(scm.do({"output": 1.0}).save(f"{folder}/model.scm"))
            StructuralCausalModel(2 rows; input: 2, output: 1, 1 intervention)
        """
        return save_model(self, path)

    def __repr__(self) -> str:
        changes = [made for made in self._assignments if not isinstance(made, Held)]
        count = len(changes) + len(self._on_edges)
        made = f", {count} intervention{'s' * (count > 1)}" if count else ""
        if self._members:
            made = f", {len(self.units)} units inside{made}"
        sizes = ", ".join(f"{name}: {site.count}" for name, site in self.sites.items())
        if len(self.sites) > _SITES_SHOWN:
            sizes = f"{len(self.sites)} sites, {len(self.variables)} variables"
        note = f"; {self.note}" if self.note else ""
        return f"StructuralCausalModel({self.rows} rows; {sizes}{made}{note})"
