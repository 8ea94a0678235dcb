/** What was probably meant. */
export { nearest } from '../lib/nearest.ts';
