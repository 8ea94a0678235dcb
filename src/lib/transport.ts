/**
 * The one narrow way to the network. Providers build requests and read answers; who carries them
 * (undici today, our own client or a simulated service tomorrow) is not their business.
 */

export interface HttpRequest {
  readonly method: string;
  /** Scheme, host and port: `https://bucket.s3.eu-central-1.amazonaws.com`. */
  readonly origin: string;
  /** Path and query exactly as they go on the wire: encoded by the caller and never normalised below it. */
  readonly path: string;
  /**
   * Lower-case names; values with one character per byte (Latin-1). `host` and `content-length` are set by the
   * transport (the latter from the body), `accept-encoding: identity` too unless it is given.
   */
  readonly headers: Readonly<Record<string, string>>;
  /** `null`: no body. A stream is consumed at most once, and closed (`return`) when the request ends early. */
  readonly body: RequestBody | null;
  /** Class of operation for counting, limiting and logs: `LIST`, `GET`, `HEAD`, `PUT`, `PART`, `DELETE`, … */
  readonly operation: string;
  readonly signal: AbortSignal;
  /** Longest silence in milliseconds before TIMED_OUT; omitted = the transport's default. */
  readonly idleMsMax?: number;
}

export interface RequestBody {
  readonly sizeBytes: number;
  /** Whole content, or chunks that add up to exactly `sizeBytes`; more or fewer fail with EXTRA_BYTES or EARLY_END. */
  readonly content: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names, repeated headers joined with `, `; values with one character per byte (Latin-1). */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The body as it comes, never decompressed. A chunk belongs to whoever received it. Leaving the loop early
   * releases the connection. Ends with EARLY_END when fewer bytes come than `content-length` said.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body; more than `bytesMax` fails with EXTRA_BYTES. */
  bytes(bytesMax: number): Promise<Uint8Array>;
  /** Reads a short rest so that the connection can be used again, or closes it. Safe to repeat. */
  discard(): Promise<void>;
}

/**
 * Fails only with DroverError: UNREACHABLE (no connection, name, TLS: the message says which), TIMED_OUT,
 * UNAVAILABLE (connection lost), CANCELLED (signal). Any HTTP status is an answer, not a failure.
 * Redirects are not followed.
 *
 * Nothing is retried, with one exception: a kept connection that the service had closed meanwhile costs one repeat on
 * a new connection, when no byte of an answer came, the body is null or a whole buffer, and the request cannot notice
 * its own earlier effect (GET, HEAD, PUT or DELETE, the latter two without `if-*` conditions). Otherwise UNAVAILABLE.
 *
 * A failure of the request's own body comes out as it is: the body's DroverError, INTERNAL for anything else. The last
 * chunk of a stream is held back until the stream has ended, so that a stream failing at its very end is never stored.
 */
export interface Transport {
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections. */
  close(): Promise<void>;
}

/** What one connector may say about its network; everything else comes from the process's settings. */
export interface NetworkSettings {
  /** PEM text of certificate authorities to trust in addition to the system's. */
  readonly caCertificate: string | null;
  /** Connections per origin at most. */
  readonly connectionsMax: number;
  /** `never`: straight to the address, for services of the machine itself, which no proxy could reach. */
  readonly proxy?: 'never';
  /**
   * Looks at every address before it is connected to: `host` as it was asked for, `address` as the name was resolved
   * (or the same, where the host is an address, or a proxy resolves it). What it throws is how the request fails.
   */
  readonly checkAddress?: (host: string, address: string) => void;
}

export type OpenTransport = (settings: NetworkSettings) => Transport;
