import { describe, expect, test } from 'vitest';
import { makeLog } from './log.ts';

function written(format: 'text' | 'json', message: string, details?: Record<string, unknown>): string {
  const lines: string[] = [];
  makeLog({ level: 'debug', format, write: (line) => void lines.push(line), now: () => 0 })('warn', message, details);
  return lines.join('');
}

describe.each(['text', 'json'] as const)('as %s', (format) => {
  test('a name never begins a line of its own, nor steers the terminal', () => {
    const odd = 'a\n1970-01-01T00:00:00.000Z info  all is well\r\u001b[2J\u009b2J\u2028';
    const text = written(format, `Job ${odd}`, { name: odd });
    expect(text.split('\n')).toHaveLength(2);
    expect(text.trimEnd()).not.toMatch(format === 'text' ? /[\p{Cc}\u2028]/u : /[\n\r]/);
    expect(text).toContain('all is well');
  });

  test('secrets are left out, by their names and by how they look', () => {
    const text = written(format, 'postgres://drover:planted-1@db drv_planted-2-and-more', {
      password: 'planted-3',
      nested: [{ clientSecret: 'planted-4', cookie: 'planted-5' }],
      error: new Error('Bearer drv_planted-6-and-more'),
    });
    expect(text).not.toContain('planted');
  });
});
