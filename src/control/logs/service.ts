/** What can be looked up about runs and changes: failed items, run log, audit log. */
import { sql } from 'kysely';
import type { Json } from '../../model/json.ts';
import { explanationOf } from '../../model/reasons.ts';
import { storageMoverCodeOf, storageMoverLineCodes } from '../../model/storage-mover-codes.ts';
import { ZERO_COUNTERS, type Counters, type ItemRecord } from '../../model/outcome.ts';
import type { Actor, AuditLine, RunItem, RunLogLine } from '../entities.ts';
import { FILTERS } from '../filters.ts';
import { filtersOf, listPage, type Listing } from '../paging.ts';
import { demand } from '../people/roles.ts';
import { found, isoOf, isUuid } from '../rows.ts';
import { searchable } from '../runs/store-rows.ts';
import { ISSUES_KEPT_MAX } from '../runs/store-issues.ts';
import type { Logs } from '../services.ts';
import { asFile, AUDIT_LOG, RUN_LOG } from './files.ts';
import type { ControlWorld, Db } from '../world.ts';

const RUNS_KNOWN_MAX = 1_000;
/** The sum over all runs of a week is asked for by every first page that is opened. */
const CODES_FRESH_MS = 30_000;

export function openLogs(world: ControlWorld): Logs {
  const { db, bus, clock } = world;
  const completeness = new Completeness(db);
  let weekly: { readonly atMs: number; readonly codes: ReturnType<Logs['codes']> } | null = null;
  const logs: Logs = {
    async items(actor, runId, query) {
      demand(actor, 'read');
      const run = await runRow(db, runId);
      const { search = '', ...rest } = query;
      let base = db.selectFrom('run_items').selectAll().where('run_id', '=', runId);
      // Keys stand there in lower case: matching without case would cost three times as much.
      for (const word of search.split(/\s+/).filter((one) => one !== '')) {
        base = base.where('key_text', 'like', `%${searchable(word).replaceAll(/[\\%_]/g, '\\$&')}%`);
      }
      const page = await listPage(db, base, { ...ITEMS, query: rest });
      return { ...page, items: page.items.map(itemOf), complete: await completeness.of(runId, run) };
    },
    async codes(actor, runId) {
      demand(actor, 'read');
      if (runId !== null) {
        await runRow(db, runId);
        return sumByCode(db, runId, 0, clock.now());
      }
      const nowMs = clock.now();
      if (weekly === null || nowMs - weekly.atMs > CODES_FRESH_MS) {
        weekly = { atMs: nowMs, codes: sumByCode(db, null, nowMs - 7 * 86_400_000, nowMs) };
        weekly.codes.catch(() => (weekly = null));
      }
      return weekly.codes;
    },
    async lines(actor, runId, query) {
      demand(actor, 'read');
      await runRow(db, runId);
      const base = db.selectFrom('run_log').selectAll().where('run_id', '=', runId);
      const page = await listPage(db, base, { ...LINES, query });
      return { ...page, items: page.items.map(lineOf) };
    },
    async audit(actor, query) {
      demand(actor, 'audit');
      const page = await listPage(db, db.selectFrom('audit').selectAll(), { ...AUDIT, query });
      return { ...page, items: page.items.map(auditOf) };
    },
    linesFile: (actor, runId, format, query) =>
      asFile((page) => logs.lines(actor, runId, page), query, format, RUN_LOG),
    auditFile: (actor, format, query) => asFile((page) => logs.audit(actor, page), query, format, AUDIT_LOG),
    async append(runId, { level, code, message }) {
      const at = new Date(clock.now());
      await db.insertInto('run_log').values({ run_id: runId, at, level, code, message }).execute();
      await bus.tell('run-log', runId);
    },
  };
  return logs;
}

/** `runId` null: of all runs since then. */
async function sumByCode(db: Db, runId: string | null, sinceMs: number, nowMs: number): ReturnType<Logs['codes']> {
  const rows = await db
    .selectFrom('run_items')
    .select(['code', 'result', sql<string>`count(*)`.as('items')])
    .$if(runId !== null, (query) => query.where('run_id', '=', runId as string))
    .$if(runId === null, (query) =>
      query.where('run_id', 'in', (recent) =>
        recent.selectFrom('runs').select('id').where('queued_at', '>=', new Date(sinceMs)),
      ),
    )
    .groupBy(['code', 'result'])
    .orderBy('items', 'desc')
    .limit(100)
    .execute();
  const codes = rows.map(({ code, result, items }) => {
    return { code, result, items: Number(items), remedy: explanationOf(code).remedy };
  });
  return { asOf: new Date(nowMs).toISOString(), codes };
}

async function runRow(db: Db, runId: string) {
  const row = await db
    .selectFrom('runs')
    .select(['id', 'counters', 'logs_expired'])
    .where('id', '=', runId)
    .executeTakeFirst();
  return found(row, 'run', runId);
}

interface RunSums {
  readonly counters: unknown;
  readonly logs_expired: boolean;
}

/** Whether all issues of a run can be searched: counted once for each state of its sums. */
class Completeness {
  readonly #db: Db;
  readonly #known = new Map<string, { readonly issues: number; readonly isComplete: boolean }>();

  constructor(db: Db) {
    this.#db = db;
  }

  async of(runId: string, run: RunSums): Promise<boolean> {
    const { items, deletesFailed } = { ...ZERO_COUNTERS, ...(run.counters as Partial<Counters>) };
    const issues = items.failed + items.unsupported + deletesFailed;
    if (issues === 0) return true;
    if (run.logs_expired || issues > ISSUES_KEPT_MAX) return false;
    const known = this.#known.get(runId);
    if (known?.issues === issues) return known.isComplete;
    // Not by the sums alone: a segment that was listed anew may have left room for what was not kept before.
    const kept = await this.#db
      .selectFrom('run_items')
      .select(sql<string>`count(*)`.as('rows'))
      .where('run_id', '=', runId)
      .executeTakeFirstOrThrow();
    const isComplete = Number(kept.rows) >= issues;
    if (this.#known.size >= RUNS_KNOWN_MAX) this.#known.clear();
    this.#known.set(runId, { issues, isComplete });
    return isComplete;
  }
}

interface ItemRow {
  readonly number: number;
  readonly record: string;
}

function itemOf(row: ItemRow): RunItem {
  const record = JSON.parse(row.record) as ItemRecord;
  return { ...record, storageMoverCode: storageMoverCodeOf(record), number: Number(row.number) };
}

function lineOf(row: { number: number; at: Date; level: string; code: string | null; message: string }): RunLogLine {
  return {
    number: Number(row.number),
    at: isoOf(row.at),
    level: row.level as RunLogLine['level'],
    code: row.code,
    message: row.message,
    storageMoverCodes: storageMoverLineCodes(row.level as RunLogLine['level'], row.code),
  };
}

interface AuditRow {
  readonly number: number;
  readonly at: Date;
  readonly actor_kind: string;
  readonly actor_name: string;
  readonly person_id: string | null;
  readonly address: string | null;
  readonly action: string;
  readonly entity_kind: string;
  readonly entity_id: string | null;
  readonly entity_name: string | null;
  readonly changes: unknown;
}

function auditOf(row: AuditRow): AuditLine {
  return {
    number: Number(row.number),
    at: isoOf(row.at),
    actorKind: row.actor_kind as Actor['kind'],
    actorName: row.actor_name,
    personId: row.person_id,
    address: row.address,
    action: row.action,
    entityKind: row.entity_kind,
    entityId: row.entity_id,
    entityName: row.entity_name,
    changes: row.changes as Json,
  };
}

const ITEMS: Omit<Listing<ItemRow>, 'query'> = {
  sorts: {
    number: { sql: 'run_items.number', type: 'bigint' },
    size: { sql: 'run_items.size_bytes', type: 'bigint' },
    key: { sql: 'left(run_items.key_text, 200)', type: 'text' },
  },
  defaultSort: 'number',
  id: { sql: 'run_items.number', type: 'bigint' },
  ...filtersOf(FILTERS.items, {
    result: (values) => sql<boolean>`run_items.result = ANY(${values})`,
    code: (values) => sql<boolean>`run_items.code = ANY(${values})`,
  }),
  searched: null,
  idOf: (row) => String(row.number),
};

const LINES: Omit<Listing<Parameters<typeof lineOf>[0]>, 'query'> = {
  sorts: { number: { sql: 'run_log.number', type: 'bigint' } },
  defaultSort: 'number',
  id: { sql: 'run_log.number', type: 'bigint' },
  ...filtersOf(FILTERS.lines, { level: (values) => sql<boolean>`run_log.level = ANY(${values})` }),
  searched: 'run_log.message',
  idOf: (row) => String(row.number),
};

const AUDIT: Omit<Listing<AuditRow>, 'query'> = {
  sorts: { number: { sql: 'audit.number', type: 'bigint' } },
  defaultSort: '-number',
  id: { sql: 'audit.number', type: 'bigint' },
  ...filtersOf(FILTERS.audit, {
    action: (values) => sql<boolean>`audit.action = ANY(${values})`,
    entityKind: (values) => sql<boolean>`audit.entity_kind = ANY(${values})`,
    entityId: (values) => sql<boolean>`audit.entity_id = ANY(${values})`,
    personId: (values) => sql<boolean>`audit.person_id = ANY(${values.filter(isUuid)}::uuid[])`,
  }),
  searched: "coalesce(audit.entity_name, '') || ' ' || audit.actor_name || ' ' || audit.action",
  idOf: (row) => String(row.number),
};
