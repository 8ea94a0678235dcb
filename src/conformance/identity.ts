/** Which objects a place holds is told without who asks, and what is tried out at a target can be seen at the source. */
import assert from 'node:assert/strict';
import { redact } from '../contract/config.ts';
import { identitiesOverlap, identityBelow, lastingIdentity } from '../contract/places.ts';
import type { PlaceIdentity } from '../contract/provider.ts';
import type { Check } from './harness.ts';
import { DroverError } from '../model/errors.ts';

const SUITE = 'identity';

export const IDENTITY: readonly Check[] = [
  {
    suite: SUITE,
    name: 'the same place has the same identity, plain, without secrets, its store on one line',
    async run({ account, bench, place, harness }) {
      const identity = await account.identify(place);
      await using again = await bench.reopen();
      assert.deepEqual(await again.identify(place), identity);
      assert.deepEqual(JSON.parse(JSON.stringify(identity)), identity);
      assert.match(identity.store, /^\S[^\r\n]*$/);
      const shown = redact(harness.provider.account, bench.config);
      const secrets = Object.entries(bench.config).filter(([name, value]) => shown[name] !== value);
      for (const [name, value] of secrets) {
        assert.ok(!JSON.stringify(identity).includes(String(value)), `the identity shows ${name}`);
      }
    },
  },

  {
    suite: SUITE,
    name: 'places overlap where one lies in the other, and nowhere else',
    async run({ account, place }) {
      const at = (below: string): Promise<PlaceIdentity> =>
        account.identify({ container: place.container, prefix: place.prefix + below });
      const [whole, inside, beside] = [await at(''), await at('inside/'), await at('inside-not/')];
      for (const [a, b, expected] of [
        [whole, whole, true],
        [whole, inside, true],
        [inside, whole, true],
        [inside, beside, false],
      ] as const) {
        assert.equal(identitiesOverlap(a, null, b), expected, `${a.prefix} and ${b.prefix}`);
      }
      assert.deepEqual(lastingIdentity(inside), identityBelow(whole, 'inside/'));
      assert.equal(whole.prefix, place.prefix);
      const other = await account.identify({ container: `${place.container}-not`, prefix: place.prefix });
      assert.ok(!identitiesOverlap(whole, null, other), 'another container');
      const absent = await account.identify({ container: `${place.container}-not`, prefix: 'deep/' });
      assert.ok(identitiesOverlap(absent, null, { ...other, prefix: '' }), 'what is not there yet');
    },
  },

  {
    suite: SUITE,
    name: 'what is tried out at a target is seen where it is told to be, and gone afterwards, also after a refusal',
    unless: ({ source, target }) =>
      source === null ? 'it is not a source' : target === null ? 'it is not a target' : null,
    async run({ bench, source, target, signal }) {
      const [reading, writing] = [await source(), await target()];
      if (writing.observe === undefined) return;
      for (const below of ['', 'inside/deep/']) {
        let seen: string | null = null;
        await writing.observe(signal, {
          below,
          async seen(key) {
            assert.equal(seen, null, 'told twice');
            assert.ok(key.startsWith(`${below}.drover-probe-`), key);
            assert.notEqual(await reading.stat(key, signal), null, `nothing is at ${key}`);
            seen = key;
          },
        });
        assert.notEqual(seen, null, 'nothing was told');
      }
      const refusal = new DroverError('PLACES_OVERLAP', 'seen');
      await assert.rejects(
        writing.observe(signal, { below: '', seen: () => Promise.reject(refusal) }),
        (error) => error === refusal,
      );
      assert.deepEqual(
        (await bench.keys()).filter((key) => key.includes('.drover-probe-')),
        [],
      );
    },
  },

  {
    suite: SUITE,
    name: 'what was written just now, or only looks like a trial, is not taken away by one',
    unless: ({ target }) => (target === null ? 'it is not a target' : null),
    async run({ bench, target, signal }) {
      const writing = await target();
      if (writing.observe === undefined) return;
      const keys = ['', 'inside/'].flatMap((folder) =>
        ['abcdefgh', 'abcdefgh-a', 'check-mkfedmo0', '0123456789abcdef', 'of mine'].map(
          (name) => `${folder}.drover-probe-${name}`,
        ),
      );
      for (const key of keys) await bench.seed(key, Buffer.from('drover probe'));
      await writing.observe(signal, { below: 'inside/', seen: async () => undefined });
      assert.deepEqual([...(await bench.keys())].toSorted(), keys.toSorted());
    },
  },
];
