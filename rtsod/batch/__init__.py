"""Many files on every core: found, shared out, resumed, and accounted for. See ``docs/batch.md``."""
