/**
 * Addresses at which machines of clouds give out credentials to whoever asks, and link-local ones, where nothing but
 * such helpers lives. A server that connects to what people type must not be sent there. Loopback and private networks
 * are not among them: stores of one's own stand there.
 */
import { BlockList, isIP } from 'node:net';

const V4: readonly (readonly [network: string, bits: number])[] = [
  ['169.254.0.0', 16],
  // Metadata of Alibaba Cloud, of Oracle Cloud, and what Azure's machines ask for certificates and extensions.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
];
const V6: readonly (readonly [network: string, bits: number])[] = [
  ['fe80::', 10],
  // Metadata of Amazon EC2 and its containers, and of Google Cloud.
  ['fd00:ec2::254', 128],
  ['fd00:ec2::23', 128],
  ['fd20:ce::254', 128],
];
const NAMES = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'instance-data',
  'instance-data.ec2.internal',
]);

const list = new BlockList();
for (const [network, bits] of V4) addNetwork(list, network, bits);
for (const [network, bits] of V6) list.addSubnet(network, bits, 'ipv6');

/** `host`: a name or an address without brackets. Names are looked at as they are written, not resolved. */
export function isUnsafeAddress(host: string): boolean {
  const bare = host.toLowerCase().replace(/\.$/, '');
  const family = isIP(bare);
  if (family === 0) return NAMES.has(bare);
  // A zone (`fe80::1%eth0`) says which network card, not where.
  return list.check(bare.replace(/%.*$/, ''), family === 4 ? 'ipv4' : 'ipv6');
}

/** Of IPv4, with the same addresses as an IPv6 network writes them: translated (NAT64) and tunnelled (6to4). */
export function addNetwork(to: BlockList, network: string, bits: number): void {
  to.addSubnet(network, bits, 'ipv4');
  const hex = hexOf(network);
  to.addSubnet(`64:ff9b::${hex}`, 96 + bits, 'ipv6');
  to.addSubnet(`2002:${hex}::`, 16 + bits, 'ipv6');
}

function hexOf(address: string): string {
  const [a, b, c, d] = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `${a}${b}:${c}${d}`;
}
