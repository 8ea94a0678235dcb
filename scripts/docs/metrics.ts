import { LABELS, METRICS, type MetricDefinition } from '../../src/control/metrics/names.ts';
import { code, page, table } from './markdown.ts';

export function metricsPage(): string {
  const all: readonly MetricDefinition[] = Object.values(METRICS);
  const rows = (type: MetricDefinition['type']): string =>
    table(
      ['Metric', 'Labels', 'Meaning'],
      all
        .filter((one) => one.type === type)
        .map(({ name, labels, help }) => [code(name), labels.map(code).join(', ') || '–', help]),
    );
  return page(
    'Metrics',
    `What ${code('/metrics')} gives, as text of Prometheus, to whoever is signed in or sends a token. Every server gives the same: the numbers come from the database. Beside these stand those of the one process that answers, ${code('process_…')} and ${code('nodejs_…')}.`,
    '## Counters',
    'They only grow: use `rate()`. Each worker counts by itself and hands over what it has counted with its heartbeat, every 3 seconds; what it counted after the last one is lost with a worker that is killed. Sums outlive workers, restarts and deleted runs. They end with the connector, begin under the new name where it gets another one, and go back only where a backup is restored.',
    rows('counter'),
    '## Gauges',
    'As it is now.',
    rows('gauge'),
    '## Labels',
    table(
      ['Label', 'Values'],
      Object.entries(LABELS).map(([name, words]) => [code(name), words]),
    ),
    'There are as many series as connectors times a few dozen; no run, job, object or person is a label.',
  );
}
