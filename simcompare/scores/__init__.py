"""One row for each image: likelihoods, typicality, neighbours, features."""
