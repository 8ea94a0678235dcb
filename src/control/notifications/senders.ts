/** How one message goes out: by webhook (signed) or by mail. */
import { createTransport } from 'nodemailer';
import { createHash, createHmac } from 'node:crypto';
import type { Transport } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import type { Json } from '../../model/json.ts';
import type { Settings } from '../settings/settings.ts';
import { wordsOf } from './words.ts';

export interface Message {
  /** Of the event: it stays the same however often the message is sent. */
  readonly id: string;
  readonly event: string;
  readonly at: string;
  readonly payload: Json;
}

/** The same for the same messages. A digest that is sent again with more in it is another one; its messages keep theirs. */
export function idOf(messages: readonly Message[]): string {
  const ids = messages.map(({ id }) => id);
  return ids.length === 1 ? ids.join() : createHash('sha256').update(ids.join(' ')).digest('hex').slice(0, 32);
}

const WEBHOOK_MS_MAX = 15_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const MAIL_MS_MAX = 15_000;

export interface WebhookReceiver {
  readonly destination: string;
  readonly signingSecret: string;
}

/**
 * POSTs the message as JSON. `x-drover-signature` is `sha256=` + HMAC-SHA-256 of timestamp, a dot and the body, with the
 * subscription's secret; `x-drover-timestamp` is when it is sent, so that a receiver can refuse old copies, and
 * `x-drover-event-id` stays the same when it is sent again, so that it can drop doubles. Anything but 2xx is a failure.
 */
export async function sendWebhook(
  transport: Transport,
  { destination, signingSecret }: WebhookReceiver,
  message: Message,
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(destination);
  const body = Buffer.from(JSON.stringify(message));
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signature = createHmac('sha256', signingSecret).update(`${timestamp}.`).update(body).digest('hex');
  const response = await transport.send({
    method: 'POST',
    origin: url.origin,
    path: url.pathname + url.search,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'drover',
      'x-drover-event': message.event,
      'x-drover-event-id': message.id,
      'x-drover-timestamp': timestamp,
      'x-drover-signature': `sha256=${signature}`,
    },
    body: { sizeBytes: body.length, content: body },
    operation: 'WEBHOOK',
    signal,
    idleMsMax: WEBHOOK_MS_MAX,
  });
  if (response.status >= 200 && response.status < 300) return response.discard();
  await response.bytes(ANSWER_BYTES_MAX).catch(() => undefined);
  throw new DroverError('UNAVAILABLE', `The receiver answered with status ${response.status}.`);
}

/** One mail in plain words. INVALID_INPUT when no mail server is set. */
export async function sendMail(
  settings: Pick<Settings, 'smtpUrl' | 'mailFrom' | 'publicUrl'>,
  destination: string,
  messages: readonly Message[],
  signal: AbortSignal,
): Promise<void> {
  if (settings.smtpUrl === null || settings.mailFrom === null) {
    throw new DroverError('INVALID_INPUT', 'No mail server is set, so mails cannot be sent.', {
      field: settings.smtpUrl === null ? 'smtpUrl' : 'mailFrom',
      remedy: 'Set DROVER_SMTP_URL and DROVER_MAIL_FROM for the server.',
    });
  }
  const mailer = createTransport(settings.smtpUrl, {
    connectionTimeout: MAIL_MS_MAX,
    greetingTimeout: MAIL_MS_MAX,
    socketTimeout: MAIL_MS_MAX,
    disableFileAccess: true,
    disableUrlAccess: true,
  } as object);
  const { subject, text } = wordsOf(messages, settings.publicUrl);
  const messageId = `<${idOf(messages)}@${settings.mailFrom.replace(/^.*@|[>\s]/g, '')}>`;
  const stopped = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new DroverError('TIMED_OUT', 'no end of it')), { once: true });
  });
  try {
    signal.throwIfAborted();
    await Promise.race([
      stopped,
      mailer.sendMail({ from: settings.mailFrom, to: destination, subject, text, messageId }),
    ]);
  } catch (cause) {
    // A mail server may repeat what it was given; only its code and our own words are kept.
    const { responseCode, code } = cause as { responseCode?: number; code?: string };
    throw new DroverError(
      'UNAVAILABLE',
      `The mail server did not take the mail (${responseCode ?? code ?? 'no answer'}).`,
      {
        cause,
      },
    );
  } finally {
    mailer.close();
  }
}
