"""The respondents of a sample by missingness pattern, as the likelihood's plans have them."""

from __future__ import annotations

import numpy as np

from bayessem.likelihood.plan import Pattern, pattern_from_rows
from bayessem.model.data import Sample


def sample_patterns(sample: Sample) -> list[Pattern]:
    """Sufficient statistics and rows of each missingness pattern of each group."""
    return [
        pattern_from_rows(
            group,
            columns,
            sample.values[np.ix_(members, columns)],
            None if sample.weights is None else sample.weights[members],
        )
        for group, columns, members in sample.patterns()
    ]
