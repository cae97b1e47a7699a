"""What an entry about an API key looks like, in a setting or in a file of keys."""

import re

_SCOPE = "(?:predict|feedback|replay|admin)"

KEY_ENTRY = re.compile(rf"([^:,#\s]+):([0-9a-f]{{64}})(?::({_SCOPE}(?:\+{_SCOPE})*)(?::([0-9]+(?:\.[0-9]+)?))?)?")
"""An API key of the service as it is configured: name, SHA-256, scopes, requests a second."""

KEY_FORM = "name:sha256, name:sha256:scope+scope or name:sha256:scope+scope:requests_a_second"
