"""The command line: ``rtsod run | devices | doctor | build | export | calibrate | bench``."""
