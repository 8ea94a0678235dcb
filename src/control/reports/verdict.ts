/** What a report found out, in one word, kept with the run it is about: it outlives the file. */
import { sql } from 'kysely';
import type { Db, Tx } from '../world.ts';
import type { ValidationReport } from './report.ts';

/**
 * `clean`: both sides were compared, objects were read back where that can be, and nothing was found. `refuted`: something
 * is not as it must be; no later report of the same run takes that back. `open`: not everything could be looked at.
 */
export interface Verdict {
  readonly result: 'clean' | 'refuted' | 'open';
  readonly madeAt: string;
  /** Why it is not clean, in sentences; the first of them. */
  readonly findings: readonly string[];
}

const FINDINGS_MAX = 10;

export function verdictOf({ madeAt, findings, bothSides, comparedNow, readBack, settings }: ReportPart): Verdict {
  const isRefuted =
    ('missing' in bothSides && bothSides.missing + bothSides.different + bothSides.extra > 0) ||
    ('missing' in comparedNow && comparedNow.missing + comparedNow.different > 0) ||
    ('different' in readBack && readBack.missing + readBack.different > 0);
  const unseen = [
    ...('notCompared' in bothSides && !bothSides.isFault
      ? [`Source and target were not compared as they are now. ${bothSides.notCompared}`]
      : []),
    ...('sameWeak' in bothSides && bothSides.sameWeak > 0
      ? [`Of objects on both sides ${bothSides.sameWeak} could be compared by size alone.`]
      : []),
    // Where all versions are copied, the target shows only the newest of each object.
    ...('notReadBack' in readBack && !readBack.isFault && settings.versions !== 'all'
      ? [`Nothing was read back. ${readBack.notReadBack}`]
      : []),
  ];
  const why = [...findings, ...unseen];
  const result = isRefuted ? 'refuted' : why.length > 0 ? 'open' : 'clean';
  return { result, madeAt, findings: why.slice(0, FINDINGS_MAX) };
}

type ReportPart = Pick<ValidationReport, 'madeAt' | 'findings' | 'bothSides' | 'comparedNow' | 'readBack' | 'settings'>;

/** Before the report can be had: whoever has seen one that is not clean can rely on it. */
export async function keepVerdict(db: Db | Tx, runId: string, verdict: Verdict): Promise<void> {
  await db
    .updateTable('runs')
    .set({ report_verdict: JSON.stringify(verdict) })
    .where('id', '=', runId)
    .where(sql<boolean>`coalesce(report_verdict ->> 'result', '') <> 'refuted'`)
    .execute();
}
