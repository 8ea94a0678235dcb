/** A small tree of files with names that are hard on copies: made anew, the same each time. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Names that are ordinary to Drover, and that others clean, trim, escape or mix up. */
const HARD_NAMES: readonly string[] = [
  'Crème brûlée.txt',
  'Crème brûlée.txt'.normalize('NFD'),
  'two  spaces.txt',
  ' begins with a space.txt',
  'ends with a space ',
  'ends with a dot.',
  '.hidden',
  '100%.txt',
  'already%20encoded.txt',
  'plus+and space.txt',
  'question?mark#hash&amp;.txt',
  'it\'s quoted, "twice".txt',
  'back\\slash.txt',
  'semi;colon=equals,comma.txt',
  '日本語のファイル.txt',
  'Ελληνικά.txt',
  'עברית.txt',
  '🎉 party.txt',
  'family 👩‍👩‍👧‍👦.txt',
  'UPPER.txt',
  'upper.txt',
  'tab\there.txt',
  'line\nbreak.txt',
  'CON',
  `${'long '.repeat(40)}name.txt`,
];
const YEARS = [2023, 2024, 2025];
const FILES_PER_YEAR = 60;
const LARGE_BYTES = 3 * 1024 * 1024;
/** Only its owner's rights are taken; who may read everything reads it, too. */
const UNREADABLE = 'not readable.txt';

/** Writes it into the folder; returns how many files there are. What this file system cannot name is left out. */
export async function growTree(folder: string): Promise<number> {
  let files = 0;
  const grow = async (path: string, content: string | Uint8Array): Promise<void> => {
    if (await wrote(join(folder, path), content)) files += 1;
  };
  for (const year of YEARS) {
    for (let number = 1; number <= FILES_PER_YEAR; number++) {
      const name = `photos/${year}/IMG_${String(number).padStart(4, '0')}.jpg`;
      await grow(name, `Picture ${number} of ${year}.\n`.repeat(number));
    }
  }
  for (const name of HARD_NAMES)
    await grow(`hard names/${name}`, `The name of this file is ${JSON.stringify(name)}.\n`);
  await grow(`deep/${'folder/'.repeat(20)}bottom.txt`, 'Twenty folders down.\n');
  await grow('duplicates/one.txt', 'The same content twice.\n');
  await grow('duplicates/two.txt', 'The same content twice.\n');
  await grow('empty.txt', '');
  await grow('large.bin', Buffer.alloc(LARGE_BYTES, 'Drover '));
  await grow(UNREADABLE, 'Nobody may read this.\n');
  await mkdir(join(folder, 'empty folder'), { recursive: true });
  await chmod(join(folder, UNREADABLE), 0o000);
  return files;
}

async function wrote(path: string, content: string | Uint8Array): Promise<boolean> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    await writeFile(path, content);
    return true;
  } catch (thrown) {
    const { code } = thrown as { readonly code?: string };
    if (code === 'EINVAL' || code === 'EILSEQ' || code === 'ENOENT' || code === 'ENAMETOOLONG') return false;
    throw thrown;
  }
}
