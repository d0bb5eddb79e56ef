"""The health check of a container: its web server is ready, or its other process is alive.

healthy.py http://127.0.0.1:8001/readyz
"""

import sys
from urllib.error import URLError
from urllib.request import urlopen

try:
    with urlopen(sys.argv[1], timeout=3) as answer:  # noqa: S310 -- the address stands in docker-compose.yml
        sys.exit(0 if answer.status == 200 else 1)
except (URLError, TimeoutError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
