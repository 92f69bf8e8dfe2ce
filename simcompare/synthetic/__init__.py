"""Images that we make: mocks, twins, blank sky, variations."""
