from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import signing_in  # noqa: F401, PLC0415  (connects allauth's signals; needs the models)
