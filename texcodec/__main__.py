"""``python -m texcodec``."""

import sys

from texcodec.cli import main

sys.exit(main())
