"""Pictures as arrays: scaling, the network's input, and untrusted media files."""
