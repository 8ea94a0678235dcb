import { negotiate } from '../../src/engine/negotiate.ts';
import type { Manifest, SourceTraits, TargetTraits } from '../../src/contract/provider.ts';
import type { Concession } from '../../src/engine/definition.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/model/policy.ts';
import { code, page, table } from './markdown.ts';
import { PROVIDERS } from './world.ts';

const PLAIN: Policy = { ...DEFAULT_POLICY, mode: 'mirror' };

/** What the engine itself would say before a run, for every pair of providers. */
export function concessionsPage(): string {
  const pairs = PROVIDERS.flatMap(({ manifest: from }) =>
    PROVIDERS.flatMap(({ manifest: to }) =>
      from.source === null || to.target === null
        ? []
        : [{ title: `${from.title} to ${to.title}`, rows: rowsOf(from, to, from.source, to.target) }],
    ),
  );
  return page(
    'Concessions',
    `What does not survive a transfer, or survives in a weaker form, for each pair of providers. Drover works this out before it begins and says it; a run records what was conceded. The tables hold for ${code('drover sync')} with its usual options and a target that was not observed yet. Once a target is observed, what it honors is no longer conceded, and what it ignores is said.`,
    ...pairs.flatMap(({ title, rows }) => [`## ${title}`, rows]),
  );
}

function rowsOf(from: Manifest, to: Manifest, source: SourceTraits, target: TargetTraits): string {
  const conceded: readonly Concession[] = negotiate({
    source,
    target,
    facts: null,
    policy: PLAIN,
    sourceTitle: from.title,
    targetTitle: to.title,
    sourceNames: from.target?.names ?? null,
  });
  if (conceded.length === 0) return 'Nothing is conceded.';
  return table(
    ['Aspect', 'What is conceded'],
    conceded.map(({ aspect, detail }) => [aspect, detail]),
  );
}
