/** How bodies are read. */
import type { FastifyInstance } from 'fastify';

/** Clients that always say JSON send no body with DELETE, or where nothing is to be said. */
export function takeNoBody(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body, done);
  });
}
