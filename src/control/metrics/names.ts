/** Every metric of our own, once: what `/metrics` gives and what the reference says follow from it. */

export interface MetricDefinition {
  readonly name: string;
  /** A counter only grows. A gauge is how it is now. */
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly LabelName[];
}

/** Each label, and what bounds its values. */
export const LABELS = {
  connector: 'the name of a connector',
  side: '`source` or `target` of a run; `server` for what a server asks by itself (tests, browsing, inventories, reports)',
  class: 'the class of the operation, as on a bill: `LIST`, `GET`, `HEAD`, `PUT`, `PART`, `DELETE`, …',
  code: 'the [error code](errors.md) of what was tried again',
  outcome:
    '`copied`, `same`, `skipped`, `unsupported`, `failed`; `excluded` at the source alone; `deleted` and `delete-failed` at the target alone',
  state: 'the state, as the words of the metric say',
  worker: 'the name of a worker',
  by: '`source`, `target`, `bandwidth`, `limit`, `cpu`, `listing`, `link` or `latency`',
} as const;

export type LabelName = keyof typeof LABELS;

export const METRICS = {
  requests: {
    name: 'drover_requests_total',
    type: 'counter',
    help: 'Requests sent. The same count as in the run, where it was one.',
    labels: ['connector', 'side', 'class'],
  },
  seconds: {
    name: 'drover_request_seconds_total',
    type: 'counter',
    help: 'Seconds from sending requests to the heads of their answers; divided by drover_requests_total, the mean.',
    labels: ['connector', 'side', 'class'],
  },
  throttles: {
    name: 'drover_throttles_total',
    type: 'counter',
    help: 'Answers 429 and 503: requests that the service asked to send later.',
    labels: ['connector', 'side', 'class'],
  },
  retries: {
    name: 'drover_retries_total',
    type: 'counter',
    help: 'What was tried again: requests, parts, listings and whole items.',
    labels: ['connector', 'side', 'code'],
  },
  items: {
    name: 'drover_items_total',
    type: 'counter',
    help: 'Items that runs have settled, at the end or ends where it happened. Dry runs and comparisons count too: they copy none.',
    labels: ['connector', 'side', 'outcome'],
  },
  bytes: {
    name: 'drover_bytes_copied_total',
    type: 'counter',
    help: 'Bytes of the items that were copied, at both ends.',
    labels: ['connector', 'side'],
  },
  takeovers: {
    name: 'drover_lease_takeovers_total',
    type: 'counter',
    help: 'Leases taken over from workers that fell silent, by source connector.',
    labels: ['connector'],
  },
  lanes: {
    name: 'drover_lanes',
    type: 'gauge',
    help: 'Lanes to the network: `busy` with a request, or `waiting` requests that found none free.',
    labels: ['connector', 'side', 'state'],
  },
  lanesMost: {
    name: 'drover_lanes_max',
    type: 'gauge',
    help: 'The most lanes for reading, and as many for writing, that the service bears as far as was found out.',
    labels: ['connector', 'side'],
  },
  runs: { name: 'drover_runs', type: 'gauge', help: 'Runs by state.', labels: ['state'] },
  queue: { name: 'drover_queue_depth', type: 'gauge', help: 'Runs that wait for their turn.', labels: [] },
  queued: {
    name: 'drover_connector_queue_depth',
    type: 'gauge',
    help: 'Runs that wait for their turn, at both of their ends.',
    labels: ['connector', 'side'],
  },
  workers: { name: 'drover_workers', type: 'gauge', help: 'Workers by state.', labels: ['state'] },
  segments: {
    name: 'drover_segments',
    type: 'gauge',
    help: 'Segments of runs that go on: `held`, `open` or `done`.',
    labels: ['state'],
  },
  lockWaits: {
    name: 'drover_lease_lock_wait_seconds',
    type: 'gauge',
    help: 'Time that workers waited for rows of leases, over all runs that go on or ended within a day.',
    labels: [],
  },
  claims: {
    name: 'drover_lease_claims',
    type: 'gauge',
    help: 'Segments that workers have claimed, over all runs that go on or ended within a day.',
    labels: ['worker'],
  },
  idle: {
    name: 'drover_lease_idle_seconds',
    type: 'gauge',
    help: 'Time that workers found nothing to claim while others were listing, over all runs that go on or ended within a day.',
    labels: ['worker'],
  },
  speed: {
    name: 'drover_bytes_per_second',
    type: 'gauge',
    help: 'Speed of runs that go on, by source connector.',
    labels: ['connector'],
  },
  pending: {
    name: 'drover_items_in_flight',
    type: 'gauge',
    help: 'Items that are listed and not yet settled, by source connector.',
    labels: ['connector'],
  },
  heldBack: {
    name: 'drover_runs_held_back',
    type: 'gauge',
    help: 'Runs that go on and are slower than they could be, and what holds them back; the connector is the target for `target`, else the source.',
    labels: ['by', 'connector'],
  },
  deliveries: {
    name: 'drover_messages_pending',
    type: 'gauge',
    help: 'Messages to subscribers that were not taken yet.',
    labels: [],
  },
  attention: {
    name: 'drover_connectors_needing_attention',
    type: 'gauge',
    help: 'Connectors that must be authorized again.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;
