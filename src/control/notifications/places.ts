/**
 * Where messages must not be sent: to where machines of clouds keep their credentials, and to the machine of the server,
 * whose programs may trust whoever asks from there. Asked when an address is given, and again of each address that a name
 * was resolved to.
 */
import { isOwnMachine } from '../../lib/own-machine.ts';
import type { OpenTransport } from '../../lib/transport.ts';
import { DroverError } from '../../model/errors.ts';
import { guardAddresses, refuseUnsafeUrl } from '../connectors/addresses.ts';
import type { Actor, Subscription } from '../entities.ts';
import { may } from '../people/roles.ts';
import type { ControlWorld } from '../world.ts';
import type { SealedWebhook } from './rows.ts';

type Reach = SealedWebhook['reach'];

/** Who may make connectors to the machine of the server may have its programs told. */
export function reachOf(actor: Actor): Reach {
  return may(actor, 'connector-change') ? 'own-machine' : 'others';
}

/** UNSAFE_ADDRESS or FORBIDDEN at `destination`, by what is written there. */
export function refusePlace(
  { settings }: Pick<ControlWorld, 'settings'>,
  actor: Actor,
  kind: Subscription['kind'],
  destination: string,
): void {
  if (kind !== 'webhook') return;
  const url = new URL(destination);
  refuseUnsafeUrl(settings, url, 'destination');
  if (reachOf(actor) === 'own-machine' || !isOwnMachine(url.hostname.replace(/^\[|\]$/g, ''))) return;
  throw new DroverError('FORBIDDEN', 'Messages to programs on the machine of the server are set up by an admin.', {
    field: 'destination',
    remedy: 'Give the address of another machine, or ask an admin.',
  });
}

/** Looks at every address just before it is connected to. */
export function guardPlaces({ openTransport, settings }: ControlWorld, reach: Reach): OpenTransport {
  const open: OpenTransport = (network) => {
    const { checkAddress } = network;
    const check = (host: string, address: string): void => {
      checkAddress?.(host, address);
      if (reach === 'others' && (isOwnMachine(host) || isOwnMachine(address))) throw ownMachine(host, address);
    };
    return openTransport({ ...network, checkAddress: check });
  };
  return guardAddresses(open, settings, {}, {}).openTransport;
}

function ownMachine(host: string, address: string): DroverError {
  const where = host === address ? host : `${host} (${address})`;
  return new DroverError(
    'FORBIDDEN',
    `${where} is the machine of the server itself; messages to its programs are set up by an admin.`,
    { field: 'destination', remedy: 'Give the address of another machine, or ask an admin to give this one.' },
  );
}
