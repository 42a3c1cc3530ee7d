from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "sso_portal"

    def ready(self) -> None:
        from sso_portal import checks  # noqa: F401, PLC0415  (registers them)
