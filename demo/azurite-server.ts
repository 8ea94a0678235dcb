/** Microsoft's Azurite in a process that ends with whoever started it, whatever happens to that one. */
import { createRequire } from 'node:module';

process.on('disconnect', () => process.exit(0));
process.on('SIGHUP', () => undefined);
// Azurite would end by itself at Ctrl-C, in the middle of what is still asked of it.
const { on, once } = process;
process.on = ((name: string, listener: () => void) =>
  name === 'SIGINT' ? process : on.call(process, name, listener)) as typeof process.on;
process.once = ((name: string, listener: () => void) =>
  name === 'SIGINT' ? process : once.call(process, name, listener)) as typeof process.once;
on.call(process, 'SIGINT', () => undefined);

createRequire(import.meta.url)('azurite/dist/src/blob/main.js');
