/** Makes a transfer's definition: what it is, with the ids under which it is found again. */
import type { Concession, EndDefinition, TransferDefinition } from './definition.ts';
import type { Policy } from '../model/policy.ts';
import { pairIdOf, transferIdOf } from './transfer-id.ts';

export interface TransferRequest {
  readonly command: string;
  readonly source: EndDefinition;
  readonly target: EndDefinition;
  readonly policy: Policy;
  readonly concessions: readonly Concession[];
}

export function defineTransfer(request: TransferRequest): TransferDefinition {
  const { command, source, target, policy } = request;
  return {
    ...request,
    transferId: transferIdOf({ command, source, target, policy }),
    pairId: pairIdOf(source, target),
  };
}
