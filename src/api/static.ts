/** The web app: files that never change under their name, and one page for every address of the app. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { DroverError } from '../model/errors.ts';
import { sendProblem } from './answers.ts';

const PAGE = 'index.html';

export async function servePages(app: FastifyInstance, folder: string | null): Promise<void> {
  if (folder === null || !existsSync(join(folder, PAGE))) return;
  await app.register(fastifyStatic, {
    root: folder,
    wildcard: false,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders(reply, path) {
      const isNamedByContent = path.includes(`${join(folder, 'assets')}/`);
      void reply.header('cache-control', isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  app.get('/*', (request, reply) => {
    const wantsPage = !request.url.startsWith('/api/') && !/\.\w+(\?|$)/.test(request.url);
    if (wantsPage) return reply.sendFile(PAGE);
    return sendProblem(reply, new DroverError('ENTITY_NOT_FOUND', 'There is nothing at this address.'), request.id);
  });
}
