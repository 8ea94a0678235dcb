/** After a clean validation: what of the source is not needed any more, with the commands. Drover deletes no source. */
import type { Config } from '../../contract/fields.ts';
import type { Place } from '../../contract/provider.ts';
import type { CloudAccount } from '../entities.ts';
import { quoted } from './shell.ts';
import { awsAccess, bucketContent } from './what-can-go-aws.ts';
import { azureAccess, blobContent } from './what-can-go-azure.ts';

export interface CanGo {
  readonly title: string;
  readonly detail: string;
  /** For a POSIX shell. Words in capitals are for whoever runs it to fill in; the detail says where they stand. */
  readonly command: string | null;
}

export interface SourceToLeave {
  readonly provider: string;
  readonly place: Place;
  /** Without secrets. */
  readonly config: Config;
  readonly connectorName: string;
  /** Of the account, as the provider writes it. */
  readonly fingerprint: string;
  readonly cloud: Pick<CloudAccount, 'accountType'> | null;
  /** Of the bucket, as an inventory has seen it. */
  readonly region: string | null;
  /** What was copied. */
  readonly versions: 'current' | 'all';
  /** When the validation looked. */
  readonly validatedAt: string;
  /** Other jobs that read from the same connector. */
  readonly otherJobs: number;
  /** Those of them that read from the same bucket, container or folder. */
  readonly otherJobsHere: number;
  /** The job leaves some out by a filter; how many that were at the validation. */
  readonly hasFilter: boolean;
  readonly excluded: number;
  /** What its copies could not carry over, in sentences: it is nowhere else. */
  readonly losses: readonly string[];
}

/** In the order in which it goes. */
export function whatCanGo(source: SourceToLeave): readonly CanGo[] {
  const content = [cautionOf(source), ...contentOf(source)];
  if (source.otherJobs > 0) {
    const detail = `${countOf(source.otherJobs, 'other job')} still read with the connector "${source.connectorName}": its key or role stays until they are done.`;
    return [...content, { title: 'Access', detail, command: null }];
  }
  return [...content, ...accessOf(source), connectorOf(source)];
}

/** Why not everything that is there is at the target, too; `null` when it is. No command may delete what was not moved. */
export function whyNotAll({ hasFilter, excluded, versions }: SourceToLeave): string | null {
  if (excluded > 0) {
    const are = excluded === 1 ? 'is' : 'are';
    const leaves =
      versions === 'all'
        ? 'the job leaves out, by its filter or as versions of what is deleted,'
        : "the job's filter leaves out";
    return `Drover writes no command that deletes them: ${countOf(excluded, 'object')} that ${leaves} ${are} here and at no target. The copy log of the validation (drover run report --kind copy-log-csv) names each object, with "NoCopyNecessary" what is at the target and may go.`;
  }
  if (!hasFilter) return null;
  return 'Drover writes no command that deletes them: the job has a filter, and what it leaves out would be deleted with the rest although it is at no target. Move it with a job of its own, or delete by the copy log of the validation.';
}

function cautionOf({ losses, otherJobsHere, validatedAt }: SourceToLeave): CanGo {
  const cautions = [
    `Both sides were compared at ${validatedAt}: what came to the source since is not at the target. Let nobody write there any more, and validate once more before you delete.`,
    ...(losses.length === 0 ? [] : [`What the copies could not carry over goes with the source: ${losses.join(' ')}`]),
    ...(otherJobsHere === 0
      ? []
      : [`${countOf(otherJobsHere, 'other job')} read from here as well; wait until they are validated too.`]),
  ];
  return { title: 'First', detail: cautions.join(' '), command: null };
}

function contentOf(source: SourceToLeave): CanGo[] {
  switch (source.provider) {
    case 's3':
      return bucketContent(source);
    case 'azure-blob':
      return blobContent(source);
    case 'local':
      return folderContent(source);
    default:
      return [];
  }
}

function accessOf(source: SourceToLeave): CanGo[] {
  if (source.provider === 's3') return awsAccess(source);
  if (source.provider === 'azure-blob') return azureAccess(source);
  return [];
}

function connectorOf({ connectorName }: SourceToLeave): CanGo {
  return {
    title: `The connector "${connectorName}"`,
    detail: 'Last, in Drover; its secrets go with it. Endpoints that use it, and their jobs, go before.',
    command: `drover connector remove ${quoted(connectorName)}`,
  };
}

function folderContent(source: SourceToLeave): CanGo[] {
  const { config, place } = source;
  const folder = folderOf(String(config['root'] ?? '/'), place);
  if (folder === '') {
    const detail = 'Drover writes no command that would remove a whole file system; remove in it what you mean.';
    return [{ title: 'The folder "/"', detail, command: null }];
  }
  const why = whyNotAll(source);
  if (why !== null) return [{ title: `The files of the folder "${folder}"`, detail: why, command: null }];
  const detail = 'With everything in it, on the machine that Drover reads it from.';
  return [{ title: `The folder "${folder}"`, detail, command: `rm -r -- ${quoted(folder)}` }];
}

function folderOf(root: string, { container, prefix }: Place): string {
  const top = container.startsWith('/') ? container : `${root.replace(/\/$/, '')}/${container}`;
  return `${top}/${prefix}`.replace(/\/+$/, '');
}

function countOf(count: number, word: string): string {
  return `${new Intl.NumberFormat('en-US').format(count)} ${word}${count === 1 ? '' : 's'}`;
}
