/** Names: what the flat namespace refuses, and what a hierarchical one makes of them. */

import { AzureError } from './error.ts';
import type { BlobCall, Container } from './state.ts';

export function checkBlobName(name: string, hns: boolean): void {
  if (name.length > 1024 || name.split('/').length > 254) {
    throw new AzureError('InvalidUri', 'The requested URI does not represent any resource on the server.');
  }
  const invalid = [...name].some((c) => {
    const code = c.codePointAt(0)!;
    return code < 0x20 || code === 0x7f || code === 0x81 || code === 0xfffe || code === 0xffff;
  });
  if (invalid) throw new AzureError('InvalidUri', 'The requested URI does not represent any resource on the server.');
  if (!hns) return;
  const segments = name.replace(/\/$/, '').split('/');
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new AzureError(
      'InvalidUri',
      'A path with empty or dot segments does not represent any resource on the server.',
    );
  }
}

/** With a hierarchical namespace: parents become directories; a file and a directory cannot share a name. */
export function claimPath(call: BlobCall): void {
  if (call.world.options.hns !== true) return;
  const { container, name } = call;
  if (container.directories.get(name) !== undefined) {
    throw new AzureError(
      'ResourceTypeMismatch',
      'The specified resource type does not match the type of the existing resource.',
    );
  }
  makeDirectories(call, name.split('/').slice(0, -1));
}

export function makeDirectories(call: BlobCall, segments: readonly string[]): void {
  const { container, world } = call;
  const paths = segments.map((_, i) => segments.slice(0, i + 1).join('/'));
  if (paths.some((path) => container.blobs.get(path) !== undefined)) {
    throw new AzureError(
      'PathConflict',
      'The specified path, or an element of the path, exists and its resource type is invalid for this operation.',
    );
  }
  for (const path of paths) {
    if (container.directories.get(path) === undefined) {
      container.directories.set(path, { modifiedAtMs: world.nowMs(), etag: world.etag() });
    }
  }
}

export function isEmptyDirectory(container: Container, path: string): boolean {
  const below = `${path}/`;
  const under = (key: string | undefined): boolean => key?.startsWith(below) ?? false;
  return (
    !under(container.blobs.keyAt(container.blobs.indexFrom(below))) &&
    !under(container.directories.keyAt(container.directories.indexFrom(below)))
  );
}
