"""The priors as used, as a table; without the compiled parts, so that it comes at once."""

from __future__ import annotations

import pandas as pd

from bayessem.model.prepare import Prepared


def prior_table(prepared: Prepared) -> pd.DataFrame:
    """The priors as used: one row a sampled parameter, with kind, prior and bounds."""
    coordinates = prepared.space.coordinates
    return pd.DataFrame(
        {
            "parameter": [c.name for c in coordinates],
            "kind": [c.kind for c in coordinates],
            "prior": [str(c.prior) for c in coordinates],
            "lower": [c.lower for c in coordinates],
            "upper": [c.upper for c in coordinates],
        }
    )
