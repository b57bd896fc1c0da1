"""`python -m kca.cli` is `kca`."""

from . import main

main()
