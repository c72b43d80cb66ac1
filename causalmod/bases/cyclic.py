"""Fourier pairs of a cyclic input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Any, ClassVar

import torch
from torch import Tensor

from causalmod.bases.protocol import BASES, SiteData
from causalmod.bases.solve import orthonormal, with_signs
from causalmod.errors import InputError
from causalmod.variables import FittedBasis

_NOTHING = 1e-6  # of all that follows the cycle: a frequency with less is left in the rest


@BASES.register("fourier")
@dataclass(frozen=True, eq=False)
class Fourier:
    """Subspaces in which a site follows a cyclic quantity at one frequency: cosine and sine.

    Without ``values``, the features themselves stand around a cycle (one-hot inputs, or logits, of
    numbers modulo ``p``), and the basis is the real discrete Fourier transform: ``cos(2 pi k j /
    p)`` and ``sin(2 pi k j / p)`` over features ``j``, each pair one variable.

    With ``values [row]``, such as ``(a + b) % p``, the mean activation for each value is split
    into its frequencies, ``x(v) = sum_k c_k cos(2 pi k v / p) + s_k sin(2 pi k v / p)``, and the
    variable of frequency ``k`` is the plane of ``c_k`` and ``s_k``. Planes are made orthogonal one
    after the other, the strongest first; what is left is one variable, the *rest*. ``spectrum``
    holds ``|c_k|^2 + |s_k|^2`` over the sum of these. Frequency 0 (the mean) is part of the rest.

    Attributes:
        values: whole numbers, one for each row of the data; or None.
        period: ``p``; one more than the largest value by default.
        frequencies: those that get a variable; by default all, as far as features suffice.

    Raises:
        InputError: values that are not one whole number from 0 to ``p - 1`` for each row;
            frequencies that are not from 1 to ``p / 2``; or a site that does not follow the cycle.

    Source: Nanda et al., ICLR (2023, arXiv 2301.05217), section 4, for networks that add modulo p.

    Example:
        >>> import torch, causalmod as cm
        >>> angle = 2 * torch.pi * torch.arange(12) / 12
        >>> circle = torch.stack([angle.cos(), angle.sin(), torch.ones(12)], 1)
        >>> basis = cm.bases.fourier(values=torch.arange(12))
        >>> scm = cm.compile(torch.nn.Tanh().eval(), circle, basis={"input": basis})
        >>> scm.sites["input"].basis.labels
        ('frequency 1', 'rest')
    """

    name: ClassVar[str] = "fourier"
    paper: ClassVar[str] = "Nanda et al. (2023)"
    values: Any = None
    period: int | None = None
    frequencies: Sequence[int] | None = None

    def fit(self, at: SiteData) -> FittedBasis:
        """See :meth:`Basis.fit`."""
        if self.values is None:
            return self._of_features(at)
        labels, period = self._labels(at)
        each = at.rows_first.shape[:-1].numel() // len(labels)  # positions
        every = labels.repeat_interleave(each)
        means = torch.zeros(period, at.features, dtype=torch.float64)
        counts = torch.bincount(every, minlength=period).double()
        means.index_add_(0, every, at.activations)
        seen = counts > 0
        means[seen] /= counts[seen, None]
        angles = 2 * pi * torch.arange(period, dtype=torch.float64)[seen] / period
        centred = means[seen] - means[seen].mean(0)
        waves = {k: _wave(angles, k) for k in self._asked(period)}
        vectors = {k: torch.linalg.lstsq(wave, centred).solution for k, wave in waves.items()}
        power = {k: float(v.square().sum()) for k, v in vectors.items()}
        total = sum(power.values())
        if total <= _NOTHING * float(means[seen].square().mean(0).sum()):
            raise InputError(
                f"basis 'fourier' of {at.name!r}: the site does not follow the values at the "
                "frequencies asked for; check that values are in the order of the rows"
            )
        axes = torch.zeros(0, at.features, dtype=torch.float64)
        sizes, named, spectrum = [], [], []
        for k in sorted(power, key=lambda each: -power[each]):
            if power[k] <= _NOTHING * total or len(axes) == at.features:
                break
            plane = _new_axes(vectors[k], axes)
            if len(plane):
                axes = torch.cat([axes, plane])
                sizes.append(len(plane))
                named.append(f"frequency {k}")
                spectrum += [power[k] / total] * len(plane)
        fitted = orthonormal(self.name, axes, spectrum=torch.tensor(spectrum))
        rest = ["rest"] if len(axes) < at.features else []
        return fitted.with_blocks(sizes, [*named, *rest], name=at.name)

    def _of_features(self, at: SiteData) -> FittedBasis:
        period = at.features
        if self.period is not None and self.period != period:
            raise InputError(
                f"basis 'fourier' of {at.name!r}: the site has {period} features, and the period "
                f"is {self.period}; give values=, the cyclic quantity on each row"
            )
        angles = 2 * pi * torch.arange(period, dtype=torch.float64) / period
        rows, sizes, named = [], [], []
        if self.frequencies is None:
            rows, sizes, named = [torch.ones(1, period).double()], [1], ["frequency 0"]
        for k in self._asked(period):
            wave = _wave(angles, k).T
            rows.append(wave)
            sizes.append(len(wave))
            named.append(f"frequency {k}")
        axes = torch.cat(rows)
        axes = axes / axes.norm(dim=1, keepdim=True)
        rest = ["rest"] if len(axes) < period else []
        return orthonormal(self.name, axes).with_blocks(sizes, [*named, *rest], name=at.name)

    def _asked(self, period: int) -> list[int]:
        if self.frequencies is None:
            return list(range(1, period // 2 + 1))
        asked = list(dict.fromkeys(self.frequencies))
        wrong = [k for k in asked if not isinstance(k, int) or not 1 <= k <= period // 2]
        if wrong or not asked:
            raise InputError(
                f"basis 'fourier': frequencies are whole numbers from 1 to {period // 2}, half the "
                f"period; given {self.frequencies!r}"
            )
        return asked

    def _labels(self, at: SiteData) -> tuple[Tensor, int]:
        try:
            labels = torch.as_tensor(self.values).cpu()
        except (TypeError, ValueError, RuntimeError):
            labels = torch.zeros(0)
        rows = at.network.rows
        whole = not labels.is_floating_point() and labels.dtype != torch.bool
        if labels.shape != (rows,) or not whole or int(labels.min()) < 0:
            raise InputError(
                f"basis 'fourier' of {at.name!r}: values are one whole number for each of the "
                f"{rows} rows, from 0; given {list(labels.shape)} of {labels.dtype}"
            )
        period = int(labels.max()) + 1 if self.period is None else self.period
        if int(labels.max()) >= period:
            raise InputError(
                f"basis 'fourier' of {at.name!r}: the period is {period}, and a value is "
                f"{int(labels.max())}; values go from 0 to period - 1"
            )
        return labels.long(), period


def _wave(angles: Tensor, frequency: int) -> Tensor:
    """Cosine and sine ``[value, 1 or 2]``; at half the period the sine is 0 everywhere."""
    both = torch.stack([(frequency * angles).cos(), (frequency * angles).sin()], dim=1)
    return both[:, both.square().sum(0) > _NOTHING]


def _new_axes(vectors: Tensor, axes: Tensor) -> Tensor:
    """Orthonormal rows that span what some vectors add to orthonormal axes."""
    size = vectors.norm()
    left = vectors - vectors @ axes.T @ axes
    left = left - left @ axes.T @ axes  # twice is enough
    _, values, rows = torch.linalg.svd(left, full_matrices=False)
    return with_signs(rows[values > _NOTHING**0.5 * size])
