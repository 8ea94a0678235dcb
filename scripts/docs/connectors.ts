import { toMarkdown } from '../../src/contract/config.ts';
import { code, page } from './markdown.ts';
import { PROVIDERS } from './world.ts';

export function connectorsPage(): string {
  return page(
    'Connectors',
    `A connector is an authorized account under a name. It is saved with ${code('drover connector add PROVIDER NAME')}, or described by environment variables, which beat saved ones: ${code('DROVER_CONNECTOR_<NAME>_PROVIDER')} names the provider, and one variable gives each field. ${code('<NAME>')} is the name of the connector in upper case, with ${code('_')} for ${code('-')}.`,
    ...PROVIDERS.flatMap(({ manifest, account }) => [
      `## ${manifest.title}`,
      `${manifest.summary} Provider: ${code(manifest.id)}.`,
      toMarkdown(account, 'DROVER_CONNECTOR_<NAME>_'),
    ]),
  );
}
