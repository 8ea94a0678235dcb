/** Settings of a test: the defaults. */
import type { Settings } from '../settings/settings.ts';

export function testSettings(folder: string, overrides: Partial<Settings> = {}): Settings {
  return { dataDir: folder, ...overrides } as Settings;
}
