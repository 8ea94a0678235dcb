/** One signed-in storage account. */
import type {
  Account,
  AccountRoles,
  BrowsePage,
  CheckLine,
  CheckWish,
  Place,
  PlaceIdentity,
  PolicyRequest,
  PolicyText,
  Source,
  SourceOptions,
  Target,
  TargetOptions,
  Use,
} from '../../contract/provider.ts';
import type { Config } from '../../contract/fields.ts';
import { DroverError } from '../../model/errors.ts';
import { checkAccount } from './check.ts';
import type { Arm } from './arm.ts';
import type { BlobClient } from './client.ts';
import { accountRoles } from './grant.ts';
import { listContainersPage, listPage } from './listing.ts';
import { sourceTraits, targetTraits } from './manifest.ts';
import { isContainerName } from './names.ts';
import { BlobPlace, explore } from './place.ts';
import { azurePolicies } from './policies.ts';
import { BlobSource } from './source.ts';
import { BlobTarget } from './target.ts';

export class AzureAccount implements Account {
  readonly fingerprint: string;
  readonly #client: BlobClient;
  readonly #config: Config;

  readonly roles?: AccountRoles;
  readonly #arm: Arm | null;

  /** `arm`: where roles can be assigned, for a sign-in that can have roles. */
  constructor(client: BlobClient, config: Config, arm: Arm | null = null) {
    this.#client = client;
    this.#arm = arm;
    if (arm !== null) {
      const check = this.check.bind(this);
      const clientId = typeof config['clientId'] === 'string' ? config['clientId'] : null;
      this.roles = accountRoles({
        arm,
        clock: client.clock,
        accountName: client.signIn.accountName,
        clientId,
        check,
      });
    }
    this.#config = config;
    const { origin, basePath, accountName } = client.signIn;
    this.fingerprint = `azure-blob ${origin}${basePath} ${accountName}`;
  }

  check(place: Place | null, use: Use, signal: AbortSignal, wish?: CheckWish): AsyncIterable<CheckLine> {
    const restricted = this.#restriction();
    return checkAccount(
      {
        client: this.#client,
        hasEndpointField: this.#config['endpoint'] !== undefined,
        place: place ?? (restricted.container === '' ? null : restricted),
        use,
        wish,
      },
      signal,
    );
  }

  async *browse(path: Place | null, signal: AbortSignal): AsyncIterable<BrowsePage> {
    if (path === null || path.container === '') {
      yield* this.#containers(signal);
      return;
    }
    this.#refuseOutside(path);
    let marker: string | null = null;
    // A hierarchical namespace names a folder twice: as a prefix, and as a thing of its own.
    const folders = new Set<string>();
    const isNew = (name: string): boolean => !folders.has(name) && folders.add(name).size > 0;
    do {
      const query = {
        container: path.container,
        prefix: path.prefix,
        marker,
        startFrom: null,
        delimiter: '/',
        withVersions: false,
      };
      const page: Awaited<ReturnType<typeof listPage>> = await listPage(this.#client, query, signal);
      const cut = (name: string) => name.slice(path.prefix.length);
      yield {
        items: [
          ...page.prefixes.filter(isNew).map((name) => ({ name: cut(name), kind: 'folder' as const, entry: null })),
          ...page.blobs
            .filter((blob) => cut(blob.entry.key) !== '' && (blob.entry.kind !== 'folder' || isNew(blob.entry.key)))
            .map((blob) => ({
              name: cut(blob.entry.key),
              kind: blob.entry.kind === 'folder' ? ('folder' as const) : ('object' as const),
              entry: { ...blob.entry, key: cut(blob.entry.key) },
            })),
        ],
      };
      marker = page.nextMarker;
    } while (marker !== null);
  }

  async identify({ container, prefix }: Place): Promise<PlaceIdentity> {
    const { origin, basePath } = this.#client.signIn;
    return { store: `azure-blob ${storeHost(origin)}${basePath}`, container, prefix };
  }

  readonly address = ({ container, prefix }: Place): string => {
    const { origin, basePath } = this.#client.signIn;
    return `${origin}${basePath}/${container}/${prefix}`;
  };

  async source(place: Place, options: SourceOptions, signal: AbortSignal): Promise<Source> {
    this.#refuseOutside(place);
    const nature = await explore(this.#client, place, signal);
    const withVersions = options.versions === 'all';
    if (withVersions && nature.isHierarchical) {
      throw new DroverError('UNSUPPORTED', 'An account with a hierarchical namespace keeps no versions.', {
        field: 'versions',
      });
    }
    return new BlobSource(
      new BlobPlace(this.#client, place, nature, withVersions),
      sourceTraits(nature),
      this.fingerprint,
    );
  }

  async target(place: Place, options: TargetOptions, signal: AbortSignal): Promise<Target> {
    this.#refuseOutside(place);
    if (!/^[a-z0-9]{8,26}$/.test(options.runId)) {
      throw new DroverError('INTERNAL', 'A run id must be 8 to 26 lower-case letters and digits.');
    }
    const nature = await explore(this.#client, place, signal);
    const tier = this.#config['accessTier'];
    return new BlobTarget({
      place: new BlobPlace(this.#client, place, nature, false),
      traits: targetTraits(nature, place.prefix),
      facts: options.facts,
      runId: options.runId,
      defaultTier: typeof tier === 'string' && tier !== 'default' ? tier : null,
      fingerprint: this.fingerprint,
    });
  }

  async makeContainer(name: string, signal: AbortSignal): Promise<'made' | 'existed'> {
    if (!isContainerName(name)) {
      throw new DroverError('INVALID_INPUT', `"${name}" cannot be the name of a container.`, {
        field: 'container',
        remedy: 'Use 3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends.',
      });
    }
    try {
      await this.#client.sendAndDiscard({
        method: 'PUT',
        operation: 'PUT',
        container: name,
        query: { restype: 'container' },
        signal,
        accepts: [201],
      });
      return 'made';
    } catch (thrown) {
      if (thrown instanceof DroverError && thrown.code === 'ALREADY_EXISTS') return 'existed';
      throw thrown;
    }
  }

  policies(request: PolicyRequest): readonly PolicyText[] {
    return azurePolicies(this.#client.signIn, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#arm?.close();
    await this.#client.close();
  }

  async *#containers(signal: AbortSignal): AsyncGenerator<BrowsePage> {
    const { container } = this.#restriction();
    if (container !== '') {
      yield { items: [{ name: container, kind: 'container', entry: null }] };
      return;
    }
    let marker: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listContainersPage>> = await listContainersPage(
        this.#client,
        marker,
        signal,
      );
      yield { items: page.names.map((name) => ({ name, kind: 'container' as const, entry: null })) };
      marker = page.nextMarker;
    } while (marker !== null);
  }

  #restriction(): Place {
    const container = this.#config['container'];
    const prefix = this.#config['prefix'];
    const path = typeof prefix === 'string' ? prefix : '';
    return {
      container: typeof container === 'string' ? container : '',
      prefix: path === '' || path.endsWith('/') ? path : `${path}/`,
    };
  }

  #refuseOutside(place: Place): void {
    const { container, prefix } = this.#restriction();
    const isOutside = (container !== '' && place.container !== container) || !place.prefix.startsWith(prefix);
    if (!isOutside) return;
    throw new DroverError(
      'PERMISSION_DENIED',
      `This connector is restricted to "${container}${prefix === '' ? '' : `/${prefix}`}"; "${place.container}/${place.prefix}" lies outside.`,
      { field: container !== '' && place.container !== container ? 'container' : 'prefix' },
    );
  }
}

/** With or without TLS it is the same account, and so is the second region of one that can be read there. */
function storeHost(origin: string): string {
  const { host } = new URL(origin);
  return host.replace(/^([a-z0-9]+)-secondary(?=\.)/, '$1');
}
