"""Let ``python -m simcompare`` work."""

import os
import sys

# Python looks for modules in the folder of the command first: a torch.py among downloaded data would be run.
_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not sys.flags.safe_path and os.path.abspath(sys.path[0]) not in (_HOME, os.path.realpath(_HOME)):
    del sys.path[0]

from simcompare.cli import main  # noqa: E402

sys.exit(main())
