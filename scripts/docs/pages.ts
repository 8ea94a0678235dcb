/** All pages of the reference, made in memory: `npm run docs` writes them, a test compares them. */
import { join } from 'node:path';
import { commandsPage } from './commands.ts';
import { concessionsPage } from './concessions.ts';
import { connectorsPage } from './connectors.ts';
import { errorsPage } from './errors.ts';
import { exitCodesPage } from './exit-codes.ts';
import { itemCodesPage } from './item-codes.ts';
import { jsonOutputPage } from './json-output.ts';
import { limitsPage } from './limits.ts';
import { metricsPage } from './metrics.ts';
import { openApiPage } from './openapi.ts';
import { page } from './markdown.ts';
import { providersPage } from './providers.ts';
import { runLogCodesPage } from './run-log-codes.ts';
import { settingsPage } from './settings.ts';

export const REFERENCE_FOLDER = join('docs', 'reference');

/** File name → text. */
export function buildPages(root: string): ReadonlyMap<string, string> {
  return new Map([
    ['commands.md', commandsPage()],
    ['concessions.md', concessionsPage()],
    ['connectors.md', connectorsPage()],
    ['errors.md', errorsPage()],
    ['exit-codes.md', exitCodesPage()],
    ['item-codes.md', itemCodesPage()],
    ['json-output.md', jsonOutputPage()],
    ['limits.md', limitsPage(root)],
    ['metrics.md', metricsPage()],
    ['openapi.json', openApiPage(root)],
    ['providers.md', providersPage(root)],
    ['run-log-codes.md', runLogCodesPage()],
    ['settings.md', settingsPage()],
    ['README.md', indexPage()],
  ]);
}

function indexPage(): string {
  return page(
    'Reference',
    'Made from the code by `npm run docs`; a test fails when it is out of date.',
    [
      '- [Commands](commands.md): every command, argument and option',
      '- [Connectors](connectors.md): the fields of each provider, and their environment variables',
      '- [Providers](providers.md): what each can do, and how that was observed',
      '- [Concessions](concessions.md): what does not survive between two providers',
      '- [Error codes](errors.md): what each means and what to do',
      '- [Item codes](item-codes.md): why each item ended as it did, and what to do',
      '- [Codes of run logs](run-log-codes.md): what a server writes down about a run',
      '- [Exit codes](exit-codes.md): for scripts',
      '- [JSON output](json-output.md): for programs',
      '- [HTTP API](openapi.json): every route, as an OpenAPI 3.1 document',
      '- [Settings](settings.md): of the server and its workers, in file, environment and flags',
      '- [Metrics](metrics.md): what `/metrics` gives',
      '- [Limits](limits.md): every bound of the engine',
    ].join('\n'),
  );
}
