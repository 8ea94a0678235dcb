import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../ids.ts';
import { openTestWorld, type TestWorld } from '../testing.ts';
import { adoptArtifacts, proveServerArtifacts } from './server-checks.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
});
afterAll(async () => world.close());

async function insertWorker(name: string, version: string, state: string, secondsAgo: number): Promise<void> {
  await sql`INSERT INTO workers (id, name, host, pid, program_version, protocol, state, started_at, seen_at)
    VALUES (${newId(world)}, ${name}, 'here', 1, ${version}, 1, ${state}, now(), now() - ${secondsAgo} * interval '1 second')`.execute(
    world.db,
  );
}

describe('a server before it begins', () => {
  test('is refused when it does not see the artifact store of its workers', async () => {
    await proveServerArtifacts(world);
    await insertWorker('at work', '1.0.0', 'active', 1);
    await using elsewhere = await openTestWorld({ databaseUrl: world.databaseUrl });
    await expect(proveServerArtifacts(elsewhere)).rejects.toMatchObject({ code: 'ARTIFACTS_NOT_SHARED' });
    await expect(proveServerArtifacts(world)).resolves.toBeUndefined();
    await adoptArtifacts(elsewhere);
    await expect(proveServerArtifacts(elsewhere)).resolves.toBeUndefined();
    await expect(proveServerArtifacts(world)).rejects.toMatchObject({ code: 'ARTIFACTS_NOT_SHARED' });
  });
});
