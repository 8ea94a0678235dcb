/** Checks of connectors: streamed line by line, and kept with those that are saved. */
import { MASK, secretValues } from '../../contract/config.ts';
import type { Config } from '../../contract/fields.ts';
import type { CheckLine, Place, Provider, Use } from '../../contract/provider.ts';
import type { DroverError } from '../../model/errors.ts';
import { makeAudit } from '../audit.ts';
import type { Actor } from '../entities.ts';
import type { ControlWorld } from '../world.ts';
import { failureOf, judge, unconfirmed, type Verdict } from './check.ts';
import { tellAttention } from './health.ts';
import { KEEP_NOTHING, openAccount, readSaved } from './open.ts';

export interface Asked {
  readonly place: Place | null;
  readonly use: Use;
}

/** Lines as they are known; the verdict at the end. Throws what keeps the account from being opened at all. */
export async function* streamCheck(
  world: ControlWorld,
  provider: Provider,
  config: Config,
  { place, use }: Asked,
  signal: AbortSignal,
): AsyncGenerator<CheckLine, Verdict> {
  const options = { openTransport: world.openTransport, saveAccount: KEEP_NOTHING };
  const { account, guard } = await openAccount(world, provider, config, options);
  await using opened = account;
  const hidden = secretValues(provider.account, config);
  const lines: CheckLine[] = [];
  for await (const line of opened.check(place, use, signal)) {
    const shown = withoutSecrets(line, hidden);
    lines.push(shown);
    yield shown;
  }
  const refused = guard.refused();
  if (refused !== null) yield lineOf(refused);
  const verdict = judge(lines, guard);
  // At one place everything may be denied; of the account as a whole something is known to whoever is signed in.
  if (place !== null || verdict.isConfirmed || verdict.refusal !== null) return verdict;
  return { ...verdict, refusal: unconfirmed(provider, config) };
}

export async function collectCheck(
  check: AsyncGenerator<CheckLine, Verdict>,
): Promise<{ readonly lines: readonly CheckLine[]; readonly verdict: Verdict }> {
  const lines: CheckLine[] = [];
  for (;;) {
    const step = await check.next();
    if (step.done === true) return { lines, verdict: step.value };
    lines.push(step.value);
  }
}

/** Permission by permission; what came out is kept, unless whoever listens leaves early. */
export async function* testSaved(
  world: ControlWorld,
  actor: Actor,
  id: string,
  asked: Asked,
  signal: AbortSignal,
): AsyncGenerator<CheckLine> {
  const { provider, config, version } = await readSaved(world, world.db, id);
  const check = streamCheck(world, provider, config, asked, signal);
  const lines: CheckLine[] = [];
  for (;;) {
    const step = await check.next();
    if (step.done === true) {
      await keepCheck(world, actor, { id, version, place: asked.place }, lines, step.value);
      return;
    }
    lines.push(step.value);
    yield step.value;
  }
}

/**
 * Nothing of it is kept where the connector was authorized anew meanwhile: it has seen what is used no more. That it was
 * made stands in the audit log all the same.
 */
async function keepCheck(
  world: ControlWorld,
  actor: Actor,
  { id, version, place }: { readonly id: string; readonly version: number; readonly place: Place | null },
  lines: readonly CheckLine[],
  { refusal, actingAs }: Verdict,
): Promise<void> {
  const { db, bus, clock } = world;
  const audit = makeAudit(clock);
  await db.transaction().execute(async (tx) => {
    const before = await tx
      .selectFrom('connectors')
      .select(['id', 'name', 'provider', 'health'])
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (before === undefined) return;
    const kept = await tx
      .updateTable('connectors')
      .set({
        health: refusal === null ? 'healthy' : 'needs-attention',
        health_reason: refusal === null ? null : JSON.stringify(failureOf(refusal)),
        checked_at: new Date(clock.now()),
        check_lines: JSON.stringify(lines),
        check_place: place === null ? null : JSON.stringify(place),
        ...(actingAs === null ? {} : { signed_in_as: actingAs }),
      })
      .where('id', '=', id)
      .where('version', '=', version)
      .returning('id')
      .executeTakeFirst();
    const line = { action: 'connector.test', entityKind: 'connector', entityId: id, entityName: before.name };
    await audit(tx, actor, { ...line, ...refusedOf(lines, refusal) });
    if (kept === undefined) return;
    if (refusal !== null && before.health !== 'needs-attention') {
      await tellAttention(world, tx, before, failureOf(refusal));
    }
    await bus.tell('connector', id, tx);
  });
}

/** What was refused, by permission; of a check that found nothing wrong there is nothing to say. */
function refusedOf(
  lines: readonly CheckLine[],
  refusal: DroverError | null,
): { readonly changes?: Readonly<Record<string, readonly [null, unknown]>> } {
  const refused = lines.filter(({ result }) => result === 'refused').map(({ what, message }) => ({ what, message }));
  const isSaid = refusal === null || refused.some(({ message }) => message === refusal.message);
  const all = isSaid ? refused : [{ what: 'account', message: refusal.message }, ...refused];
  return all.length === 0 ? {} : { changes: { refused: [null, all] } };
}

/** No provider should repeat a secret; if one does, nobody sees it. */
function withoutSecrets(line: CheckLine, hidden: readonly string[]): CheckLine {
  const clean = (text: string): string =>
    hidden.reduce((rest, value) => (value.length < 4 ? rest : rest.replaceAll(value, MASK)), text);
  return { ...line, message: clean(line.message), remedy: line.remedy === null ? null : clean(line.remedy) };
}

function lineOf(error: DroverError): CheckLine {
  const { message, field, remedy } = error;
  return { what: 'network', result: 'refused', message, field, remedy };
}
