"""`python -m goldsmith.cli` is the program `goldsmith`."""

from goldsmith.cli import main

main()
