"""Image sets: stamps, parts on disk, positions, splits, selection."""
