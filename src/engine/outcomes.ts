/** Everything that a job will do otherwise than one may expect, for this pair of ends and this mode, told before its start. */
import type { NameRules } from '../model/names.ts';
import type { Concession } from './definition.ts';
import { deleteCapText, emptySourceText } from './mirror-guard.ts';
import { negotiate, type NegotiateInput } from './negotiate.ts';

export interface OutcomesInput extends NegotiateInput {
  /** What names the source can have; `null`: any. */
  readonly sourceNames: NameRules | null;
}

/** What does not survive, and what the mode makes of what changes at the source. A comparison changes nothing. */
export function outcomesOf(input: OutcomesInput): readonly Concession[] {
  if (input.policy.mode === 'check') return [];
  return [
    ...negotiate(input),
    ...[overwrites, deletions, renames, versions, archived].flatMap((aspect) => aspect(input)),
  ];
}

type Aspect = (input: OutcomesInput) => readonly Concession[];

const overwrites: Aspect = ({ policy }) => {
  if (policy.targetNewer !== 'overwrite') return [];
  const detail =
    'Where both sides have an object of the same name and other content, the source wins, also when the target is newer.';
  return [{ aspect: 'overwrites', detail }];
};

const deletions: Aspect = ({ policy, targetTitle }) => {
  if (policy.mode !== 'mirror') return [];
  const cap = deleteCapText(policy);
  const limit =
    cap === null
      ? 'No limit is set to how many that may be.'
      : `Where that would be more than ${cap}, nothing is deleted and the run ends as failed.`;
  const detail = `What ${targetTitle} has at this place and the source does not is deleted there at the end of each run, whoever put it there; what the filters leave out stays. ${limit} ${emptySourceText(policy)}`;
  return [{ aspect: 'deletions', detail }];
};

const renames: Aspect = ({ policy }) => {
  const detail =
    policy.mode === 'mirror'
      ? 'An object that is renamed at the source is copied anew, and deleted under its old name.'
      : 'Nothing is deleted at the target: an object that is renamed at the source is copied anew and stays under its old name, too, and so does what is deleted at the source.';
  return [{ aspect: 'renames', detail }];
};

const versions: Aspect = ({ source, policy, sourceTitle }) => {
  if (policy.versions === 'all' || !source.facets.includes('versions')) return [];
  const detail = `Only the current version of each object is copied; older versions that ${sourceTitle} keeps, and objects that are deleted there but for their versions, stay behind.`;
  return [{ aspect: 'versions', detail }];
};

const archived: Aspect = ({ source, policy }) => {
  if (!source.facets.includes('restore')) return [];
  const detail =
    policy.archived === 'report'
      ? 'Archived objects are not copied: they are reported as unsupported, unless the job asks for their restore.'
      : `Archived objects are asked back (${policy.archived.tier}, for ${policy.archived.days} ${policy.archived.days === 1 ? 'day' : 'days'}), which the provider charges for and which takes hours or days, and copied then.`;
  return [{ aspect: 'archived', detail }];
};
