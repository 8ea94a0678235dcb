import type { Command, Option } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';
import { code, page, table } from './markdown.ts';
import { silentWorld } from './world.ts';

export function commandsPage(): string {
  const program = buildProgram(
    silentWorld(''),
    async () => undefined,
    () => undefined,
  );
  return page(
    'Commands',
    `${program.description()} A place is ${code('NAME:bucket/path')}, where ${code('NAME')} is a connector, or a local path. Options may stand before or after the places.`,
    '## Options of every command',
    optionTable([...program.options, helpOption]),
    ...commandsOf(program).flatMap(section),
  );
}

/** Each command that does something, after those it belongs to. */
function commandsOf(command: Command): Command[] {
  return command.commands.flatMap((sub) => [sub, ...commandsOf(sub)]);
}

function section(command: Command): string[] {
  const blocks = [`## ${pathOf(command)}`, sentence(command.description())];
  const subcommands = command.commands.map((sub) => code(pathOf(sub)));
  if (subcommands.length > 0) blocks.push(`Its commands: ${subcommands.join(', ')}.`);
  if (command.registeredArguments.length > 0) {
    const rows = command.registeredArguments.map((argument) => [
      code(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
      argument.description,
    ]);
    blocks.push(table(['Argument', 'Meaning'], rows));
  }
  if (command.options.length > 0) blocks.push(optionTable(command.options));
  return blocks;
}

const helpOption = { flags: '-h, --help', description: 'say how a command is used', defaultValue: undefined };

function optionTable(options: readonly Pick<Option, 'flags' | 'description' | 'defaultValue'>[]): string {
  return table(
    ['Option', 'Meaning', 'Default'],
    options.map(({ flags, description, defaultValue }) => [code(flags), description, defaultWords(defaultValue)]),
  );
}

function defaultWords(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return code(String(value));
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name());
  return names.join(' ');
}
