"""What gunicorn serves for `tests.bench.users_at_once`: the product, and beside it, under /bench/,
Django admin's changelists of the same rows (`tests.bench.volume_lists`).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

# Before anything asks for an address.
settings.ROOT_URLCONF = "tests.bench.volume_lists"
application: Any = get_wsgi_application()
