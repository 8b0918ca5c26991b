"""Pictures as arrays: geometry, the network's input, and untrusted media files."""
