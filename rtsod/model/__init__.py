"""The network: its graph, its checkpoints, its number formats, and the download of the authors' weights."""
