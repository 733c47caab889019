"""What gunicorn is told in production: `gunicorn --config portal/deployment/gunicorn.py`.

Not imported by the product. The numbers hold for one machine; README.md beside this has the sizing.
"""

from __future__ import annotations

import os

wsgi_app = "portal.wsgi"
# Under systemd the listening socket is given (standby-web.socket), and this is not looked at.
bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")

# Threads, not sync workers: a download that takes minutes must not be killed as hanging.
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))

# Of a worker that no longer says that it lives; requests themselves may take longer.
timeout = 60
# How long requests at hand may take when a worker is told to end. Below TimeoutStopSec.
graceful_timeout = 30
# None are kept alive towards the proxy: one that closes in the moment of the next request
# would lose that request.
keepalive = 0

# A leak ends with its process; not all processes at once.
max_requests = 10_000
max_requests_jitter = 1_000

# The proxy has its own, smaller ones.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# Not beforehand: SIGHUP is to load the code anew, and no connection may be forked.
preload_app = False
# gunicorn 27 would open one in the user's home folder.
control_socket_disable = True
# Logs are JSON lines on stderr, the product's own among them; the proxy writes who asked what.
accesslog = None
errorlog = "-"
