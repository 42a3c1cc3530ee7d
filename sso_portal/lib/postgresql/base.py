"""Named in `DATABASES` as `sso_portal.lib.postgresql`."""

from select import POLLIN, poll

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, which asks `SELECT 1` of a kept connection before each request: a journey there and back.

    An idle connection has nothing to say, unless it is over: so it is enough to see whether it can be read from.
    """

    def is_usable(self) -> bool:
        """Whether the connection goes on, as far as this machine has heard."""
        if self.connection is None or self.connection.closed:
            return False
        heard = poll()
        heard.register(self.connection.fileno(), POLLIN)
        return not heard.poll(0) or bool(super().is_usable())
