"""Read what a user asks for: which sites get which basis, and which blocks."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from causalmod.bases.given import of_rows
from causalmod.bases.neurons import Neuron
from causalmod.bases.protocol import BASES, Basis, Network, SiteData
from causalmod.errors import InputError, SelectorError, nearest
from causalmod.variables import FittedBasis, Site

Choice = Mapping[str, Any]


def chosen(
    network: Network,
    sites: Mapping[str, Site],
    basis: Choice | None,
    blocks: Mapping[str, Sequence[int]] | None,
) -> dict[str, Site]:
    """Fit what was asked for, and return the sites in their bases.

    Sites are fitted from the last to the first, so that a basis may look at those after it.

    Args:
        network: the network on its data, without bases.
        sites: the sites, as they are read now.
        basis: name or glob → kind of basis, its name, a fitted one, a matrix, or None for the
            neurons; sites that are not named keep theirs. None takes all bases off.
        blocks: name or glob → sizes of the blocks of coordinates.

    Raises:
        SelectorError: a name or glob fits no site.
        InputError: no basis; one that does not fit the site; or a site of whole numbers.
    """

    def can(name: str) -> bool:
        plain = sites[name].in_basis(None)
        recorded = network.recorded(network.node_of(name))
        return plain.feature_axis is not None and recorded.is_floating_point()

    given = _by_site(sites, dict.fromkeys(sites) if basis is None else basis, "basis", can)
    sized = _by_site(sites, {} if blocks is None else blocks, "blocks", can)
    found: dict[str, Site] = {}
    later: dict[str, FittedBasis] = {}
    for name in reversed(list(sites)):
        site = sites[name]
        fitted = site.basis
        if name in given:
            fitted = _fit(network, site, given[name], later)
        if name in sized:
            held = Neuron().fit(_data(network, site, {})) if fitted is None else fitted
            fitted = held.with_blocks(_sizes(name, sized[name]), name=name)
        if fitted is not None and fitted.is_identity and fitted.is_plain:
            fitted = None  # the neurons, bit for bit
        found[name] = site if fitted is site.basis else site.in_basis(fitted)
        if fitted is not None and name in given:
            later = {name: fitted, **later}
    return {name: found[name] for name in sites}


def _fit(
    network: Network, site: Site, kind: Any, later: Mapping[str, FittedBasis]
) -> FittedBasis | None:
    if kind is None:
        return None
    if isinstance(kind, str):
        kind = _called(BASES.get(kind))
    if isinstance(kind, type):
        raise InputError(
            f"basis of {site.name!r}: a kind of basis is to be called, as in cm.bases.pca(); given "
            f"the class {kind.__name__}"
        )
    at = _data(network, site, later)
    if isinstance(kind, FittedBasis):
        fitted = kind
    elif callable(getattr(kind, "fit", None)):
        maker: Basis = kind
        fitted = maker.fit(at)
    else:
        fitted = of_rows(kind, at)
    site.in_basis(fitted)  # refuses one of other features
    return fitted


def _data(network: Network, site: Site, later: Mapping[str, FittedBasis]) -> SiteData:
    """The site on its data; refused where it has no features, or whole numbers for values."""
    if site.in_basis(None).feature_axis is None:
        site.in_basis(_nothing(1))  # raises, and says why
    at = SiteData(network, site.name, later)
    if not at.rows_first.is_floating_point():
        raise InputError(
            f"basis of {site.name!r}: the site holds whole numbers ({at.rows_first.dtype}), which "
            "have no directions; choose a site after it, such as an embedding"
        )
    return at


def _called(kind: Callable[[], Basis]) -> Basis:
    return kind()


def _nothing(features: int) -> FittedBasis:
    one = torch.eye(features)
    return FittedBasis("none", one, one, torch.zeros(features))


def _sizes(name: str, sizes: Any) -> Sequence[int]:
    if isinstance(sizes, Sequence) and not isinstance(sizes, str):
        return sizes
    raise InputError(f"blocks of {name!r} are a list of sizes, such as [4, 4, 8]; given {sizes!r}")


def _by_site(
    sites: Mapping[str, Site], asked: Any, argument: str, can: Callable[[str], bool]
) -> dict[str, Any]:
    """Resolve names and globs; a later one wins. Globs leave out what can have no basis."""
    if not isinstance(asked, Mapping):
        example = "cm.bases.pca()" if argument == "basis" else "[4, 4, 8]"
        raise InputError(
            f"{argument}= is a mapping from sites to their {argument}, such as {{'fc1': "
            f"{example}}}; given {type(asked).__name__}"
        )
    labels = {label: s.name for s in sites.values() for label in (s.name, *s.aliases)}
    found: dict[str, Any] = {}
    for pattern, what in asked.items():
        if not isinstance(pattern, str):
            raise SelectorError(f"{argument}: each key is the name of a site; given {pattern!r}")
        if pattern in labels:
            fits = [labels[pattern]]
        else:
            fits = [name for label, name in labels.items() if fnmatch.fnmatchcase(label, pattern)]
            fits = [name for name in fits if can(name)] or fits
        if not fits:
            raise SelectorError(
                f"{argument}: no site is {pattern!r}: {nearest(pattern, labels)}; other tensors of "
                "the network (scm.available) become sites by compile(..., sites=[...])"
            )
        found.update(dict.fromkeys(fits, what))
    return found
