import { describe, expect, test } from 'vitest';
import { FakeClock } from '../lib/fake-world.ts';
import { startDueWork, type DueWork } from './due.ts';
import type { Bus, Topic } from './world.ts';

function makeBus() {
  const handlers = new Set<readonly [handler: (topic: Topic, id: string) => void, onGap: (() => void) | undefined]>();
  const bus: Bus = {
    tell: async (topic, id) => handlers.forEach(([handler]) => handler(topic, id)),
    listen(handler, onGap) {
      const entry = [handler, onGap] as const;
      handlers.add(entry);
      return () => void handlers.delete(entry);
    },
  };
  return { bus, handlers, gap: () => handlers.forEach(([, onGap]) => onGap?.()) };
}

function open(tick: DueWork['tick'], more: Partial<DueWork> = {}) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const { bus, handlers, gap } = makeBus();
  const work = { name: 'reports', everyMs: 30_000, wakeOn: ['artifact' as const], tick, ...more };
  const started = startDueWork({ clock, bus, log: (level, message) => void lines.push(`${level} ${message}`) }, [work]);
  return { clock, bus, handlers, gap, lines, stop: async () => started[Symbol.asyncDispose]() };
}

describe('due work', () => {
  test('is looked for at once, then as often as it says', async () => {
    let looks = 0;
    const { clock, stop } = open(async () => (looks++, 0));
    await clock.advance(0);
    expect(looks).toBe(1);
    await clock.advance(29_999);
    expect(looks).toBe(1);
    await clock.advance(1);
    expect(looks).toBe(2);
    await stop();
    expect(clock.sleeping).toBe(0);
  });

  test('goes on while there is some', async () => {
    const left = [3, 2, 1, 0, 9];
    let looks = 0;
    const { clock, stop } = open(async () => left[looks++] ?? 0);
    await clock.advance(0);
    expect(looks).toBe(4);
    await stop();
  });

  test('is woken by its own topics, also while it looks, and by a gap', async () => {
    let looks = 0;
    let during: (() => Promise<void>) | null = null;
    const { clock, bus, gap, stop } = open(async () => {
      looks += 1;
      await during?.();
      during = null;
      return 0;
    });
    await clock.advance(0);
    await bus.tell('job', 'x');
    await clock.advance(0);
    expect(looks).toBe(1);
    await bus.tell('artifact', 'x');
    await clock.advance(0);
    expect(looks).toBe(2);
    gap();
    await clock.advance(0);
    expect(looks).toBe(3);
    during = async () => bus.tell('artifact', 'x');
    await bus.tell('artifact', 'x');
    await clock.advance(0);
    expect(looks).toBe(5);
    await stop();
  });

  test('that fails is logged and tried again a little later, however often it wakes itself', async () => {
    let looks = 0;
    const opened = open(async () => {
      looks += 1;
      await opened.bus.tell('artifact', 'x');
      if (looks < 4) throw new Error('away');
      return 0;
    });
    const { clock, lines, stop } = opened;
    await clock.advance(0);
    expect(looks).toBe(1);
    await clock.advance(10_000);
    expect(looks).toBe(3);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe('warn Work on reports failed and is tried again.');
    await stop();
  });

  test('that has begun hears of the stop and is waited for', async () => {
    let isOver = false;
    const { clock, handlers, lines, stop } = open(async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      isOver = true;
      throw new Error('stopped');
    });
    await clock.advance(0);
    await stop();
    expect(isOver).toBe(true);
    expect(lines).toEqual([]);
    expect(handlers.size).toBe(0);
  });
});
