/** `completion`: scripts for shells, made from the commands as they are. */
import type { Command } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** Words that may follow a path of commands such as `runs log`. */
interface Step {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly help: string }[];
  readonly options: readonly { readonly name: string; readonly help: string }[];
}

export function completionScript(shell: Shell, program: Command): string {
  const steps = stepsOf(program, '', optionsOf(program));
  switch (shell) {
    case 'bash':
      return bash(steps);
    case 'zsh':
      return zsh(steps);
    default:
      return fish(steps);
  }
}

function stepsOf(command: Command, path: string, shared: Step['options']): Step[] {
  const commands = command.commands.map((sub) => ({ name: sub.name(), help: sub.description() }));
  const own = path === '' ? [] : optionsOf(command);
  const step: Step = { path, commands, options: [...own, ...shared] };
  return [
    step,
    ...command.commands.flatMap((sub) => stepsOf(sub, path === '' ? sub.name() : `${path} ${sub.name()}`, shared)),
  ];
}

function optionsOf(command: Command): Step['options'] {
  return command.options.flatMap(({ long, description }) =>
    typeof long === 'string' ? [{ name: long, help: description }] : [],
  );
}

/** Finds the longest known path of commands among the words, then offers what may follow it. */
function bash(steps: readonly Step[]): string {
  const cases = steps.map((step) => `    '${step.path}') echo '${wordsOf(step)}' ;;`).join('\n');
  return `# Completion of drover for bash: source it, or put it into /etc/bash_completion.d.
_drover_words() {
  case "$1" in
${cases}
  esac
}
_drover() {
  local word path='' next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -* ]] && continue
    next=\${path:+$path }$word
    [[ -n $(_drover_words "$next") ]] && path=$next
  done
  word=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=($(compgen -W "$(_drover_words "$path")" -- "$word"))
  [[ \${#COMPREPLY[@]} -eq 0 && $word != -* ]] && COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _drover drover`;
}

function zsh(steps: readonly Step[]): string {
  const cases = steps.map((step) => `    '${step.path}') echo '${wordsOf(step)}' ;;`).join('\n');
  return `#compdef drover
# Completion of drover for zsh: put it into a folder of $fpath as _drover.
_drover_words() {
  case "$1" in
${cases}
  esac
}
_drover() {
  local path_of_commands='' next word
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] && continue
    next="\${path_of_commands:+$path_of_commands }$word"
    [[ -n "$(_drover_words "$next")" ]] && path_of_commands=$next
  done
  compadd -- \${=$(_drover_words "$path_of_commands")}
  [[ $PREFIX == -* ]] || _files
}
if [[ $funcstack[1] == _drover ]]; then _drover "$@"; else compdef _drover drover; fi`;
}

function fish(steps: readonly Step[]): string {
  const lines = steps.flatMap((step) => {
    const seen = step.path
      .split(' ')
      .filter((word) => word !== '')
      .map((word) => `__fish_seen_subcommand_from ${word}`);
    const subcommands = step.commands.map(({ name }) => name).join(' ');
    const open = subcommands === '' ? seen : [...seen, `not __fish_seen_subcommand_from ${subcommands}`];
    return [
      ...step.commands.map(({ name, help }) => `complete -c drover -f${when(open)} -a ${name} -d '${quoted(help)}'`),
      ...(step.path !== '' && step.commands.length > 0 ? [] : step.options).map(
        ({ name, help }) => `complete -c drover${when(seen)} -l ${name.replace(/^--/, '')} -d '${quoted(help)}'`,
      ),
    ];
  });
  return [
    '# Completion of drover for fish: put it into ~/.config/fish/completions/drover.fish.',
    ...new Set(lines),
  ].join('\n');
}

function when(parts: readonly string[]): string {
  return parts.length === 0 ? '' : ` -n '${parts.join('; and ')}'`;
}

function wordsOf(step: Step): string {
  return [...step.commands.map(({ name }) => name), ...new Set(step.options.map(({ name }) => name))].join(' ');
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
}
