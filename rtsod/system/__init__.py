"""Services of the operating system: files, locks, signals, processes, threads and video devices."""
