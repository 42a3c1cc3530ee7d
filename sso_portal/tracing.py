"""Traces, by OpenTelemetry: a span for each request, and within it one for each statement.

Imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set (docs/operating.md). Spans hold words of ours and statements with
placeholders; never an address, a header or a value, for those carry tokens and telephone numbers.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from sso_portal.lib.arrivals import Answer, Arrival, AtOnce, arrival_of
from sso_portal.lib.web import reference_of
from sso_portal.watching import door_of, method_of, route_of

GetResponse = Callable[[HttpRequest], HttpResponseBase]
LONGEST_STATEMENT = 2000  # characters


def traced(get_response: GetResponse) -> GetResponse:
    """Within the outermost middleware: what OTEL_… of the environment say where spans go, and how many of them."""
    tracer = provider(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]).get_tracer("sso_portal")

    def middleware(request: HttpRequest) -> HttpResponseBase:
        arrival = arrival_of(request)
        with _within(tracer, arrival.span if arrival else None, request.META) as span:
            response = get_response(request)
            _end(span, request, route_of(request), door_of(request), response.status_code)
        return response

    return middleware


def traced_at_once(answer_of: AtOnce) -> AtOnce:
    """The same of what is answered as it arrives. The span of what is not goes on further in."""
    tracer = provider(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]).get_tracer("sso_portal")

    def answer(arrival: Arrival) -> Answer | None:
        with _within(tracer, None, arrival.META) as arrival.span:
            answer = answer_of(arrival)
            if answer:
                _end(arrival.span, arrival, arrival.route, arrival.door, answer.status)
        return answer

    return answer


@contextmanager
def _within(tracer: Tracer, span: Span | None, said: Mapping[str, Any]) -> Iterator[Span]:
    """Within this span, or one that begins here: a span for each statement."""
    span = span or tracer.start_span("request", context=_begun_before(said), kind=SpanKind.SERVER)
    with use_span(span), connection.execute_wrapper(partial(_statement, tracer)):
        yield span


def _end(span: Span, request: HttpRequest | Arrival, route: str, door: str, status: int) -> None:
    method = method_of(request)
    span.update_name(f"{method} {route}")
    span.set_attributes(
        {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "portal.door": door,
            "portal.reference": reference_of(request),
        }
    )
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


@cache
def provider(endpoint: str) -> TracerProvider:
    """What sends the spans of this process there, in a thread of its own and in the order in which they ended."""
    begun = TracerProvider(resource=Resource.create({"service.name": "agent-portal"}))
    begun.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return begun


def _begun_before(said: Mapping[str, Any]) -> Context:
    """The trace that a proxy began. (Headers of others than trusted ones come no further than here.)"""
    of_trace = {name: said.get(f"HTTP_{name.upper()}", "") for name in ("traceparent", "tracestate")}
    return TraceContextTextMapPropagator().extract(of_trace, Context())


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
