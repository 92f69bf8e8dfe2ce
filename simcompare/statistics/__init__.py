"""Numbers in, numbers out: resampling, intervals, tests (numpy and scipy alone)."""
