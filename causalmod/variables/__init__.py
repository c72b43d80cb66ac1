"""Sites, variables, bases of sites, and the text that selects them.

A *site* is a tensor of the network that has a name; a *variable* is one coordinate (or block of
coordinates) of a site, in the site's basis if it has one.
"""

from causalmod.variables.basis import FittedBasis
from causalmod.variables.dictionary import FittedDictionary
from causalmod.variables.selectors import Variable, choose, expand, parse
from causalmod.variables.site import Site

__all__ = ["FittedBasis", "FittedDictionary", "Site", "Variable", "choose", "expand", "parse"]
