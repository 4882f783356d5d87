"""lavaan text to a parameter table; nothing heavy is imported here."""
