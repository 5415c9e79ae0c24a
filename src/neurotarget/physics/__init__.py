"""From magnitude and phase of a gradient-echo scan to susceptibility and SWI; arrays, no files."""
