/**
 * Whether an address leads back to the machine on which this runs: loopback in every way to write it, the unspecified
 * address (which systems take for loopback), the addresses of its network cards, and its names.
 */
import { BlockList, isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { addNetwork } from './unsafe-address.ts';

export interface Machine {
  readonly name: string;
  readonly addresses: readonly string[];
}

const always = new BlockList();
addNetwork(always, '127.0.0.0', 8);
addNetwork(always, '0.0.0.0', 8);
always.addAddress('::1', 'ipv6');
// `::` itself, and IPv4 addresses in the oldest way to write them as IPv6.
always.addSubnet('::', 104, 'ipv6');
always.addSubnet('::7f00:0', 104, 'ipv6');

/** `host`: a name or an address without brackets. Names are looked at as they are written, not resolved. */
export function isOwnMachine(host: string, { name, addresses }: Machine = thisMachine()): boolean {
  const bare = host.toLowerCase().replace(/\.$/, '').replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return bare === 'localhost' || bare.endsWith('.localhost') || isNameOf(bare, name.toLowerCase());
  if (check(always, bare)) return true;
  const own = new BlockList();
  for (const address of addresses) {
    const plain = address.replace(/%.*$/, '');
    own.addAddress(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6');
  }
  return check(own, bare);
}

function check(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** Written in full, or its first part alone. */
function isNameOf(host: string, name: string): boolean {
  return name !== '' && (host === name || host === name.replace(/\..*$/, ''));
}

/** Looked at each time: addresses come and go. */
function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((cards) => (cards ?? []).map(({ address }) => address));
  return { name: hostname(), addresses };
}
