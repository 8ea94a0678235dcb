/** Settings of a test: the defaults. */
import { defaultSettings, type Settings } from '../settings/settings.ts';

export function testSettings(folder: string, overrides: Partial<Settings> = {}): Settings {
  return { ...defaultSettings(folder), ...overrides };
}
