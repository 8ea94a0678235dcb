import { flagOf, SETTING_NAMES, settingOf, variableOf } from '../../src/control/settings/settings.ts';
import { valueWords } from '../../src/control/settings/load.ts';
import { code, page, table } from './markdown.ts';

export function settingsPage(): string {
  const sections = [...new Set(SETTING_NAMES.map((name) => settingOf(name).section))];
  return page(
    'Settings',
    `Of the server (${code('drover serve')}) and its workers (${code('drover worker')}). Each can be given in three ways; a later one beats an earlier one: in ${code('drover.yaml')} in the data folder (or the file named by ${code('--config')}), in the environment, on the command line. ${code('drover config check')} says what is wrong, or shows every setting with where it comes from.`,
    ...sections.flatMap((section) => [`## ${section}`, sectionTable(section)]),
    'Secrets are never shown, logged or repeated in a message. Prefer the environment or a file for them: other people on the machine can see a command line.',
  );
}

function sectionTable(section: string): string {
  const names = SETTING_NAMES.filter((name) => settingOf(name).section === section);
  return table(
    ['In the file', 'Environment', 'Flag', 'What to write', 'Default', 'Meaning'],
    names.map((name) => {
      const { help, form, fallback, example, isSecret } = settingOf(name);
      const shown = valueWords(name, fallback);
      const words = `${help}${isSecret ? ' A secret.' : ''}${example === undefined ? '' : ` Example: ${code(example)}.`}`;
      return [code(name), code(variableOf(name)), code(flagOf(name)), form, shown === '' ? '–' : code(shown), words];
    }),
  );
}
