/** What a service asks the database for, and how many rows each step of the answer meets. */
import { CompiledQuery, type CompiledQuery as Compiled } from 'kysely';
import type { TestWorld } from '../../src/control/testing.ts';
import type { Db } from '../../src/control/world.ts';

export interface Watched {
  /** The database of the world; everything asked through it is kept. */
  readonly db: Db;
  /** Steps that met more than this many rows in what that work asked. */
  heavySteps(work: () => Promise<unknown>, rowsMax: number): Promise<readonly string[]>;
}

export function watchQueries({ db }: Pick<TestWorld, 'db'>): Watched {
  const executor = db.getExecutor();
  let asked: Compiled[] = [];
  return {
    db: db.withPlugin({
      transformQuery: ({ node, queryId }) => {
        asked.push(executor.compileQuery(node, queryId));
        return node;
      },
      transformResult: async ({ result }) => result,
    }),
    async heavySteps(work, rowsMax) {
      asked = [];
      await work();
      const heavy: string[] = [];
      const queries = asked.filter(({ sql }) => /^\s*(select|with)\b/i.test(sql));
      for (const query of queries) {
        for (const [step, met] of await stepsOf(db, query)) if (met > rowsMax) heavy.push(`${step}: ${met} rows`);
      }
      return heavy;
    },
  };
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

async function stepsOf(db: Db, { sql, parameters }: Compiled): Promise<readonly (readonly [string, number])[]> {
  const explain = CompiledQuery.raw(`EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${sql}`, [...parameters]);
  const { rows } = await db.executeQuery<{ 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(explain);
  const steps: [string, number][] = [];
  const walk = (node: PlanNode): void => {
    const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
    const name = [node['Node Type'], node['Relation Name'], node['Index Name']].filter((word) => word !== undefined);
    steps.push([name.join(' '), Math.round((node['Actual Rows'] + removed) * node['Actual Loops'])]);
    node.Plans?.forEach(walk);
  };
  for (const row of rows) for (const { Plan } of row['QUERY PLAN']) walk(Plan);
  return steps;
}
