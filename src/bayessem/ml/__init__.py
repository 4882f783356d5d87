"""Maximum likelihood with the same likelihood."""
