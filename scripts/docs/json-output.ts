import { EMPTY_SUMMARY, summaryLine } from '../../src/cli/summary.ts';
import { code, page, table } from './markdown.ts';
import { JSON_LINES } from './json-lines.ts';
import { ENTITY_LINES, OTHER_LINES } from './server-lines.ts';

export function jsonOutputPage(): string {
  return page(
    'JSON output',
    `With ${code('--json')} standard output holds JSON lines and nothing else; words go to standard error. Every line has a ${code('type')}; skip those you do not know. The last line is always one summary, also when the command fails, and its members and their order stay as they are.`,
    ...JSON_LINES.flatMap(({ type, when, members }) => [
      `## ${type}: ${when.replace(/\.$/, '').replaceAll('`', '')}`,
      table(
        ['Member', 'Type', 'Meaning'],
        Object.entries(members).map(([name, member]) => [
          code(name),
          `${member.type.replaceAll('|', ' or ')}${member.optional === true ? ', optional' : ''}`,
          member.meaning,
        ]),
      ),
      ...(type === 'summary' ? ['A command that did nothing:', summaryExample()] : []),
    ]),
    ...serverSection(),
  );
}

function serverSection(): string[] {
  return [
    '## Lines of commands that go to a server',
    `Most of them carry one ${code('entity')}, as the [API](openapi.json) gives it under the name of its schema.`,
    table(
      ['Type', 'Schema of the entity', 'Written by'],
      Object.entries(ENTITY_LINES).map(([type, { schema, commands }]) => [code(type), schema, commands]),
    ),
    table(
      ['Type', 'Else'],
      Object.entries(OTHER_LINES).map(([type, meaning]) => [code(type), meaning]),
    ),
  ];
}

/** Made by the function that makes every summary. */
function summaryExample(): string {
  return ['```json', JSON.stringify(summaryLine(EMPTY_SUMMARY), null, 2), '```'].join('\n');
}
