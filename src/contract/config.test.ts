/** Whatever derives from a description of fields, against one description that uses every feature, and by properties. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  environmentNames,
  fromEnvironment,
  MASK,
  parseConfig,
  questions,
  redact,
  secretValues,
  splitSecrets,
  toJsonSchema,
  toMarkdown,
} from './config.ts';
import type { Config, Fields } from './fields.ts';

const FIELDS = {
  signIn: {
    type: 'choice',
    label: 'Sign in with',
    help: 'How to sign in.',
    default: 'key',
    choices: [
      { value: 'key', label: 'Access key' },
      { value: 'role', label: 'IAM role' },
    ],
  },
  accessKeyId: {
    type: 'text',
    label: 'Access Key ID',
    help: 'Begins with AKIA.',
    pattern: '[A-Z0-9]+',
    lengthMin: 4,
    lengthMax: 20,
    example: 'AKIAEXAMPLE',
    when: { field: 'signIn', in: ['key'] },
  },
  secretAccessKey: {
    type: 'secret',
    label: 'Secret Access Key',
    help: 'Shown once by the provider.',
    when: { field: 'signIn', in: ['key'] },
  },
  roleArn: { type: 'text', label: 'Role ARN', help: 'The role.', when: { field: 'signIn', in: ['role'] } },
  endpoint: { type: 'text', format: 'url', label: 'Endpoint', help: 'Where | it is.', optional: true },
  caCertificate: { type: 'text', multiline: true, label: 'CA certificate', help: 'PEM.', optional: true },
  token: { type: 'secret', multiline: true, label: 'Token', help: 'A token.', optional: true },
  pathStyle: { type: 'flag', label: 'Path style', help: 'For older stores.', default: false },
  bucket: {
    type: 'text',
    label: 'Restrict to bucket',
    help: 'Only this one.',
    optional: true,
    environmentName: 'ONLY_BUCKET',
  },
  downloadThreads: { type: 'number', label: 'Download threads', help: 'At once.', min: 1, max: 64, default: 8 },
  share: { type: 'number', label: 'Share', help: 'Of all.', min: 0, max: 0.5, optional: true },
} as const satisfies Fields;

const GOOD = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG' };

function configOf(fields: Fields, input: unknown): Config | undefined {
  const result = parseConfig(fields, input);
  return 'config' in result ? result.config : undefined;
}

function problemsOf(input: unknown, fields: Fields = FIELDS): Record<string, string> {
  const result = parseConfig(fields, input);
  const problems = result.problems ?? [];
  return Object.fromEntries(problems.map((problem) => [problem.field, problem.message]));
}

describe('parseConfig', () => {
  test('fills in defaults, trims, and reads texts from the environment', () => {
    const input = {
      accessKeyId: '  AKIAEXAMPLE ',
      secretAccessKey: 's3cret\n',
      endpoint: '',
      bucket: null,
      pathStyle: 'YES',
      downloadThreads: ' 12 ',
      signIn: 'KEY',
    };
    expect(configOf(FIELDS, input)).toEqual({
      signIn: 'key',
      accessKeyId: 'AKIAEXAMPLE',
      secretAccessKey: 's3cret',
      pathStyle: true,
      downloadThreads: 12,
    });
  });

  test.each([
    ['true', true],
    ['1', true],
    ['Yes', true],
    [1, true],
    [true, true],
    ['false', false],
    ['0', false],
    ['no', false],
    [0, false],
    ['', false],
  ])('a flag given as %j is %j', (given, value) => {
    expect(configOf(FIELDS, { ...GOOD, pathStyle: given })?.['pathStyle']).toBe(value);
  });

  test.each([
    ['missing text', { ...GOOD, accessKeyId: ' ' }, 'accessKeyId', 'Fill in Access Key ID'],
    ['missing secret', { ...GOOD, secretAccessKey: '' }, 'secretAccessKey', 'Fill in Secret Access Key'],
    ['unknown', { ...GOOD, secretKey: 'x' }, 'secretKey', 'use one of: signIn, accessKeyId'],
    ['inherited name', JSON.parse('{"__proto__":1,"accessKeyId":"AKIA","secretAccessKey":"x"}'), '__proto__', 'remove'],
    ['too short', { ...GOOD, accessKeyId: 'AKI' }, 'accessKeyId', 'at least 4 characters'],
    ['too long', { ...GOOD, accessKeyId: 'A'.repeat(21) }, 'accessKeyId', 'at most 20 characters'],
    ['pattern only inside', { ...GOOD, accessKeyId: 'AKIAé' }, 'accessKeyId', 'An example: AKIAEXAMPLE'],
    ['pattern on one of two lines', { ...GOOD, accessKeyId: 'AKIA\nx' }, 'accessKeyId', 'single line'],
    ['line break in a secret', { ...GOOD, secretAccessKey: 'a\r\nb' }, 'secretAccessKey', 'single line'],
    ['not a text', { ...GOOD, accessKeyId: 123456 }, 'accessKeyId', 'as text'],
    ['not an address', { ...GOOD, endpoint: 's3.example.com' }, 'endpoint', 'https://'],
    ['other scheme', { ...GOOD, endpoint: 'ftp://example.com' }, 'endpoint', 'https://'],
    ['address with credentials', { ...GOOD, endpoint: 'https://me:pw@example.com' }, 'endpoint', 'password'],
    ['choice', { ...GOOD, signIn: 'password' }, 'signIn', 'key, role'],
    ['flag', { ...GOOD, pathStyle: 'maybe' }, 'pathStyle', 'true or false'],
    ['number in words', { ...GOOD, downloadThreads: 'many' }, 'downloadThreads', 'from 1 to 64'],
    ['number in hex', { ...GOOD, downloadThreads: '0x10' }, 'downloadThreads', 'whole number'],
    ['number too large', { ...GOOD, downloadThreads: 65 }, 'downloadThreads', 'from 1 to 64'],
    ['fraction of a count', { ...GOOD, downloadThreads: 1.5 }, 'downloadThreads', 'whole number'],
    ['not a number', { ...GOOD, downloadThreads: NaN }, 'downloadThreads', 'from 1 to 64'],
    ['missing by condition', { signIn: 'role' }, 'roleArn', 'when Sign in with is "IAM role"'],
    ['given against the condition', { ...GOOD, roleArn: 'arn:x' }, 'roleArn', 'Leave Role ARN empty'],
    ['not an object', 'AKIA', '', 'object'],
    ['a list', [], '', 'object'],
    ['nothing', null, '', 'object'],
  ])('%s: names the field and says what to do', (_name, input, field, words) => {
    const problems = problemsOf(input);
    expect(Object.keys(problems)).toEqual([field]);
    expect(problems[field]).toContain(words);
  });

  test('reports every problem at once', () => {
    expect(Object.keys(problemsOf({ pathStyle: 'x', downloadThreads: 0 })).toSorted()).toEqual(
      ['accessKeyId', 'downloadThreads', 'pathStyle', 'secretAccessKey'].toSorted(),
    );
  });

  test('asks for nothing that hangs on a wrong choice', () => {
    expect(Object.keys(problemsOf({ signIn: 'neither' }))).toEqual(['signIn']);
  });

  test('a hidden field at its default is no contradiction', () => {
    const fields = {
      ...FIELDS,
      deep: { type: 'flag', label: 'D', help: 'D.', default: false, when: { field: 'signIn', in: ['role'] } },
    } as const;
    expect(configOf(fields, { ...GOOD, deep: 'false' })).not.toHaveProperty('deep');
    expect(Object.keys(problemsOf({ ...GOOD, deep: true }, fields))).toEqual(['deep']);
  });

  test('never quotes what was entered', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(FIELDS)), fc.stringMatching(/^[a-z]{3}~[a-z]{9}$/), (name, pasted) => {
        expect(JSON.stringify(problemsOf({ ...GOOD, [name]: pasted }))).not.toContain(pasted);
      }),
    );
  });

  test('what it returns, it accepts again unchanged', () => {
    fc.assert(
      fc.property(configs, (config) => {
        const first = configOf(FIELDS, config);
        expect(first).toBeDefined();
        expect(configOf(FIELDS, first)).toEqual(first);
        const asTexts = Object.fromEntries(
          Object.entries(first as Config).map(([name, value]) => [name, String(value)]),
        );
        expect(configOf(FIELDS, asTexts)).toEqual(first);
      }),
    );
  });
});

const line = fc.stringMatching(/^[!-~]{1,40}$/);
const configs = fc.oneof(
  fc.record(
    {
      accessKeyId: fc.stringMatching(/^[A-Z0-9]{4,20}$/),
      secretAccessKey: line,
      endpoint: fc.constantFrom('http://127.0.0.1:9000', 'https://example.com/base'),
      token: fc.array(line, { minLength: 1, maxLength: 3 }).map((lines) => lines.join('\n')),
      caCertificate: line,
      pathStyle: fc.boolean(),
      downloadThreads: fc.integer({ min: 1, max: 64 }),
      share: fc.constantFrom(0, 0.25, 0.5),
    },
    { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
  ),
  fc.record({ signIn: fc.constant('role'), roleArn: line }),
);

describe('secrets', () => {
  test('split and put together again', () => {
    fc.assert(
      fc.property(configs, (given) => {
        const config = configOf(FIELDS, given) as Config;
        const { plain, secrets } = splitSecrets(FIELDS, config);
        expect({ ...plain, ...secrets }).toEqual(config);
        expect(Object.keys(secrets).every((name) => name === 'secretAccessKey' || name === 'token')).toBe(true);
        expect(Object.keys(plain)).not.toContain('secretAccessKey');
      }),
    );
  });

  test('no secret survives redact, not even one pasted into another field', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]{12,40}$/), line, line, (secret, before, after) => {
        const config = { secretAccessKey: secret, bucket: before + secret + after, token: secret, stray: secret };
        const shown = Object.values(redact(FIELDS, config)).join('\n');
        expect(shown).not.toContain(secret);
        expect(redact(FIELDS, config)['secretAccessKey']).toBe(MASK);
      }),
    );
  });

  test('leaves everything else as it is', () => {
    expect(redact(FIELDS, { ...GOOD, pathStyle: true, downloadThreads: 8 })).toEqual({
      accessKeyId: 'AKIAEXAMPLE',
      secretAccessKey: MASK,
      pathStyle: true,
      downloadThreads: 8,
    });
  });

  test('knows the forms in which secrets turn up', () => {
    const connection = 'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a/b+c0123456789==;EndpointSuffix=x';
    expect(secretValues(FIELDS, { secretAccessKey: connection })).toContain('a/b+c0123456789==');
    expect(secretValues(FIELDS, { secretAccessKey: connection })).not.toContain('acme');
    expect(secretValues(FIELDS, { secretAccessKey: 'sv=2025&sig=abc%2Bdef%3D' })).toEqual(
      expect.arrayContaining(['abc%2Bdef%3D', 'abc+def=']),
    );
    const pem = secretValues(FIELDS, { token: '-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----' });
    expect(pem).toContain('MIIEvQIBADANBg');
    expect(pem).not.toContain('-----BEGIN KEY-----');
    expect(secretValues(FIELDS, { accessKeyId: 'AKIAEXAMPLE' })).toEqual([]);
  });

  test('gives longer ones first, so that replacing leaves no rest', () => {
    const lengths = secretValues(FIELDS, { secretAccessKey: 'abcdef', token: 'abcdefghijkl' }).map((v) => v.length);
    expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
  });
});

describe('environment', () => {
  test('names', () => {
    const names = environmentNames('DROVER_CONNECTOR_ACME_', FIELDS);
    expect(names.get('accessKeyId')).toBe('DROVER_CONNECTOR_ACME_ACCESS_KEY_ID');
    expect(names.get('caCertificate')).toBe('DROVER_CONNECTOR_ACME_CA_CERTIFICATE');
    expect(names.get('bucket')).toBe('DROVER_CONNECTOR_ACME_ONLY_BUCKET');
    expect(environmentNames('P', FIELDS).get('endpoint')).toBe('P_ENDPOINT');
    expect(environmentNames('', FIELDS).get('endpoint')).toBe('ENDPOINT');
    expect(new Set(names.values()).size).toBe(names.size);
  });

  test('values', () => {
    const environment = {
      P_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      P_SECRET_ACCESS_KEY: 'a\\nb',
      P_CA_CERTIFICATE: 'x\\ny',
      P_ENDPOINT: undefined,
      OTHER: '1',
    };
    const found = fromEnvironment('P_', FIELDS, environment);
    expect(found).toEqual({ accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a\\nb', caCertificate: 'x\ny' });
  });
});

describe('questions', () => {
  const names = (known: Record<string, unknown>): string[] => questions(FIELDS, known).map((question) => question.name);

  test('asks conditional fields once their condition is answered', () => {
    expect(names({})).toContain('signIn');
    expect(names({})).not.toContain('accessKeyId');
    expect(names({ signIn: 'key' }).slice(0, 2)).toEqual(['accessKeyId', 'secretAccessKey']);
    expect(names({ signIn: '' })).toContain('accessKeyId');
    expect(names({ signIn: 'role' })).toContain('roleArn');
    expect(names({ signIn: 'role' })).not.toContain('accessKeyId');
  });

  test('ends once everything was asked, and what was answered parses', () => {
    const known: Record<string, unknown> = {};
    const answers: Record<string, unknown> = { ...GOOD };
    for (let next = questions(FIELDS, known); next.length > 0; next = questions(FIELDS, known)) {
      const question = next[0] as (typeof next)[number];
      known[question.name] = answers[question.name];
      if (question.required) expect(answers).toHaveProperty(question.name);
    }
    expect(configOf(FIELDS, known)).toMatchObject(GOOD);
  });
});

describe('derived documents', () => {
  test('schema', () => {
    const schema = toJsonSchema(FIELDS) as unknown as {
      properties: Record<string, object>;
      required: string[];
      allOf: { if: unknown; then: unknown; else: unknown }[];
      additionalProperties: boolean;
    };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(FIELDS));
    expect(schema.properties['secretAccessKey']).toMatchObject({ writeOnly: true });
    expect(schema.properties['accessKeyId']).toMatchObject({ pattern: '^(?:[A-Z0-9]+)$', minLength: 4, maxLength: 20 });
    expect(schema.properties['downloadThreads']).toMatchObject({ type: 'integer', minimum: 1, maximum: 64 });
    expect(schema.required).toEqual([]);
    expect(schema.additionalProperties).toBe(false);
    expect(schema.allOf).toContainEqual({
      if: { allOf: [{ properties: { signIn: { enum: ['role'] } }, required: ['signIn'] }] },
      // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON Schema
      then: { required: ['roleArn'] },
      else: { properties: { roleArn: false } },
    });
    // The default is the condition's value, so it holds when nothing was chosen.
    expect(schema.allOf[0]?.if).toEqual({ allOf: [{ properties: { signIn: { enum: ['key'] } } }] });
  });

  test('table', () => {
    const table = toMarkdown(FIELDS, 'DROVER_');
    expect(table.trimEnd().split('\n')).toHaveLength(Object.keys(FIELDS).length + 2);
    expect(table).toContain('`DROVER_SECRET_ACCESS_KEY` | when Sign in with is `key` |');
    expect(table).toContain('Where \\| it is.');
    expect(table).toContain('Default: `8`.');
  });
});
