/** The servers that tests meet: `inject('servers')` in a test file. */

export interface RgwServer {
  /** Path style, region us-east-1; STS at the same address. */
  readonly endpoint: string;
  /** Owner of the buckets. */
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Another user, who may assume `openRoleArn`. */
  readonly otherAccessKeyId: string;
  readonly otherSecretAccessKey: string;
  readonly openRoleArn: string;
}

export interface AzuriteServer {
  readonly endpoint: string;
  readonly accountName: string;
  readonly accountKey: string;
}

export interface PostgresServer {
  /** Of a server that runs already; `null` when the first test starts an embedded one in `folder`. */
  readonly url: string | null;
  /** Whether the programs of an embedded one are installed. */
  readonly hasEmbedded: boolean;
  readonly folder: string;
}

export interface Servers {
  readonly azurite: AzuriteServer;
  /** `null` where Ceph is not installed. */
  readonly rgw: RgwServer | null;
  /** `null` where no embedded PostgreSQL is installed and no address was given: `openTestDatabase`. */
  readonly postgres: PostgresServer | null;
  readonly missing: readonly string[];
}

declare module 'vitest' {
  export interface ProvidedContext {
    servers: Servers;
  }
}
