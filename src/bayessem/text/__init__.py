"""How numbers, tables and prose are written, whatever they are about."""
