"""Information and exchange as queries: the functions of that name, called."""

from __future__ import annotations

from typing import Any

from causalmod.errors import QueryError
from causalmod.exchange import Exchange, exchange, information
from causalmod.information import Estimate
from causalmod.partition import Partition
from causalmod.queries.kinds import ExchangedInformation, Information
from causalmod.queries.terms import quoted
from causalmod.scm import StructuralCausalModel
from causalmod.scm.facts import EXOGENOUS


def information_of(scm: StructuralCausalModel, asked: Information, **settings: Any) -> Estimate:
    """Answer ``I(source ; target | ...)`` by :func:`causalmod.information`.

    Raises:
        QueryError: what is conditioned on makes none of the forms that are defined.
        SelectorError: an unknown name.
    """
    kind = information_kind(scm, asked)
    if asked.reference != "do":
        settings["reference"] = asked.reference
    return information(scm, asked.source, asked.target, kind, **settings)


def information_kind(scm: StructuralCausalModel, asked: Information) -> str:
    """Return the kind of :func:`causalmod.information` that a query asks for.

    Raises:
        QueryError: what is conditioned on makes none of the forms that are defined.
        SelectorError: an unknown name.
    """
    if not asked.given:
        return "interventional" if asked.do else "observational"
    known = [name for name in asked.given if name != EXOGENOUS]
    everything = set(scm.resolve(scm.inputs))
    if len(known) == len(asked.given) and not everything <= set(scm.resolve(known)):
        raise QueryError(
            f"{asked}: information is conditioned on the row of the data, written U, or on all "
            f"inputs ({', '.join(scm.inputs)}), which stand for it; conditioning on "
            f"{', '.join(known)} alone is not defined"
        )
    scm.resolve(known)
    if not asked.do:
        source = ", ".join(map(quoted, asked.source))
        raise QueryError(
            f"{asked}: once the row is known everything is, so the information is 0 for any two "
            f"groups; to learn what is sent, set the source: | do({source}), U)"
        )
    return "conditional"


def exchanged(scm: StructuralCausalModel, asked: ExchangedInformation, **settings: Any) -> Exchange:
    """Answer ``Exchange(left ; right)`` by :func:`causalmod.exchange`.

    Raises:
        PartitionError: the modules do not split the live units.
        SelectorError: an unknown name.
    """
    modules = {", ".join(module): scm.resolve(module) for module in asked.modules}
    return exchange(scm, Partition(modules), **settings)
