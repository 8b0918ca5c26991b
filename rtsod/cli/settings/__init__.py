"""``rtsod.toml``: options in a file, with profiles, beneath those of the command line."""
