"""What ships with the package: models, templates, styles."""
