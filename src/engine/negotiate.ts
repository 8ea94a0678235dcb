/** What will not survive a transfer between these two ends, told before anything is planned. */
import type { Honour, SourceTraits, TargetFacts, TargetTraits } from '../contract/provider.ts';
import { ALL_NAMES, type NameRules } from '../model/names.ts';
import type { Policy } from '../model/policy.ts';
import type { Concession } from './definition.ts';

export interface NegotiateInput {
  readonly source: SourceTraits;
  readonly target: TargetTraits;
  /** `null`: never observed. */
  readonly facts: TargetFacts | null;
  readonly policy: Policy;
  /** As people call them: `Amazon S3`, `Azure Blob Storage`. */
  readonly sourceTitle: string;
  readonly targetTitle: string;
  /** What names the source can have: what it cannot have either is no concession. `null` or absent: any. */
  readonly sourceNames?: NameRules | null;
}

type Aspect = (input: NegotiateInput) => readonly Concession[];

/** Objects of this size exist nowhere, so a limit beyond it is none. */
const NOTABLE_BYTES_MAX = 50 * 1000 ** 4;
/** What the most generous store allows. */
const METADATA_BYTES_USUAL = 8 * 1024;

/** One sentence per thing that is lost or weaker, none twice. Comparing writes nothing and so concedes nothing. */
export function negotiate(input: NegotiateInput): readonly Concession[] {
  if (input.policy.mode === 'check') return [];
  const concessions = ASPECTS.flatMap((aspect) => aspect(input));
  const seen = new Set<string>();
  return concessions.filter(({ detail }) => !seen.has(detail) && seen.add(detail));
}

const headers: Aspect = ({ source, target, policy, sourceTitle, targetTitle }) => {
  if (policy.metadata === 'ignore' || !source.carries.headers) return [];
  if (!target.carries.headers) {
    const detail = `${targetTitle} has no headers: the content type and other headers that ${sourceTitle} keeps are lost.`;
    return [{ aspect: 'headers', detail }];
  }
  if (source.carries.websiteRedirects !== true || target.carries.websiteRedirects === true) return [];
  const detail = `${targetTitle} has no website redirects: those of ${sourceTitle} are lost and named in the report.`;
  return [{ aspect: 'headers', detail }];
};

const metadata: Aspect = ({ source, target, policy, sourceTitle, targetTitle }) => {
  if (policy.metadata === 'ignore' || !source.carries.metadata) return [];
  if (!target.carries.metadata) {
    return [
      { aspect: 'metadata', detail: `${targetTitle} has no metadata: the metadata that ${sourceTitle} keeps is lost.` },
    ];
  }
  const concessions: Concession[] = [];
  if (sourceTitle !== targetTitle && target.metadataBytesMax < METADATA_BYTES_USUAL) {
    const detail = `${targetTitle} holds at most ${target.metadataBytesMax} bytes of metadata per object; what is beyond that is left out and named in the report.`;
    concessions.push({ aspect: 'metadata', detail });
  }
  if (policy.metadata === 'preserve') {
    const detail =
      'A later run does not notice objects of which only the metadata or tags changed, because listings do not show them; metadata set to refresh (--metadata refresh) finds them at one request per object.';
    concessions.push({ aspect: 'metadata', detail });
  }
  return concessions;
};

const tags: Aspect = ({ source, target, policy, sourceTitle, targetTitle }) => {
  if (policy.tags === 'ignore' || !source.carries.tags) return [];
  if (!target.carries.tags || target.tagsMax === 0) {
    return [{ aspect: 'tags', detail: `${targetTitle} has no tags: the tags that ${sourceTitle} keeps are lost.` }];
  }
  if (target.tagsMax >= 10) return [];
  const detail = `${targetTitle} holds at most ${target.tagsMax} tags per object; the others are left out and named in the report.`;
  return [{ aspect: 'tags', detail }];
};

const times: Aspect = ({ source, target, policy, targetTitle }) => {
  if (source.timePrecisionMs === null) return [];
  if (target.keepsSourceTime) {
    const gridMs = target.timePrecisionMs ?? 0;
    if (gridMs <= source.timePrecisionMs) return [];
    return [
      { aspect: 'times', detail: `${targetTitle} keeps modification times in steps of ${gridMs / 1000} s only.` },
    ];
  }
  const isRecorded = target.carries.metadata && policy.metadata !== 'ignore';
  const end = isRecorded ? 'the original time is kept in the metadata.' : 'the original time is lost.';
  return [{ aspect: 'times', detail: `${targetTitle} shows the time of the copy as the modification time; ${end}` }];
};

const folders: Aspect = ({ source, target, sourceTitle, targetTitle }) => {
  if (!source.carries.emptyFolders || target.carries.emptyFolders) return [];
  return [{ aspect: 'folders', detail: `${targetTitle} holds no empty folders: those of ${sourceTitle} are lost.` }];
};

const links: Aspect = ({ source, policy, sourceTitle, targetTitle }) => {
  if (source.unread === undefined || source.unread.length === 0) return [];
  const things = inWords(source.unread, 'and');
  const stays = policy.mode === 'mirror' ? ` What ${targetTitle} has under and below such a name stays.` : '';
  const detail = `${things[0]?.toUpperCase()}${things.slice(1)} of ${sourceTitle} are not followed or copied: they are reported as unsupported.${stays}`;
  return [{ aspect: 'links', detail }];
};

const classes: Aspect = ({ source, target, policy, sourceTitle, targetTitle }) => {
  if (policy.storageClass !== null || source.carries.storageClasses.length < 2) return [];
  const detail =
    target.carries.storageClasses.length === 0
      ? `${targetTitle} has no storage classes: those of ${sourceTitle} are lost.`
      : `Storage classes are not carried over: new objects get the default class of ${targetTitle}.`;
  return [{ aspect: 'classes', detail }];
};

const names: Aspect = ({ target, targetTitle, sourceNames }) => {
  const concessions: Concession[] = [];
  const refused = refusedNames(target.names, sourceNames ?? ANY_NAME);
  if (refused.length > 0) {
    const detail = `${targetTitle} cannot hold ${inWords(refused)}; such objects get another name, which the report gives beside the original one.`;
    concessions.push({ aspect: 'names', detail });
  }
  if (!target.names.caseSensitive && (sourceNames ?? ANY_NAME).caseSensitive) {
    const detail = `${targetTitle} takes names that differ only by case for the same name; of such objects one keeps its name and the others get another, which the report gives beside the original one.`;
    concessions.push({ aspect: 'names', detail });
  }
  return concessions;
};

const versions: Aspect = ({ source, facts, policy, sourceTitle, targetTitle }) => {
  if (policy.versions !== 'all') return [];
  if (!source.facets.includes('versions')) {
    return [{ aspect: 'versions', detail: `${sourceTitle} tells no versions: only what is current is copied.` }];
  }
  const keeps = facts?.keepsVersions ?? null;
  const remains =
    keeps === true
      ? `${targetTitle} keeps versions of its own at this place.`
      : keeps === false
        ? `${targetTitle} keeps no versions at this place, so only the newest remains.`
        : `unless ${targetTitle} keeps versions of its own at this place, only the newest remains.`;
  const order = `Every version is written over the one before it, oldest first${keeps === null ? ': ' : '. '}${remains}`;
  const most =
    source.versionsMax === undefined
      ? ''
      : ` Of a key with more than ${source.versionsMax} versions the newest are copied; the older ones are reported as unsupported.`;
  const deleted = deletedKeys(keeps, policy, sourceTitle, targetTitle);
  return [{ aspect: 'versions', detail: `${order}${most} ${deleted}` }];
};

/** What becomes of keys whose newest version is a deletion. */
function deletedKeys(keeps: boolean | null, policy: Policy, sourceTitle: string, targetTitle: string): string {
  const had =
    policy.mode === 'mirror'
      ? `what ${targetTitle} shows of them already is deleted like everything that the source does not have`
      : `what ${targetTitle} shows of them already goes on being shown`;
  if (keeps === true)
    return `Objects that are deleted in ${sourceTitle} but for their versions are deleted in ${targetTitle} too, after their versions were written there; ${had}. That one was deleted and written again later is not repeated: only its versions are.`;
  const why = keeps === false ? 'keeps no versions' : 'is not known to keep versions';
  return `Of objects that are deleted in ${sourceTitle} but for their versions nothing is copied, because ${targetTitle} ${why} at this place, where they would be brought back to life: they are told as excluded, and ${had}.`;
}

const protection: Aspect = ({ source, sourceTitle, targetTitle }) => {
  if (source.staysBehind === undefined || source.staysBehind.length === 0) return [];
  const things = inWords(source.staysBehind, 'and');
  const detail = `${things[0]?.toUpperCase()}${things.slice(1)} of ${sourceTitle} are not carried over: what is new gets what the settings of ${targetTitle} give it.`;
  return [{ aspect: 'protection', detail }];
};

const races: Aspect = ({ target, facts, policy, targetTitle }) => {
  if (policy.dryRun) return [];
  const isMirror = policy.mode === 'mirror' && target.facets.includes('removal');
  const hasParts = target.facets.includes('parts');
  const conditions: readonly (readonly [Honour, boolean, string])[] = [
    [facts?.createOnly ?? 'unknown', true, 'an object that somebody else creates'],
    [facts?.matchOnWrite ?? 'unknown', true, 'an object that somebody else changes'],
    [facts?.matchOnComplete ?? 'unknown', hasParts, 'a large object that somebody else changes'],
    [facts?.matchOnDelete ?? 'unknown', isMirror, 'an object that somebody else changes before it is deleted'],
  ];
  const concerned = conditions.filter(([, isUsed]) => isUsed);
  const ignored = concerned.filter(([honour]) => honour === 'ignored' || honour === 'refused');
  const unknown = concerned.filter(([honour]) => honour === 'unknown');
  const concessions: Concession[] = ignored.map(([, , what]) => ({
    aspect: 'races',
    detail: `${targetTitle} ignores the condition that protects ${what}: Drover looks right before, but a change in that very moment is lost.`,
  }));
  if (unknown.length > 0) {
    const detail = `Whether ${targetTitle} protects ${inWords(unknown.map(([, , what]) => what))} was not observed here: Drover looks right before, but a change in that very moment may be lost.`;
    concessions.push({ aspect: 'races', detail });
  }
  return concessions;
};

const digests: Aspect = ({ source, target, facts, sourceTitle, targetTitle }) => {
  const provable = target.provableDigests.filter((kind) => {
    if (facts === null || facts.returned.includes(kind)) return true;
    const honour = kind === 'md5' ? (facts.checksums.md5 ?? facts.contentMd5) : facts.checksums[kind];
    return honour !== 'ignored' && honour !== 'refused';
  });
  if (provable.length === 0) {
    const detail = `${targetTitle} proves no digest of what it stores: copies are compared by size alone (class V0), and the run ends with issues unless that is accepted.`;
    return [{ aspect: 'digests', detail }];
  }
  if (source.listedDigests.length > 0) return [];
  const detail = `${sourceTitle} gives no digests of its own: ${targetTitle} proves the bytes that Drover received (class V1, leg target).`;
  return [{ aspect: 'digests', detail }];
};

const sizes: Aspect = ({ target, targetTitle }) => {
  if (target.facets.includes('parts') || target.writeBytesMax > NOTABLE_BYTES_MAX) return [];
  return [{ aspect: 'sizes', detail: `${targetTitle} holds no object larger than ${target.writeBytesMax} bytes.` }];
};

const ASPECTS: readonly Aspect[] = [
  headers,
  metadata,
  tags,
  times,
  folders,
  links,
  classes,
  names,
  versions,
  protection,
  races,
  digests,
  sizes,
];

/** Sources hold keys of 1,024 bytes: a limit of so many loses nothing. */
const ANY_NAME: NameRules = { ...ALL_NAMES, keyBytesMax: 1024, keyCharactersMax: 1024 };

/** What the target refuses of what the source can have. */
function refusedNames(rules: NameRules, source: NameRules): readonly string[] {
  const lacks = (name: NamesHeld): boolean => !rules[name] && source[name];
  const isLess = (name: NameLimit): boolean =>
    (rules[name] ?? Number.POSITIVE_INFINITY) < (source[name] ?? ANY_NAME[name] ?? Number.POSITIVE_INFINITY);
  const kinds: readonly (readonly [boolean, string])[] = [
    [lacks('emptySegments'), 'empty names ("a//b")'],
    [lacks('dotSegments'), 'the names "." and ".."'],
    [lacks('trailingDot'), 'names that end with a dot'],
    [lacks('trailingSpace'), 'names that end with a space'],
    [lacks('trailingSlashContent'), 'content under a name that ends with "/"'],
    [lacks('objectAndPrefix'), 'an object "a" beside an object "a/b"'],
    [forbidsMore(rules, source), 'certain characters'],
    [lacks('invalidUtf8'), 'names that are not valid UTF-8'],
    [isLess('segmentBytesMax'), `names of more than ${rules.segmentBytesMax} bytes between two "/"`],
    [isLess('segmentsMax'), `more than ${rules.segmentsMax} names in one key`],
    [isLess('keyBytesMax'), `keys of more than ${rules.keyBytesMax} bytes`],
    [isLess('keyCharactersMax'), `keys of more than ${rules.keyCharactersMax} characters`],
  ];
  return kinds.filter(([isRefused]) => isRefused).map(([, words]) => words);
}

type NamesHeld = { [K in keyof NameRules]: NameRules[K] extends boolean ? K : never }[keyof NameRules];
type NameLimit = { [K in keyof NameRules]: NameRules[K] extends number | null ? K : never }[keyof NameRules];

/** A range counts as the source's own only where one of the source's holds all of it. */
function forbidsMore({ forbidden }: NameRules, source: NameRules): boolean {
  return !forbidden.every(({ from, to }) => source.forbidden.some((own) => own.from <= from && to <= own.to));
}

function inWords(texts: readonly string[], last: 'or' | 'and' = 'or'): string {
  if (texts.length < 2) return texts.join('');
  return `${texts.slice(0, -1).join(', ')} ${last} ${texts.at(-1)}`;
}
