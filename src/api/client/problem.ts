/** Answers that say no, as errors of ours. */
import { DroverError, ERRORS, type ErrorCode } from '../../model/errors.ts';
import type { components } from './types.ts';

type Problem = components['schemas']['Problem'];

/** What the server said about a request; `errors` names every member that is wrong. */
export class ServerProblem extends DroverError {
  readonly status: number;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
  readonly requestId: string | null;
  /** What was found before a start that was refused. */
  readonly preflight: components['schemas']['Preflight'] | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      status: number;
      requestId: string | null;
      errors?: ServerProblem['errors'];
      field?: string | null;
      remedy?: string | null;
      retryAfterMs?: number | null;
      details?: Readonly<Record<string, string | number>> | null;
      preflight?: ServerProblem['preflight'] | undefined;
    },
  ) {
    super(code, message, options);
    this.status = options.status;
    this.requestId = options.requestId;
    this.errors = options.errors ?? [];
    this.preflight = options.preflight ?? null;
  }
}

/** Reads the body. Whatever else answers at that address (a proxy, another program) becomes UNAVAILABLE or UNREACHABLE. */
export async function problemOfAnswer(answer: Response): Promise<ServerProblem> {
  const { status } = answer;
  const text = await answer.text().catch(() => '');
  const problem = parseProblem(text);
  if (problem !== null) return serverProblem(problem, answer);
  const requestId = answer.headers.get('x-request-id');
  return new ServerProblem(
    status >= 500 ? 'UNAVAILABLE' : 'UNREACHABLE',
    `The server answered ${status}, and not as Drover does.`,
    { status, requestId, remedy: 'Check the address of the server, and what stands in front of it.' },
  );
}

export function serverProblem(problem: Problem, answer: Pick<Response, 'headers'> | null): ServerProblem {
  const { code, detail, status, field, remedy, errors, details, requestId, preflight } = problem;
  const known = Object.hasOwn(ERRORS, code) ? code : 'INTERNAL';
  return new ServerProblem(known, detail, {
    status,
    requestId,
    errors,
    field,
    remedy,
    details: details ?? null,
    preflight,
    retryAfterMs: retryAfterMs(answer?.headers.get('retry-after') ?? null),
  });
}

function parseProblem(text: string): Problem | null {
  try {
    const value = JSON.parse(text) as Partial<Problem> | null;
    return typeof value?.code === 'string' && typeof value.detail === 'string' ? (value as Problem) : null;
  } catch {
    return null;
  }
}

function retryAfterMs(header: string | null): number | null {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds * 1_000 : null;
}

/** A connection that could not be made, or that broke. */
export function connectionError(thrown: unknown, url: string): DroverError {
  if (thrown instanceof DroverError) return thrown;
  const error = thrown as Error & { cause?: { code?: string; message?: string } };
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return new DroverError('CANCELLED', 'The request was stopped.', { cause: thrown });
  }
  const reason = error.cause?.code ?? error.cause?.message ?? error.message;
  return new DroverError('UNREACHABLE', `Drover does not answer at ${url} (${reason}).`, {
    cause: thrown,
    remedy: 'Check that the server runs ("drover serve"), and its address.',
  });
}
