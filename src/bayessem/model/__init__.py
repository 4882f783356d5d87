"""The parameter table meets data and priors: matrices, respondents, coordinates."""
