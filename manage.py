#!/usr/bin/env python3
"""Django's command line for Standby."""

import os
import sys


def main() -> None:
    """Run the command named on the command line; say in one sentence what settings lack."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Standby is not configured: {error}")


if __name__ == "__main__":
    main()
