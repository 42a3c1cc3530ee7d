from django.apps import AppConfig
from django.contrib.admin import apps as admin


class AccountsConfig(AppConfig):
    default = True
    name = "accounts"

    def ready(self) -> None:
        from accounts import signing_in  # noqa: F401, PLC0415  (connects allauth's signals; needs the models)


class BackOfficeConfig(admin.AdminConfig):
    """Django's admin, whose pages are kept by ours."""

    default = False
    default_site = "accounts.backoffice.BackOffice"
