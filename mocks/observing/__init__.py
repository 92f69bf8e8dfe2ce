"""What telescope, sky and camera do to an ideal image."""
