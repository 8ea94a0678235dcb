/** Variables that were meant for a connector, and change nothing: said once, with the reason, and without their value. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { environmentMistakes } from '../../src/cli/environment-mistakes.ts';
import { local } from '../../src/providers/local/provider.ts';
import { memory } from '../../src/providers/memory/provider.ts';
import { s3 } from '../../src/providers/s3/provider.ts';
import { openTestWorld, type TestWorld } from './world.ts';

const PROVIDERS = [memory, local, s3];
const GOOD = { DROVER_CONNECTOR_GOOD_PROVIDER: 's3', DROVER_CONNECTOR_GOOD_ACCESS_KEY_ID: 'AKIAEXAMPLE' };
const mistakes = (more: Record<string, string>, saved: readonly string[] = []) =>
  environmentMistakes({ ...GOOD, ...more }, PROVIDERS, saved);

describe('is said', () => {
  test.each([
    ['one letter', { X_PROVIDER: 's3', X_BUCKET: 'b' }, ['"X" is no name of a connector']],
    ['a digit first', { '1A_PROVIDER': 's3' }, ['"1A" is no name of a connector']],
    ['small letters', { acme_PROVIDER: 's3', acme_BUCKET: 'b' }, ['capitals, DROVER_CONNECTOR_ACME_PROVIDER']],
    ['a field in small letters', { GOOD_bucket: 'b' }, ['no such field']],
    [
      'no such provider',
      { ACME_PROVIDER: 's4', ACME_BUCKET: 'b' },
      ['it names no provider. Drover knows memory, local, s3'],
    ],
    ['no provider at all', { ACME_BUCKET: 'b' }, ['ends with _PROVIDER']],
    ['no such field', { GOOD_ACCESS_KEY: 'never shown' }, ['Did you mean DROVER_CONNECTOR_GOOD_ACCESS_KEY_ID?']],
    ['of two names the longer one', { GOOD_TWO_PROVIDER: 'memory', GOOD_TWO_STOR: 'a' }, ['GOOD_TWO_STORE?']],
  ])('%s', (_, more, expected) => {
    const named = Object.fromEntries(Object.entries(more).map(([name, value]) => [`DROVER_CONNECTOR_${name}`, value]));
    const sentences = mistakes(named);
    expect(sentences).toHaveLength(expected.length);
    for (const [at, text] of expected.entries()) {
      expect(sentences[at]).toContain(text);
      expect(sentences[at]).toMatch(/^DROVER_CONNECTOR_\S+ is not used: /);
      expect(sentences[at]).not.toContain('never shown');
    }
  });
});

describe('is not said', () => {
  test.each([
    ['all is understood', {}, []],
    ['a name in a name', { GOOD_TWO_PROVIDER: 'memory', GOOD_TWO_STORE: 'a' }, []],
    ['capitals do not matter in the id', { ACME_PROVIDER: 'S3' }, []],
    ['empty is not set', { ACME_PROVIDER: '', X_PROVIDER: '' }, []],
    ['a field waits for "connector add"', { OLD_ONE_SECRET_ACCESS_KEY: 'x' }, ['Old-One']],
  ])('%s', (_, more, saved) => {
    const named = Object.fromEntries(Object.entries(more).map(([name, value]) => [`DROVER_CONNECTOR_${name}`, value]));
    expect(mistakes(named, saved)).toEqual([]);
  });

  test('what belongs to something else', () => {
    expect(mistakes({ DROVER_STATE: '/x', DROVER_CONNECTORS: 'x', AWS_PROFILE: 'x' })).toEqual([]);
  });
});

describe('on the command line', () => {
  let world: TestWorld;
  beforeEach(() => {
    world = openTestWorld();
  });
  afterEach(() => world.remove());

  test('a place of such a name is a path, and the person learns why', async () => {
    world.environment = { DROVER_CONNECTOR_X_PROVIDER: 'memory', DROVER_CONNECTOR_X_STORE: 'x' };
    const called = await world.call('ls', 'x:bucket');
    expect(called.exit).not.toBe(0);
    expect(called.stderr.match(/The variable DROVER_CONNECTOR_X_PROVIDER is not used: "X" is no name/g)).toHaveLength(
      1,
    );
    const listed = await world.call('connector', 'list');
    expect(listed).toMatchObject({
      exit: 0,
      stdout: 'No connectors yet. Add one with "drover connector add s3 NAME".\n',
    });
    expect(listed.stderr).toContain('DROVER_CONNECTOR_X_PROVIDER');
  });

  test('both ends of a copy say it once', async () => {
    world.environment = { DROVER_CONNECTOR_MEM_PROVIDER: 'memory', DROVER_CONNECTOR_MEM_STOR: 'x' };
    const called = await world.call('copy', 'mem:a', 'mem:b');
    expect(called.stderr.match(/DROVER_CONNECTOR_MEM_STOR is not used/g)).toHaveLength(1);
    expect(called.stderr).toContain('Did you mean DROVER_CONNECTOR_MEM_STORE?');
  });
});
