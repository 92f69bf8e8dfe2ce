"""Where and why data sets differ: by mass, size and type, and by morphology."""
