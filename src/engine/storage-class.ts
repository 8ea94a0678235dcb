/** Whether a target can have the storage class that is asked for, before anything is written there. Pure. */
import type { TargetTraits } from '../contract/provider.ts';
import { nearest } from '../lib/nearest.ts';
import { DroverError } from '../model/errors.ts';

/**
 * Fails with INVALID_INPUT at `field` when no object there can have that class. A store that may have classes of
 * its own is only protected from slips of the pen: what it refuses itself is known at the first write.
 */
export function refuseStorageClass(
  storageClass: string | null,
  { carries }: Pick<TargetTraits, 'carries'>,
  targetTitle: string,
  field: string,
): void {
  const { storageClasses, ownStorageClasses = false } = carries;
  if (storageClass === null || storageClasses.includes(storageClass)) return;
  const meant = nearest(storageClass, storageClasses);
  if (ownStorageClasses && meant === null) return;
  const message =
    storageClasses.length === 0
      ? `${targetTitle} has no storage classes, so "${storageClass}" cannot be asked for.`
      : `${targetTitle} has no storage class "${storageClass}"${meant === null ? '' : `; "${meant}" was perhaps meant`}.`;
  const remedy =
    storageClasses.length === 0 ? 'Leave the storage class out.' : `Give one of ${storageClasses.join(', ')}, or none.`;
  throw new DroverError('INVALID_INPUT', message, { field, remedy });
}
