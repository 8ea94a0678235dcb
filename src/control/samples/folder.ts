/** Where sample data lies: the one place in Drover's own folder that a connector may reach. */
import { join } from 'node:path';

export function samplesFolder(dataDir: string): string {
  return join(dataDir, 'samples');
}
