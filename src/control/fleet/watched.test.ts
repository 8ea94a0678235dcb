import { expect, test } from 'vitest';
import { DroverError, type ErrorCode } from '../../model/errors.ts';
import { ofItsSide, sideOf } from '../../engine/failure-facts.ts';
import { noteError, Side } from './ends.ts';
import { watched } from './watched.ts';

function failing(code: ErrorCode) {
  const fail = async (): Promise<never> => {
    throw new DroverError(code, 'No.');
  };
  const side = new Side('target', 'c');
  const target = { stat: fail, facets: { removal: { remove: fail }, serverSideCopy: { copy: fail, copyPart: fail } } };
  const end = watched(target, (error, part) => noteError(7, side, error, part));
  return { end, side };
}

const thrownBy = (work: () => Promise<unknown>): Promise<unknown> => work().catch((thrown: unknown) => thrown);

test('what is gone for a target is gone there', async () => {
  const { end } = failing('NOT_FOUND');
  for (const work of [() => end.stat(), () => end.facets.removal.remove()]) {
    const thrown = await thrownBy(work);
    expect([sideOf(thrown), ofItsSide(thrown).code]).toEqual(['target', 'CHANGED']);
  }
});

test('what is gone for a target that copies by itself may be what it should have fetched', async () => {
  const { end } = failing('NOT_FOUND');
  const { copy, copyPart } = end.facets.serverSideCopy;
  for (const work of [copy, copyPart]) {
    const thrown = await thrownBy(work);
    expect([sideOf(thrown), ofItsSide(thrown).code]).toEqual([null, 'NOT_FOUND']);
  }
});

test('whoever was not let in was asked', async () => {
  const { end } = failing('UNAUTHENTICATED');
  expect(sideOf(await thrownBy(() => end.facets.serverSideCopy.copy()))).toBe('target');
});

test('a target that copies by itself and asks for patience is slow', async () => {
  const { end, side } = failing('THROTTLED');
  await thrownBy(() => end.facets.serverSideCopy.copy());
  expect(side.throttledAtMs).toBe(7);
});
