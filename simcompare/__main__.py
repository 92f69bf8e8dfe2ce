"""Let ``python -m simcompare`` work."""

import sys

from simcompare.cli import main

sys.exit(main())
