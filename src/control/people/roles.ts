/** Who may do what, in one place. Every service asks here; the matrix of routes and roles is tested against it. */
import { DroverError } from '../../model/errors.ts';
import type { Actor, Role } from '../entities.ts';

const RANK: Readonly<Record<Role, number>> = { viewer: 1, operator: 2, admin: 3 };

/** What is done → the least role that may. Anything not named here needs `admin`. */
const LEAST_ROLE = {
  /** Seeing everything but secrets, people and the audit log. */
  read: 'viewer',
  /** The numbers that monitoring collects. */
  metrics: 'viewer',
  /** Own password and tokens. */
  'own-account': 'viewer',
  /** Endpoints, projects, jobs, schedules, timetables, subscriptions. */
  define: 'operator',
  run: 'operator',
  /** What the overview lists, once somebody has looked at it. */
  dismiss: 'operator',
  report: 'operator',
  'connector-test': 'operator',
  'connector-use': 'operator',
  'connector-change': 'admin',
  people: 'admin',
  audit: 'admin',
  fleet: 'admin',
  'definitions-apply': 'admin',
} as const satisfies Record<string, Role>;

export type Right = keyof typeof LEAST_ROLE;

export const RIGHTS = Object.keys(LEAST_ROLE) as readonly Right[];

/** The least role that may. */
export function leastRole(right: Right): Role {
  return LEAST_ROLE[right];
}

export function may(actor: Actor, right: Right): boolean {
  if (actor.kind === 'system') return true;
  return RANK[actor.role] >= RANK[LEAST_ROLE[right]] && (actor.scopes ?? RIGHTS).includes(right);
}

/** FORBIDDEN, naming the role, or the scope of the token, that is needed. */
export function demand(actor: Actor, right: Right): void {
  if (may(actor, right)) return;
  const needed = LEAST_ROLE[right];
  if (RANK[actor.role] >= RANK[needed]) {
    const scopes = (actor.scopes ?? []).join(', ') || 'nothing';
    throw new DroverError(
      'FORBIDDEN',
      `This needs a token with the scope "${right}"; this one is narrowed to ${scopes}.`,
    );
  }
  throw new DroverError('FORBIDDEN', `This needs the role "${needed}"; you are signed in as "${actor.role}".`);
}

/** The lower of two roles: a token never has more than its person. */
export function lowerRole(a: Role, b: Role): Role {
  return RANK[a] <= RANK[b] ? a : b;
}
