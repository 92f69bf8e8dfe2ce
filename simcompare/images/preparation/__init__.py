"""The one preparation that real and simulated images share."""
