/**
 * Traces by OpenTelemetry. Read in only where an endpoint is configured: nobody else pays for the libraries. Spans wait
 * in a queue of fixed length and are sent in the background; a collector that is away costs spans and nothing else.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as OtelSpan,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Attributes, Span, SpanOptions, SpanPlace, Tracing } from '../lib/tracing.ts';
import type { Clock, Log } from '../lib/world.ts';

export interface TelemetryOptions {
  /** Of the collector, to the last word: `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly role: 'server' | 'worker';
  /** Of this process among those of its role. */
  readonly instance: string;
  readonly programVersion: string;
  readonly log: Log;
  readonly clock: Clock;
}

export interface Telemetry extends Tracing, AsyncDisposable {}

/** Spans that wait for being sent; further ones are left out. Some 2 MB at most. */
const QUEUE_MAX = 2_048;
const BATCH_MAX = 512;
const SEND_EVERY_MS = 5_000;
const SEND_MS_MAX = 5_000;
/** Longest that a process stays for its last spans. */
const FLUSH_MS_MAX = 2_000;
const ATTRIBUTE_CHARACTERS_MAX = 256;
/** A collector that stays away is mentioned so often. */
const COMPLAIN_EVERY_MS = 10 * 60_000;

export function openTelemetry(options: TelemetryOptions): Telemetry {
  const { url, headers, role, instance, programVersion, clock } = options;
  complainSeldom(options);
  const own = resourceFromAttributes({
    'service.name': 'drover',
    'service.version': programVersion,
    'service.instance.id': instance,
    'drover.role': role,
  });
  // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
  const resource = defaultResource()
    .merge(own)
    .merge(detectResources({ detectors: [envDetector] }));
  const ids = new PlacedIds();
  const exporter = new OTLPTraceExporter({
    url,
    headers: { ...headers },
    timeoutMillis: SEND_MS_MAX,
    concurrencyLimit: QUEUE_MAX / BATCH_MAX + 1,
  });
  const provider = new TracerProvider({
    resource,
    idGenerator: ids,
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanLimits: { attributeValueLengthLimit: ATTRIBUTE_CHARACTERS_MAX, attributeCountLimit: 32, eventCountLimit: 0 },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter,
        maxQueueSize: QUEUE_MAX,
        maxExportBatchSize: BATCH_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS_MAX,
      }),
    ],
  });
  const tracer = provider.getTracer('drover', programVersion);
  const going = new AsyncLocalStorage<Context>();
  return {
    begin(name, given = {}) {
      const { attributes, isRequest = false, startedAtMs } = given;
      const context = contextOf(given, going.getStore());
      ids.next = given.place ?? null;
      const span = tracer.startSpan(
        name,
        {
          kind: isRequest ? SpanKind.SERVER : SpanKind.INTERNAL,
          attributes: known(attributes),
          ...(startedAtMs !== undefined && { startTime: startedAtMs }),
        },
        context,
      );
      ids.next = null;
      return new OpenSpan(span, trace.setSpan(context, span));
    },
    within: (span, work) => (span instanceof OpenSpan ? going.run(span.context, work) : work()),
    async [Symbol.asyncDispose]() {
      const stop = new AbortController();
      const late = clock.sleep(FLUSH_MS_MAX, stop.signal).catch(() => undefined);
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      stop.abort();
    },
  };
}

class OpenSpan implements Span {
  readonly context: Context;
  readonly #span: OtelSpan;

  constructor(span: OtelSpan, context: Context) {
    this.#span = span;
    this.context = context;
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(known(attributes));
  }

  end(failure: string | null = null): void {
    if (failure !== null) {
      this.#span.setAttribute('error.type', failure);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

function contextOf({ parent, place }: SpanOptions, going: Context | undefined): Context {
  if (parent !== undefined && parent !== null) {
    const { traceId, spanId, isSampled } = parent;
    const traceFlags = isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
    return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
  }
  // Whose place is known belongs to nobody else.
  return place === undefined ? (going ?? ROOT_CONTEXT) : ROOT_CONTEXT;
}

function known(attributes: Attributes = {}): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** Random ones, but for a span whose place was given out before. */
class PlacedIds {
  next: SpanPlace | null = null;
  readonly #random = new RandomIdGenerator();
  readonly generateTraceId = (): string => this.next?.traceId ?? this.#random.generateTraceId();
  readonly generateSpanId = (): string => this.next?.spanId ?? this.#random.generateSpanId();
}

/** The libraries' own words go nowhere: they may repeat addresses and headers. That something is wrong is said. */
function complainSeldom({ log, clock }: TelemetryOptions): void {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  const complain = (): void => {
    if (clock.monotonic() - saidAtMs < COMPLAIN_EVERY_MS) return;
    saidAtMs = clock.monotonic();
    log('warn', 'Traces cannot be sent just now; they are left out until the collector takes them again.', {});
  };
  const silent = (): void => undefined;
  const logger = { error: complain, warn: complain, info: silent, debug: silent, verbose: silent };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
