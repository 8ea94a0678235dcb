/** Spans, as whoever makes them sees them. Where they go, and whether at all, is decided where everything is constructed. */

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a span belongs that was begun elsewhere: by another process, or by whoever called us. */
export interface SpanPlace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

export interface SpanOptions {
  readonly attributes?: Attributes;
  /** Without it the span belongs to the one that is going on, if any. */
  readonly parent?: SpanPlace | null;
  /** A span that was given out as `parent` before it is told. */
  readonly place?: SpanPlace;
  /** Asked for by another program. */
  readonly isRequest?: boolean;
  /** Milliseconds since 1970; now, when left out. */
  readonly startedAtMs?: number;
}

export interface Span {
  set(attributes: Attributes): void;
  /** Once. `failure`: the code of an error, never its text, which may name anything. */
  end(failure?: string | null): void;
}

export interface Tracing {
  /** Costs nothing where nobody listens. */
  begin(name: string, options?: SpanOptions): Span;
  /** What is begun within the work belongs to the span. */
  within<T>(span: Span, work: () => T): T;
}

const NO_SPAN: Span = { set: () => undefined, end: () => undefined };

export const NO_TRACING: Tracing = { begin: () => NO_SPAN, within: (_span, work) => work() };

/** A span around some work. A failure ends it with its code. */
export async function traced<T>(
  tracing: Tracing,
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = tracing.begin(name, options);
  try {
    const result = await tracing.within(span, () => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end(codeOf(error));
    throw error;
  }
}

/** The same for what comes piece by piece. It ends when the last piece was taken, or nobody wants any more. */
export async function* tracedStream<T>(
  tracing: Tracing,
  name: string,
  options: SpanOptions,
  open: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  const span = tracing.begin(name, options);
  let failure: string | null = null;
  try {
    const pieces = tracing.within(span, () => open()[Symbol.asyncIterator]());
    try {
      for (;;) {
        const piece = await tracing.within(span, () => pieces.next());
        if (piece.done === true) return;
        yield piece.value;
      }
    } finally {
      await pieces.return?.();
    }
  } catch (error) {
    failure = codeOf(error);
    throw error;
  } finally {
    span.end(failure);
  }
}

export function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(code) ? code : 'INTERNAL';
}

/** The `traceparent` header of W3C Trace Context; `null` when there is none that can be read. */
export function placeFromHeader(header: string | undefined): SpanPlace | null {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const [, version, traceId = '', spanId = '', flags = '00', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
