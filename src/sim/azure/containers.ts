/** Containers and the account. */

import type { SimResponse } from '../http.ts';
import { EMPTY_BODY, textBody } from '../http.ts';
import { SortedMap, compareBytes, compareUnits } from '../order.ts';
import { branch, document, leaf } from '../xml.ts';
import { metadataFrom } from './attributes.ts';
import { AzureError } from './error.ts';
import type { AzureCall, AzureWorld, Container } from './state.ts';
import { permit } from './state.ts';

export function newContainer(world: AzureWorld, name: string): Container {
  const compare = world.options.order === 'bytes' ? compareBytes : compareUnits;
  const container: Container = {
    name,
    createdAtMs: world.nowMs(),
    etag: world.etag(),
    metadata: {},
    deletedAtMs: null,
    blobs: new SortedMap(compare),
    history: new Map(),
    uncommitted: new SortedMap(compare),
    directories: new SortedMap(compare),
  };
  world.containers.set(name, container);
  return container;
}

/** `null` once the container is really gone. */
export function containerState(world: AzureWorld, name: string): Container | null {
  const container = world.containers.get(name) ?? null;
  if (container === null || container.deletedAtMs === null) return container;
  if (world.nowMs() - container.deletedAtMs < (world.options.containerDeleteMs ?? 30_000)) return container;
  world.containers.delete(name);
  return null;
}

export function findContainer(world: AzureWorld, name: string): Container {
  const container = containerState(world, name);
  if (container === null || container.deletedAtMs !== null) {
    throw new AzureError('ContainerNotFound', 'The specified container does not exist.');
  }
  return container;
}

export function createContainer(call: AzureCall, name: string): SimResponse {
  permit(call, 'cw', 'c', name, null);
  if (name.length < 3 || name.length > 63) {
    throw new AzureError('OutOfRangeInput', 'The specified resource name length is not within the permissible limits.');
  }
  if (!/^(?:\$root|\$web|\$logs|[a-z0-9]+(?:-[a-z0-9]+)*)$/.test(name)) {
    throw new AzureError('InvalidResourceName', 'The specified resource name contains invalid characters.');
  }
  const existing = containerState(call.world, name);
  if (existing !== null) {
    throw existing.deletedAtMs === null
      ? new AzureError('ContainerAlreadyExists', 'The specified container already exists.')
      : new AzureError('ContainerBeingDeleted', 'The specified container is being deleted. Try operation later.');
  }
  const container = newContainer(call.world, name);
  container.metadata = metadataFrom(call);
  return { status: 201, headers: identity(container), body: EMPTY_BODY };
}

function identity(container: Container): Record<string, string> {
  return { etag: container.etag, 'last-modified': new Date(container.createdAtMs).toUTCString() };
}

export function deleteContainer(call: AzureCall, container: Container): SimResponse {
  permit(call, 'd', 'c', container.name, null);
  container.deletedAtMs = call.world.nowMs();
  return { status: 202, headers: {}, body: EMPTY_BODY };
}

export function containerProperties(call: AzureCall, container: Container): SimResponse {
  permit(call, 'rl', 'c', container.name, null);
  const metadata = Object.entries(container.metadata).map(([name, value]) => [`x-ms-meta-${name}`, value]);
  return {
    status: 200,
    headers: {
      ...identity(container),
      ...Object.fromEntries(metadata),
      'x-ms-lease-status': 'unlocked',
      'x-ms-lease-state': 'available',
      'x-ms-has-immutability-policy': 'false',
      'x-ms-has-legal-hold': 'false',
    },
    body: EMPTY_BODY,
  };
}

export function listContainers(call: AzureCall): SimResponse {
  permit(call, 'l', 's', null, null);
  const prefix = call.query.get('prefix') ?? '';
  const marker = call.query.get('marker') ?? '';
  const max = Math.min(Number(call.query.get('maxresults') ?? 5000), 5000);
  const found = [...call.world.containers.keys()]
    .filter((name) => name.startsWith(prefix) && name >= marker)
    .map((name) => containerState(call.world, name))
    .filter((container) => container !== null && container.deletedAtMs === null) as Container[];
  const xml = document(
    `EnumerationResults ServiceEndpoint="${call.request.scheme}://${call.request.host}/"`,
    leaf('Prefix', call.query.get('prefix')),
    branch(
      'Containers',
      found
        .slice(0, max)
        .map((container) =>
          branch(
            'Container',
            leaf('Name', container.name),
            branch(
              'Properties',
              leaf('Last-Modified', new Date(container.createdAtMs).toUTCString()),
              leaf('Etag', container.etag),
              leaf('LeaseStatus', 'unlocked'),
              leaf('LeaseState', 'available'),
            ),
          ),
        ),
    ),
    found.length > max ? leaf('NextMarker', found[max]!.name) : '<NextMarker />',
  );
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: textBody(xml) };
}

export function accountProperties(call: AzureCall): SimResponse {
  return {
    status: 200,
    headers: {
      'x-ms-sku-name': 'Standard_LRS',
      'x-ms-account-kind': 'StorageV2',
      'x-ms-is-hns-enabled': String(call.world.options.hns === true),
    },
    body: EMPTY_BODY,
  };
}
