"""`python -m hydra.cli`."""

from hydra.cli import main

main()
