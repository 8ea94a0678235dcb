/** What a connector was set up for, against what a job or an endpoint would do through it. */
import type { CloudAccount, JobSettings } from '../entities.ts';

/** A side that is opened through a connector. `permission`: what the connector's template gives; `null`: it has none. */
export interface Permitted {
  readonly connectorName: string;
  readonly permission: CloudAccount['permission'] | null;
}

/** Of a target. */
export function writeWarnings({ connectorName, permission }: Permitted): readonly string[] {
  if (permission === null || permission === 'read-write') return [];
  const only = permission === 'read' ? 'read only' : 'read and restore';
  return [
    `The connector "${connectorName}" was set up to ${only}, so writing here will be refused. Choose read and write for it, and update its stack with the new template.`,
  ];
}

/** Of a source; `archived` as the job has it. */
export function restoreWarnings(
  { connectorName, permission }: Permitted,
  { archived }: Pick<JobSettings, 'archived'>,
): readonly string[] {
  if (archived === 'report' || permission !== 'read') return [];
  return [
    `The connector "${connectorName}" was set up to read only, and the job asks for archived objects back, which will be refused. Choose read and restore for it, and update its stack with the new template; or have the job only report what is archived.`,
  ];
}
