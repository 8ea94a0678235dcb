/** JSON lines of commands that go to a server: most carry one entity, as the API gives it. */

/** Type of a line → schema of its `entity` in the OpenAPI document, and the commands that write it. */
export const ENTITY_LINES: Readonly<Record<string, { readonly schema: string; readonly commands: string }>> = {
  connector: { schema: 'Connector', commands: '`connector add`, `list`, `show`' },
  inventory: { schema: 'InventoryItem', commands: '`connector inventory`' },
  endpoint: { schema: 'Endpoint', commands: '`endpoint …`, `connector users`' },
  project: { schema: 'Project', commands: '`project …`' },
  job: { schema: 'Job', commands: '`job …`, `connector users` (there `id`, `name` and `projectName` only)' },
  preflight: {
    schema: 'Preflight',
    commands: '`job preflight`, `job grant`, and `job start` and `schedule enable` that are refused',
  },
  outcome: { schema: 'Concession', commands: '`job outcomes`' },
  'what-can-go': { schema: 'WhatCanGo', commands: '`job what-can-go`, one line each' },
  run: { schema: 'Run', commands: '`job start`, `job watch`, `run …`; `run show` adds `snapshot` (RunSnapshot)' },
  'run-log': { schema: 'RunLogLine', commands: '`run log`, `job logs`' },
  item: { schema: 'RunItem', commands: '`run items`' },
  segment: { schema: 'RunSegment', commands: '`run segments`' },
  cell: { schema: '`cells` of RunMap', commands: '`run map`, one line each' },
  'outcome-of-many': { schema: 'ManyOutcome', commands: '`job start-all`, `schedule enable-all`, `disable-all`' },
  changed: { schema: 'ChangedCount', commands: '`run pause-all`, `resume-all`, `cancel-all`' },
  discovered: { schema: '`items` of DiscoveredPage', commands: '`connector discover`, one line each' },
  artifact: { schema: 'Artifact', commands: '`run report`, `artifact …`; with `path` where it was saved' },
  'report-key': { schema: 'ReportKey', commands: '`artifact key`' },
  schedule: { schema: 'Schedule', commands: '`schedule …`' },
  'schedule-event': { schema: 'ScheduleEvent', commands: '`schedule events`' },
  moment: { schema: '`at`, a time', commands: '`schedule preview`' },
  timetable: { schema: 'Timetable', commands: '`timetable …`' },
  person: { schema: 'Person', commands: '`person …`' },
  token: { schema: 'Token', commands: '`token …`; `create` adds `secret`, this once' },
  subscription: { schema: 'Subscription', commands: '`subscription …`; `create` adds `signingSecret`, this once' },
  delivery: { schema: 'Delivery', commands: '`subscription test`, `deliveries`' },
  audit: { schema: 'AuditLine', commands: '`audit`' },
  worker: { schema: 'Worker', commands: '`worker list`' },
  overview: { schema: 'Overview', commands: '`overview`' },
};

/** Those that carry something else. */
export const OTHER_LINES: Readonly<Record<string, string>> = {
  check: '`connector test`: as without a server.',
  policy: '`connector policy`: as without a server.',
  entry: '`ls`: `kind`, `key`, `sizeBytes` and `modifiedAtMs` (or `null`).',
  progress: '`--watch` and `watch`: as of `copy`.',
  retried: '`subscription retry`: `messages`, a number.',
  definitions: '`export`: `document`.',
  plan: '`apply`: one line for each step, with `action`, `kind`, `name` and `changes`.',
  applied: '`apply`: the same, of what was done.',
  seal: '`artifact verify` of a report: `file`, `isGenuine`, and `problems`, one sentence each.',
  manifest: '`artifact verify` of a manifest: `file`, `isWhole`, `root`, `rows`, and `problems`, one sentence each.',
  problem: '`apply`: `path` in the document, `message`, and `line` in the file (or `null`).',
  summary: 'As always.',
};
