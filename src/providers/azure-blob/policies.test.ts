import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { PolicyRequest } from '../../contract/provider.ts';
import type { SignIn } from './credentials.ts';
import { azurePolicies } from './policies.ts';

const SIGN_IN = { accountName: 'contosodata' } as SignIn;
const ODD = ['$web', 'a"; echo run; "', '$(echo run)', '`echo run`', '\\', '\\"$(echo run)'];

const REQUEST: PolicyRequest = {
  kind: 'iam',
  use: 'both',
  containers: ODD,
  withTags: false,
  withRestore: false,
  withVersions: false,
  sourceAddresses: ['$(echo run)'],
  vpcEndpoints: [],
  trustedPrincipal: '`echo run`',
  externalId: null,
  tags: {},
};

/** What a shell makes of the words of each command; nothing but `az` and `date` may be called. */
function wordsOf(text: string): string[] {
  const script = `PATH=/nowhere\naz() { printf '%s\\n' "$@"; }\ndate() { printf now; }\necho() { printf EXECUTED; }\n${text}`;
  return execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\n');
}

test('what a shell is given are the names themselves, whatever they hold', () => {
  const words = azurePolicies(SIGN_IN, REQUEST).flatMap(({ text }) => wordsOf(text));
  for (const container of ODD) {
    expect(words.filter((word) => word.endsWith(`/containers/${container}`))).toHaveLength(1);
    expect(words).toContain(container);
  }
  expect(words).toContain('`echo run`');
  expect(words.join(' ')).not.toContain('EXECUTED');
});
