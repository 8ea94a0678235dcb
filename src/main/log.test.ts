import { describe, expect, test } from 'vitest';
import { withFields } from '../lib/log.ts';
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
    const others = [
      'GET https://a.blob.core.windows.net/c/b?sv=1&sig=planted%2Fseven&x=1',
      'https://b.s3.amazonaws.com/k?X-Amz-Credential=planted-8&X-Amz-Signature=planted-9',
      'Authorization: Bearer planted-ten-ten-ten',
      'AccountName=a;AccountKey=planted-11==;EndpointSuffix=x',
      '-----BEGIN RSA PRIVATE KEY-----\nplanted-12\n-----END RSA PRIVATE KEY-----',
    ];
    for (const other of others) {
      const line = written(format, other, { reason: new Error(other), list: [{ deep: other }] });
      expect(line).not.toContain('planted');
      expect(line).toContain('***');
    }
  });
});

test('a program always finds when, how grave and what, whatever the details are called', () => {
  const line = written('json', 'What happened.', { message: 'other', level: 'none', at: 'never', run: 'r' });
  expect(JSON.parse(line)).toEqual({
    at: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    message: 'What happened.',
    run: 'r',
  });
});

test('fields that lines have in common stand in each, and a line can say it better', () => {
  const lines: unknown[] = [];
  const log = withFields((...line) => void lines.push(line), { worker: 'one', run: 'a' });
  log('info', 'First.');
  log('warn', 'Second.', { run: 'b', code: 'X' });
  expect(lines).toEqual([
    ['info', 'First.', { worker: 'one', run: 'a' }],
    ['warn', 'Second.', { worker: 'one', run: 'b', code: 'X' }],
  ]);
});
