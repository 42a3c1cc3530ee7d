"""Traces, by OpenTelemetry: a span for each request, and within it one for each statement.

Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set (docs/operating.md). Spans hold words of ours and statements with
placeholders; never an address, a header or a value, for those carry tokens and telephone numbers.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sso_portal.lib.web import reference_of
from sso_portal.watching import door_of, method_of, route_of

GetResponse = Callable[[HttpRequest], HttpResponseBase]
LONGEST_STATEMENT = 2000  # characters


def traced(get_response: GetResponse) -> GetResponse:
    """Within the outermost middleware: what OTEL_… of the environment say where spans go, and how many of them."""
    tracer = begin().get_tracer("sso_portal")

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with (
            tracer.start_as_current_span(
                "request", context=_begun_before(request), kind=SpanKind.SERVER
            ) as span,
            connection.execute_wrapper(partial(_statement, tracer)),
        ):
            response = get_response(request)
            method, route = method_of(request), route_of(request)
            span.update_name(f"{method} {route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "portal.door": door_of(request),
                    "portal.reference": reference_of(request),
                }
            )
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
        return response

    return middleware


def begin() -> TracerProvider:
    """What sends the spans of this process away, in a thread of its own."""
    provider = TracerProvider(resource=Resource.create({"service.name": "agent-portal"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _begun_before(request: HttpRequest) -> Context:
    """The trace that a proxy began; the outermost middleware has left the headers of trusted ones alone."""
    said = {name: request.META.get(f"HTTP_{name.upper()}", "") for name in ("traceparent", "tracestate")}
    return TraceContextTextMapPropagator().extract(said, Context())


def _statement(
    tracer: Tracer, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Run a statement in a span of its own. Its values stay out, and what an error says of them."""
    with tracer.start_as_current_span(
        sql.split(maxsplit=1)[0], kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
    ) as span:
        span.set_attributes(
            {"db.system.name": context["connection"].vendor, "db.query.text": sql[:LONGEST_STATEMENT]}
        )
        try:
            return execute(sql, params, many, context)
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
