"""Models of other programs (Mplus, Amos, seminr) as lavaan's text."""
