"""The command `harness place`, and the check of documents it wrote earlier."""
