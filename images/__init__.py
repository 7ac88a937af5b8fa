"""How the images are made: a Dockerfile each, and the two programs behind `make`."""
