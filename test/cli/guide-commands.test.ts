/** Every command that a guide names can be typed, and no guide says that something is missing which is there. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { silentWorld } from '../../scripts/docs/world.ts';
import { buildProgram } from '../../src/cli/program.ts';

const FOLDER = 'docs/guides';
const program = buildProgram(
  silentWorld(''),
  async () => undefined,
  () => undefined,
);
const guides = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, text: readFileSync(`${FOLDER}/${name}`, 'utf8') }));

/** Lines of code blocks, continued ones joined, up to where the shell does something else. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block.replaceAll('\\\n', ' ').split('\n'),
  );
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`(drover [^`]+)`/g)].map(
    ([, one = '']) => one,
  );
  return [...blocks, ...inline].flatMap((line) => {
    const bare = line.replaceAll(/'[^']*'|"[^"]*"/g, 'x').replace(/(^|\s)#.*$/, '');
    return bare.split(/[|;&>]|\$\(/).flatMap((part) => {
      const typed = part.trim().replace(/^((\w+=\S+|[*\d/,-]+)\s+)+/, '');
      return typed.startsWith('drover ') ? [typed.slice('drover '.length).trim()] : [];
    });
  });
}

/** What is wrong with it; `null`: it can be typed. */
function wrongWith(words: string): string | null {
  const all = words.split(/\s+/).filter((word) => word !== '');
  let command: Command = program;
  while (all[0] !== undefined && !all[0].startsWith('-') && command.commands.length > 0) {
    const next = command.commands.find((one) => one.name() === all[0] || one.aliases().includes(all[0] as string));
    if (next === undefined) break;
    command = next;
    all.shift();
  }
  if (command === program && !(all[0] ?? '-').startsWith('-')) return `there is no command ${all[0]}`;
  if (command.commands.length > 0 && /^[a-z]/.test(all[0] ?? '')) {
    return `${command.name()} has no ${all[0]}`;
  }
  const known = [program, command].flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]));
  const unknown = all
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.replace(/=.*$/, ''))
    .find((word) => word !== '--help' && !known.includes(word));
  return unknown === undefined ? null : `${command.name()} has no ${unknown}`;
}

describe('commands in guides', () => {
  test.each(guides)('$name', ({ text }) => {
    const wrong = commandsOf(text).flatMap((words) => {
      const why = wrongWith(words);
      return why === null ? [] : [`drover ${words}: ${why}`];
    });
    expect(wrong).toEqual([]);
  });

  test('are found, and wrong ones are seen', () => {
    expect(guides.flatMap(({ text }) => commandsOf(text)).length).toBeGreaterThan(200);
    const text =
      '`drover frob x`, `drover run fly`\n```sh\nx=1 drover copy a b \\\n  --sideways | cat # drover no\n```\n';
    expect(commandsOf(text).map(wrongWith)).toEqual([
      'copy has no --sideways',
      'there is no command frob',
      'run has no fly',
    ]);
  });
});

const FROM = guides.filter(({ name }) => name.startsWith('from-'));
/** Of those who come from something with schedules and people. */
const SERVED = ['from-mover.md', 'from-workato-s3.md', 'from-boomi-s3.md', 'from-azure-storage-mover.md'];
const OFFERED = ['schedule', 'mail', 'webhook', 'project', 'timetable', 'report', 'people', 'users'];

test.each(FROM)('$name denies nothing that a server has', ({ name, text }) => {
  if (SERVED.includes(name)) expect(text).toContain('(server.md');
  const denied = /## Not offered in this version\n([\s\S]*?)\n## /.exec(text)?.[1] ?? '';
  expect(denied).not.toBe('');
  expect(OFFERED.filter((word) => denied.toLowerCase().includes(word))).toEqual([]);
});
