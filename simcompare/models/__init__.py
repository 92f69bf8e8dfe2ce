"""What gives an image a log density; models on disk."""
