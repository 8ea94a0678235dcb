/** The JSON lines of the command line, described once: the page is made from this, and a test holds real lines to it. */

export interface JsonMember {
  /** JSON types, `|` between: `string`, `number`, `boolean`, `null`, `object`, `array`. */
  readonly type: string;
  readonly meaning: string;
  /** Left out of the line where there is nothing to say. */
  readonly optional?: boolean;
}

export interface JsonLine {
  readonly type: string;
  /** Tells apart lines of one type. */
  readonly when: string;
  readonly members: Readonly<Record<string, JsonMember>>;
}

const ITEM: Readonly<Record<string, JsonMember>> = {
  key: { type: 'string', meaning: "The source's key; the target's for `deleted` and `extra`." },
  versionId: { type: 'string', meaning: 'The version of the source that was meant.', optional: true },
  targetKey: { type: 'string', meaning: 'The name at the target, where it differs.', optional: true },
  result: { type: 'string', meaning: 'What became of it: an outcome, `deleted`, `missing`, `extra` or `different`.' },
  kind: { type: 'string', meaning: '`object`, `folder` or `opaque` (neither: a link, a device, a delete marker).' },
  sizeBytes: { type: 'number', meaning: 'Size of the content.' },
  targetSizeBytes: {
    type: 'number',
    meaning: 'Size at the target, where both were compared and it is another one.',
    optional: true,
  },
  code: { type: 'string', meaning: 'Why: an [error code](errors.md), or an [item code](item-codes.md).' },
  details: { type: 'string', meaning: 'More about why, as a sentence.', optional: true },
  verification: {
    type: 'string',
    meaning: 'How strongly the copy is proved: `V3`, `V2`, `V1`, `V0` or `VM`.',
    optional: true,
  },
  leg: {
    type: 'string',
    meaning: '`target`: the source gave no digest; the target proved the bytes that Drover received.',
    optional: true,
  },
  side: {
    type: 'string',
    meaning: '`source` or `target`: which refused, where it failed and that is known.',
    optional: true,
  },
  attempts: { type: 'number', meaning: 'How often it was tried, also in vain.', optional: true },
  startedAtMs: { type: 'number', meaning: 'When work on it began, in milliseconds since 1970.', optional: true },
  durationMs: { type: 'number', meaning: 'How long it took.', optional: true },
};

const FAILURE = '`null`, or `code` ([error code](errors.md)), `message`, `field` (or `null`) and `remedy`.';
const ITEMS = '`scanned`, `copied`, `same`, `excluded`, `skipped`, `unsupported`, `failed`, `deleted`.';
const REQUESTS = '`source` and `target`, each a number for every class of requests that were sent.';
const CONCESSIONS = 'What will not survive: `aspect` and `detail` of each [concession](concessions.md).';

export const JSON_LINES: readonly JsonLine[] = [
  {
    type: 'summary',
    when: 'The last line of every command, whatever happened.',
    members: {
      runId: { type: 'string|null', meaning: 'The run; a continued one keeps its own.' },
      state: {
        type: 'string',
        meaning: 'State of the run that the command carried out, or else of the command itself.',
      },
      items: {
        type: 'object',
        meaning: `${ITEMS} Of the whole run, all continuations; there \`scanned\` is the sum of the next six. For \`ls\`, \`du\`, \`cat\` and \`verify\`, \`scanned\` is what was looked at, and no outcome belongs to it.`,
      },
      bytes: { type: 'object', meaning: 'Bytes of each of `items`.' },
      verification: {
        type: 'object',
        meaning: '`V3`, `V2`, `V1`, `V0`, `VM`: how many copies are proved how strongly; the sum is `items.copied`.',
      },
      requests: { type: 'object', meaning: REQUESTS },
      differences: {
        type: 'object',
        meaning: '`missing`, `extra`, `different`, and of `extra` what a mirror leaves (`kept`).',
      },
      durationMs: { type: 'number', meaning: 'Time spent.' },
      error: { type: 'object|null', meaning: FAILURE },
      sameWeak: {
        type: 'number',
        meaning:
          'How many of `items.same` (for `verify`: of what was looked at) rest on their size, or size and time, alone and are not proved.',
      },
    },
  },
  {
    type: 'run',
    when: '`copy`, `sync` and `check`, before anything is moved.',
    members: {
      runId: { type: 'string', meaning: 'Of the run.' },
      continued: { type: 'boolean', meaning: 'An interrupted run goes on.' },
      source: { type: 'string', meaning: 'The place that is read.' },
      target: { type: 'string', meaning: 'The place that is written or compared with.' },
      mode: { type: 'string', meaning: '`merge`, `mirror` or `check`.' },
      dryRun: { type: 'boolean', meaning: 'Nothing will be changed.' },
      concessions: { type: 'array', meaning: CONCESSIONS },
    },
  },
  {
    type: 'progress',
    when: '`copy`, `sync` and `check` every ten seconds and at each change of phase, where output is no terminal.',
    members: {
      runId: { type: 'string', meaning: 'Of the run.' },
      phase: { type: 'string', meaning: '`copying`, `names`, `deleting` or `settling`.' },
      items: { type: 'object', meaning: ITEMS },
      bytes: { type: 'object', meaning: 'Bytes of each of `items`.' },
      pending: { type: 'object', meaning: '`items` and `bytes` that were found and are not settled.' },
      listingComplete: { type: 'boolean', meaning: 'Everything was found; before that there is no exact total.' },
      expected: {
        type: 'object|null',
        meaning:
          'Of a run of a server: `items`, `sizeBytes` and `percent` done of all that there is, as it was expected while listing goes on; `null` where nothing is known.',
      },
      bytesPerSecond: { type: 'number', meaning: 'Over the last few seconds.' },
      remainingMs: {
        type: 'object|null',
        meaning:
          '`low` and `high` of the time left, and its `confidence` (`low`, `medium`, `high`); `null` while counting.',
      },
    },
  },
  {
    type: 'difference',
    when: '`check`: one line for each difference.',
    members: ITEM,
  },
  {
    type: 'difference',
    when: '`verify`: one line for each difference.',
    members: {
      key: { type: 'string', meaning: "The source's key." },
      targetKey: { type: 'string', meaning: 'The name at the target.' },
      result: { type: 'string', meaning: '`missing` or `different`.' },
      details: { type: 'string', meaning: 'What differs.' },
    },
  },
  { type: 'item', when: '`runs log`: one line for each item.', members: ITEM },
  {
    type: 'run',
    when: '`runs list` and `runs show`.',
    members: {
      runId: { type: 'string', meaning: 'Of the run.' },
      transferId: {
        type: 'string',
        meaning: 'The same for the same places, command and options that change the result.',
      },
      command: { type: 'string', meaning: '`copy`, `sync` or `check`.' },
      source: { type: 'string', meaning: 'The place that is read.' },
      target: { type: 'string', meaning: 'The place that is written or compared with.' },
      state: {
        type: 'string',
        meaning:
          'Of the run: `queued`, `running`, `pausing`, `paused`, `cancelling`, `cancelled`, `failed`, `succeeded`, `completed-with-issues`, or `interrupted`: its process died, and the same command continues it.',
      },
      startedAt: { type: 'string', meaning: 'ISO 8601.' },
      endedAt: { type: 'string|null', meaning: 'ISO 8601; `null` while it has not ended.' },
      durationMs: { type: 'number', meaning: 'Time spent running, all continuations.' },
      counters: {
        type: 'object',
        meaning: 'As in the summary, with `sameWeak`, `targetScanned`, `mapped` and `deletesFailed`.',
      },
      requests: { type: 'object', meaning: REQUESTS },
      concessions: { type: 'array', meaning: CONCESSIONS },
      manifestRoot: { type: 'string|null', meaning: 'Hash over the manifest of the run; `null` before it is settled.' },
      error: { type: 'object|null', meaning: FAILURE },
    },
  },
  {
    type: 'removed',
    when: '`runs remove` and `runs prune`: one line for each run.',
    members: { runId: { type: 'string', meaning: 'Of the run that is forgotten.' } },
  },
  {
    type: 'entry',
    when: '`ls`: one line for each object, folder or opaque thing.',
    members: {
      kind: { type: 'string', meaning: '`object`, `folder` or `opaque`.' },
      key: { type: 'string', meaning: 'Relative to the place.' },
      sizeBytes: { type: 'number', meaning: 'Size of the content.' },
      modifiedAt: { type: 'string|null', meaning: 'ISO 8601.' },
      etag: { type: 'string|null', meaning: 'Entity tag or another token of the state.' },
      versionId: { type: 'string|null', meaning: 'Where the store keeps versions.' },
      storageClass: { type: 'string|null', meaning: 'Storage class or tier.' },
      availability: { type: 'string', meaning: '`online`, `archived` or `restoring`.' },
      digests: { type: 'object', meaning: 'Hexadecimal digests of the content that the listing carries, by kind.' },
      nativeType: { type: 'string', meaning: 'What an opaque thing is.', optional: true },
    },
  },
  {
    type: 'entry',
    when: '`ls NAME:` and `ls --one-level`: one line for each bucket or folder.',
    members: {
      kind: { type: 'string', meaning: '`container` or `folder`.' },
      key: { type: 'string', meaning: 'Its name.' },
      region: { type: 'string', meaning: 'Where a bucket lies.', optional: true },
    },
  },
  {
    type: 'entry',
    when: '`du NAME:`: one line for each bucket.',
    members: {
      kind: { type: 'string', meaning: '`container`.' },
      key: { type: 'string', meaning: 'Its name.' },
      items: { type: 'number', meaning: 'Objects in it.' },
      sizeBytes: { type: 'number', meaning: 'Sum of their sizes.' },
    },
  },
  {
    type: 'content',
    when: '`cat`: the content in pieces.',
    members: { base64: { type: 'string', meaning: 'One piece of the content.' } },
  },
  {
    type: 'connector',
    when: '`connector list` and `connector show`.',
    members: {
      name: { type: 'string', meaning: 'As it stands before the colon of a place.' },
      provider: { type: 'string', meaning: 'Its [provider](providers.md).' },
      origin: { type: 'string', meaning: '`saved` or `environment`.' },
      config: { type: 'object', meaning: 'Only `show`: its [fields](connectors.md), without secrets.', optional: true },
    },
  },
  {
    type: 'check',
    when: '`connector test`: one line for each right, as it is known.',
    members: {
      what: { type: 'string', meaning: 'The right or fact: `identity`, `list`, `read`, `write`, `delete` and so on.' },
      result: { type: 'string', meaning: '`ok`, `refused`, `unknown` or `warning`.' },
      message: { type: 'string', meaning: 'One sentence.' },
      field: { type: 'string|null', meaning: 'The field to correct, where one is at fault.' },
      remedy: { type: 'string|null', meaning: 'What to do.' },
      identity: {
        type: 'object',
        meaning: 'Of whoever signs or acts: `role` (`signs` or `acts`), `name`, and `accountId` (or `null`).',
        optional: true,
      },
    },
  },
  {
    type: 'policy',
    when: '`connector policy`: one line for each text.',
    members: {
      title: { type: 'string', meaning: 'What the text is.' },
      language: { type: 'string', meaning: 'What the text is written in.' },
      text: { type: 'string', meaning: 'Ready to paste.' },
    },
  },
  {
    type: 'imported',
    when: '`connector import`: one line for each profile or remote.',
    members: {
      name: { type: 'string', meaning: 'Of the connector.' },
      provider: { type: 'string|null', meaning: 'Its provider; `null` where there is none for it.' },
      isSaved: { type: 'boolean', meaning: 'Whether it was taken over.' },
      words: { type: 'string', meaning: 'Why not, or what was left out.' },
    },
  },
];

/** What keeps a real line from being one of those described; empty when it is one. */
export function lineProblems(line: Readonly<Record<string, unknown>>): string[] {
  const described = JSON_LINES.filter(({ type }) => type === line['type']);
  if (described.length === 0) return [`There is no line of the type ${JSON.stringify(line['type'])}.`];
  const problems = described.map(({ members }) => memberProblems(line, members));
  return problems.toSorted((a, b) => a.length - b.length)[0] as string[];
}

function memberProblems(line: Readonly<Record<string, unknown>>, members: JsonLine['members']): string[] {
  const unknown = Object.keys(line).filter((name) => name !== 'type' && members[name] === undefined);
  const wrong = Object.entries(members).flatMap(([name, { type, optional }]) => {
    if (line[name] === undefined) return optional === true ? [] : [`${name} is missing`];
    return type.split('|').includes(jsonType(line[name])) ? [] : [`${name} is ${jsonType(line[name])}, not ${type}`];
  });
  return [...unknown.map((name) => `${name} is not described`), ...wrong];
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
