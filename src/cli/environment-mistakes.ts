/** Variables that were meant for a connector and are not understood: nobody should wonder why they change nothing. */
import { environmentNames } from '../contract/config.ts';
import type { Provider } from '../contract/provider.ts';
import { environmentHead, isConnectorName } from './place.ts';
import type { Session } from './session.ts';
import { nearest } from './suggest.ts';

const MEANT = 'DROVER_CONNECTOR_';
export const PROVIDER_VARIABLE = /^DROVER_CONNECTOR_(.+)_PROVIDER$/i;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * One sentence for each variable that is not used, and why; never a value. `savedNames`: connectors whose fields may
 * stand in the environment for `connector add`. Pure.
 */
export function environmentMistakes(
  environment: Environment,
  providers: readonly Provider[],
  savedNames: readonly string[],
): readonly string[] {
  const set = Object.keys(environment).filter(
    (name) => name.toUpperCase().startsWith(MEANT) && environment[name] !== '',
  );
  const known = new Map<string, ReadonlySet<string>>();
  const sentences: string[] = [];
  const refused: string[] = [];
  for (const variable of set) {
    const name = PROVIDER_VARIABLE.exec(variable)?.[1];
    if (name === undefined) continue;
    const problem = providerProblem(variable, name, environment, providers);
    if (problem !== null) {
      sentences.push(`${variable} is not used: ${problem}`);
      refused.push(`${MEANT}${name}_`);
      continue;
    }
    const provider = providerOf(environment[variable] ?? '', providers) as Provider;
    const head = environmentHead(name);
    known.set(head, new Set([`${head}PROVIDER`, ...environmentNames(head, provider.account).values()]));
  }
  const silent = [...refused, ...savedNames.map(environmentHead).filter((head) => !known.has(head))];
  for (const variable of set) {
    const isUsed = [...known.values()].some((names) => names.has(variable.toUpperCase()));
    if (PROVIDER_VARIABLE.test(variable) || (isUsed && environment[variable.toUpperCase()] !== undefined)) continue;
    const heads = [...known.keys()].filter((head) => variable.startsWith(head));
    // The provider's variable was named already, or its fields wait for `connector add`.
    if (heads.length === 0 && silent.some((head) => variable.startsWith(head))) continue;
    sentences.push(`${variable} is not used: ${fieldProblem(variable, heads, known)}`);
  }
  return sentences;
}

function providerProblem(
  variable: string,
  name: string,
  environment: Environment,
  providers: readonly Provider[],
): string | null {
  if (environment[variable.toUpperCase()] === undefined)
    return `its name has to be in capitals, ${variable.toUpperCase()}.`;
  if (!isConnectorName(name)) {
    return `"${name}" is no name of a connector. A name has two characters or more, begins with a letter, and holds letters, digits and "_".`;
  }
  if (providerOf(environment[variable] ?? '', providers) !== null) return null;
  return `it names no provider. Drover knows ${providers.map(({ manifest }) => manifest.id).join(', ')}.`;
}

function providerOf(id: string, providers: readonly Provider[]): Provider | null {
  return providers.find(({ manifest }) => manifest.id === id.toLowerCase()) ?? null;
}

function fieldProblem(
  variable: string,
  heads: readonly string[],
  known: ReadonlyMap<string, ReadonlySet<string>>,
): string {
  const head = heads.toSorted((a, b) => b.length - a.length)[0];
  if (head === undefined) {
    return variable === variable.toUpperCase()
      ? 'no variable that begins like it and ends with _PROVIDER names a provider.'
      : 'its name has to be in capitals.';
  }
  const meant = nearest(
    variable.slice(head.length),
    [...(known.get(head) ?? [])].map((name) => name.slice(head.length)),
  );
  return `the provider has no such field.${meant === null ? '' : ` Did you mean ${head}${meant}?`}`;
}

const told = new WeakSet<Session>();

/** To the person, once in each call. */
export async function tellEnvironmentMistakes(session: Session): Promise<void> {
  if (told.has(session)) return;
  told.add(session);
  const { environment, providers } = session.world;
  // Only then, because a command that needs no state should leave none behind.
  if (environmentMistakes(environment, providers, []).length === 0) return;
  const saved = await (await session.state()).connectors.list();
  const names = saved.map(({ name }) => name);
  for (const sentence of environmentMistakes(environment, providers, names)) {
    await session.terminal.say(`The variable ${sentence}`);
  }
}
