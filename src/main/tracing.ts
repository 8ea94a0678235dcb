/** Whether and where traces go. The libraries are read in only when they do. */
import type { Settings } from '../control/settings/settings.ts';
import { systemClock } from '../lib/system.ts';
import type { Tracing } from '../lib/tracing.ts';
import type { Clock, Log } from '../lib/world.ts';
import type { Environment } from './server-world.ts';

export type OpenedTracing = Tracing & AsyncDisposable;

export interface TracedProcess {
  readonly role: 'server' | 'worker';
  /** Tells it from others of its role. */
  readonly instance: string;
}

type TraceSettings = Pick<Settings, 'otlpEndpoint' | 'otlpTracesEndpoint' | 'otlpHeaders'>;

/** `null`: nobody traces. */
export async function openTracing(
  settings: TraceSettings,
  log: Log,
  { variables, programVersion }: Environment,
  process: TracedProcess,
  clock: Clock = systemClock,
): Promise<OpenedTracing | null> {
  const url = tracesUrl(settings);
  if (url === null || variables['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return null;
  const protocol = variables['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? variables['OTEL_EXPORTER_OTLP_PROTOCOL'];
  if (protocol !== undefined && protocol !== 'http/json') {
    log('warn', `Traces are sent by OTLP over HTTP as JSON, not as "${protocol}": the collector must take that.`, {});
  }
  const { openTelemetry } = await import('./telemetry.ts');
  const headers = headersOf(settings.otlpHeaders);
  return openTelemetry({ url, headers, ...process, programVersion, log, clock });
}

function tracesUrl({ otlpTracesEndpoint, otlpEndpoint }: TraceSettings): string | null {
  return otlpTracesEndpoint ?? (otlpEndpoint === null ? null : `${otlpEndpoint}/v1/traces`);
}

/** `name=value,name=value`, percent-encoded, as the standard says. */
export function headersOf(text: string | null): Readonly<Record<string, string>> {
  const pairs = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 1 ? [] : [[decoded(pair.slice(0, at).trim()), decoded(pair.slice(at + 1).trim())] as const];
  });
  return Object.fromEntries(pairs);
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}
