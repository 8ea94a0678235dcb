/** The document of the HTTP API. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiText } from '../../src/api/openapi.ts';

export function openApiPage(root: string): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return openApiText(version);
}
