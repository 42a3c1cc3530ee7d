"""The default of every view for software: closed. (In a file of its own, since the framework's settings name it.)"""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Nobody(BasePermission):
    """For views that do not say who may come in."""

    def has_permission(self, request: Request, view: object) -> bool:
        return False
