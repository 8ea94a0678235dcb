/** Every field explains itself, every mistake is named, and no secret ever comes out. */
import assert from 'node:assert/strict';
import { MASK, parseConfig, redact, secretValues, toJsonSchema, toMarkdown } from '../contract/config.ts';
import type { Field } from '../contract/fields.ts';
import type { CheckLine, Use } from '../contract/provider.ts';
import { DroverError, toFailure } from '../model/errors.ts';
import { bytesOf, EVERYTHING, listed, written } from './helpers.ts';
import type { Check, Trial } from './harness.ts';

const SUITE = 'config';

/** A value that cannot be right for the field; `undefined` where anything is. */
function wrongValue(field: Field): unknown {
  switch (field.type) {
    case 'choice':
      return 'none of the choices';
    case 'flag':
      return 'perhaps';
    case 'number':
      return 'a lot';
    case 'secret':
      return field.multiline === true ? 42 : 'two\nlines';
    case 'text':
      if (field.format === 'url') return 'not an address';
      return field.multiline === true ? 42 : 'two\nlines';
  }
}

function problemsOf(trial: Trial, input: object): ReadonlyMap<string, string> {
  const result = parseConfig(trial.harness.provider.account, input);
  return new Map((result.problems ?? []).map((problem) => [problem.field, problem.message]));
}

/** Nothing that is shown holds a secret. Very short ones would be found everywhere. */
function assertSecretless(trial: Trial, shown: unknown, what: string): void {
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown, (_name, value: unknown) => visible(value));
  for (const secret of secretValues(trial.harness.provider.account, trial.bench.config)) {
    if (secret.length < 6) continue;
    const escaped = JSON.stringify(secret).slice(1, -1);
    assert.ok(!text.includes(secret) && !text.includes(escaped), `${what} shows a secret`);
  }
}

/** Errors hide their message from JSON; here it counts. */
function visible(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return { ...value, message: value.message, stack: value.stack, cause: value.cause };
}

async function checkLines(trial: Trial, use: Use): Promise<CheckLine[]> {
  const lines: CheckLine[] = [];
  for await (const line of trial.account.check(trial.place, use, trial.signal)) lines.push(line);
  return lines;
}

export const CONFIG: readonly Check[] = [
  {
    suite: SUITE,
    name: 'every field has a label and a sentence of help; a condition hangs on a field that is there',
    async run({ harness }) {
      const fields = harness.provider.account;
      const unclear: string[] = [];
      for (const [name, field] of Object.entries(fields)) {
        assert.match(name, /^[a-z][A-Za-z0-9]*$/);
        if (field.label.trim().length < 2 || !/^[A-Z0-9"“(].{8,}[.!?]$/s.test(field.help.trim())) unclear.push(name);
        if (field.when !== undefined) {
          const controlling = fields[field.when.field];
          assert.ok(controlling !== undefined, `${name} hangs on ${field.when.field}, which is not there`);
          if (controlling.type === 'choice') {
            for (const value of field.when.in) {
              assert.ok(
                controlling.choices.some((choice) => choice.value === value),
                `${name}: no choice ${value}`,
              );
            }
          }
        }
        if (field.type === 'choice')
          assert.ok(
            field.choices.some((choice) => choice.value === field.default),
            name,
          );
        if (field.type === 'text' && field.pattern !== undefined) new RegExp(`^(?:${field.pattern})$`, 'u');
      }
      assert.deepEqual(unclear, [], 'fields without a label or without a whole sentence of help');
      assert.equal(toMarkdown(fields).trimEnd().split('\n').length, Object.keys(fields).length + 2);
      assert.deepEqual(Object.keys(toJsonSchema(fields)['properties'] as object), Object.keys(fields));
    },
  },

  {
    suite: SUITE,
    name: 'a good value is accepted, and comes out the same when parsed again',
    async run(trial) {
      const form = await trial.harness.config();
      assert.deepEqual([...problemsOf(trial, form)], []);
      const again = parseConfig(trial.harness.provider.account, trial.bench.config);
      assert.deepEqual('config' in again ? again.config : again.problems, trial.bench.config);
    },
  },

  {
    suite: SUITE,
    name: 'each missing, wrong or unknown field is named, in a sentence, and nothing else is',
    async run(trial) {
      const form = await trial.harness.config();
      const fields = trial.harness.provider.account;
      for (const [name, field] of Object.entries(fields)) {
        if (Object.hasOwn(form, name)) {
          const { [name]: _left, ...rest } = form;
          const missing = problemsOf(trial, rest);
          const mayBeEmpty =
            field.optional === true ||
            (field.type !== 'secret' && field.default !== undefined) ||
            field.when !== undefined;
          if (!mayBeEmpty) assert.ok(missing.has(name), `${name} is missing, but not named`);
          assert.ok(missing.size <= 1 || field.type === 'choice', `${name} is missing; named: ${[...missing.keys()]}`);
        }
        const wrong = wrongValue(field);
        if (wrong === undefined) continue;
        const problems = problemsOf(trial, { ...form, [name]: wrong });
        assert.ok(problems.has(name), `${name} is wrong, but not named`);
        assert.match(problems.get(name) as string, /^[A-Z].{8,}\.$/s, `${name}: no sentence`);
      }
      assert.deepEqual([...problemsOf(trial, { ...form, noSuchField: 'x' }).keys()], ['noSuchField']);
    },
  },

  {
    suite: SUITE,
    name: 'redaction keeps every secret',
    async run(trial) {
      const fields = trial.harness.provider.account;
      const shown = redact(fields, trial.bench.config);
      assertSecretless(trial, shown, 'the redacted config');
      for (const [name, field] of Object.entries(fields)) {
        if (field.type === 'secret' && Object.hasOwn(shown, name)) assert.equal(shown[name], MASK);
      }
      assertSecretless(trial, trial.account.fingerprint, 'the fingerprint');
      assertSecretless(trial, trial.manifest, 'the manifest');
    },
  },

  {
    suite: SUITE,
    name: 'check tells line by line what is allowed, and who is asking',
    async run(trial) {
      const { manifest } = trial;
      const use: Use = manifest.source === null ? 'write' : manifest.target === null ? 'read' : 'both';
      await trial.bench.seed('to-read', bytesOf('x'));
      const lines = await checkLines(trial, use);
      assert.ok(lines.length > 0, 'no lines');
      for (const line of lines) {
        assert.notEqual(line.result, 'refused', `${line.what} refused: ${line.message}`);
        assert.match(line.message, /^\S.{6,}$/s, `${line.what}: no sentence`);
      }
      for (const what of use === 'read' ? ['list'] : ['list', 'write']) {
        assert.ok(
          lines.some((line) => line.what === what),
          `no line about ${what}`,
        );
      }
      assert.deepEqual(await trial.bench.keys(), ['to-read'], 'check left something behind');
      assertSecretless(trial, lines, 'a line of check');
    },
  },

  {
    suite: SUITE,
    name: 'check of an absent container is told, not thrown',
    async run(trial) {
      const place = { container: trial.bench.absentContainer, prefix: '' };
      const lines: CheckLine[] = [];
      for await (const line of trial.account.check(place, 'read', trial.signal)) lines.push(line);
      assert.ok(
        lines.some((line) => line.result === 'refused' || line.result === 'warning'),
        'nothing was wrong',
      );
    },
  },

  {
    suite: SUITE,
    name: 'no secret in errors, check lines and logs, whatever goes wrong',
    async run(trial) {
      const shown: unknown[] = [];
      const attempt = async (work: () => Promise<unknown>): Promise<void> => {
        try {
          shown.push(await work());
        } catch (thrown) {
          shown.push(thrown, toFailure(thrown), thrown instanceof DroverError ? thrown.details : String(thrown));
        }
      };
      await trial.bench.seed('a', bytesOf('x'));
      for (const kind of trial.faults?.kinds ?? []) {
        if (kind === 'stall') continue;
        for (const nth of [1, 2]) {
          trial.faults?.arm(nth, kind);
          await attempt(() => checkLines(trial, 'both'));
          trial.faults?.arm(nth, kind);
          await attempt(async () => {
            if (trial.manifest.source === null) return;
            const source = await trial.source();
            await listed(source, EVERYTHING, trial.signal);
          });
          trial.faults?.arm(nth, kind);
          await attempt(async () => {
            if (trial.manifest.target === null) return;
            await written(await trial.target(), 'b', bytesOf('y'), trial.signal);
          });
        }
      }
      trial.faults?.disarm();
      const absent = { container: trial.bench.absentContainer, prefix: '' };
      await attempt(() => trial.account.source(absent, { versions: 'current' }, trial.signal));
      for (const each of shown) assertSecretless(trial, each ?? null, 'something that came out');
      for (const line of trial.bench.logged) assertSecretless(trial, line, 'a line of the log');
    },
  },
];
