import { hostname, networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isOwnMachine } from './own-machine.ts';

const machine = { name: 'Files01', addresses: ['192.0.2.2', 'fd00::2', 'fe80::fc:ff:fe00:1'] };

describe('what leads to this machine', () => {
  test.each([
    'localhost',
    'LOCALHOST.',
    'app.localhost',
    '127.0.0.1',
    '127.8.9.1',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '::1',
    '::1%lo',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:0.0.0.0',
    '64:ff9b::7f00:1',
    '192.0.2.2',
    '::ffff:192.0.2.2',
    'fd00::2',
    'fd00:0:0::2',
    'fe80::fc:ff:fe00:1%eth0',
    'files01',
    'FILES01.',
  ])('%s does', (host) => expect(isOwnMachine(host, machine)).toBe(true));

  test.each([
    'localhost.example.com',
    'notlocalhost',
    'files010',
    'files01.corp.example',
    'hooks.example.com',
    '1.0.0.0',
    '128.0.0.1',
    '192.0.2.3',
    'fd00::3',
    '::2:0:1',
    '10.0.0.8',
    '::ffff:10.0.0.8',
  ])('%s does not', (host) => expect(isOwnMachine(host, machine)).toBe(false));

  test('without anything said it is the machine on which this runs', () => {
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    expect(addresses.length).toBeGreaterThan(0);
    for (const { address } of addresses) expect(isOwnMachine(address)).toBe(true);
    expect(isOwnMachine(hostname())).toBe(true);
    expect(isOwnMachine('203.0.113.77')).toBe(false);
  });

  test('a machine whose name says nothing is not taken for every name that begins like it', () => {
    expect(isOwnMachine('hooks.example.com', { name: '', addresses: [] })).toBe(false);
    expect(isOwnMachine('hooks.example.com', { name: 'hooks.acme.example', addresses: [] })).toBe(false);
    expect(isOwnMachine('hooks.acme.example', { name: 'hooks.acme.example', addresses: [] })).toBe(true);
    expect(isOwnMachine('hooks', { name: 'hooks.acme.example', addresses: [] })).toBe(true);
  });
});
